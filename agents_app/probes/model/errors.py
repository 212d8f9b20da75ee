"""Reads the cause from a refusal of a model provider. Its text is only searched for known marks, and never shown."""

from typing import Any

from agents_app.probes.network.http_client import Answer
from agents_app.probes.recorder import ProbeFailed

# The members `code`, `type` and `status` of an error, of OpenAI, Azure OpenAI, Anthropic and compatible servers.
CODES = {
    **dict.fromkeys(
        (
            "insufficient_quota",
            "billing_not_active",
            "billing_hard_limit_reached",
            "credit_balance_exhausted",
            "billing_error",
            "quota_exceeded",
            "exceeded_current_quota_error",
        ),
        "model_no_quota",
    ),
    "authenticationtypedisabled": "model_keys_off",
    "unsupported_country_region_territory": "model_address_refused",
    "ip_not_authorized": "model_address_refused",
    "missing_scope": "model_list_forbidden",
    "invalid_api_key": "model_key_wrong",
    "authentication_error": "model_key_wrong",
    "permission_error": "model_key_forbidden",
    "rate_limit_error": "model_rate_limited",
    "overloaded_error": "model_busy",
}
# Where the same is only in the text of an error.
MARKS = {
    "missing scopes": "model_list_forbidden",
    "virtual network/firewall rules": "model_address_refused",
    "ip address is not": "model_address_refused",
    "ip not authorized": "model_address_refused",
    "credit balance is too low": "model_no_quota",
    "exceeded your current quota": "model_no_quota",
    "api key not valid": "model_key_wrong",
}
STATUSES = {
    401: "model_key_wrong",
    402: "model_no_quota",
    403: "model_key_forbidden",
    404: "model_wrong_url",
    405: "model_wrong_url",
    408: "model_busy",
    410: "model_wrong_url",
    429: "model_rate_limited",
}
READ_MAX = 20_000


def error_codes(body: object) -> list[str]:
    """The codes in an error, in lower case."""
    outer: dict[Any, Any] = body if isinstance(body, dict) else {}
    inner = outer.get("error")
    parts = [inner, outer] if isinstance(inner, dict) else [outer]
    found = [part.get(name) for part in parts for name in ("code", "type", "status")]
    return [text.lower() for text in found if isinstance(text, str)]


def is_page(answer: Answer) -> bool:
    """Whether an answer is a page for people, as a website or a proxy gives."""
    return "html" in answer.headers.get("content-type", "").lower() or answer.body.lstrip()[:1] == b"<"


def cause_of(answer: Answer) -> str:
    """The code of the cause of an answer that is not a success."""
    if answer.status >= 500:
        return "model_busy"
    if is_page(answer):
        return "model_rate_limited" if answer.status == 429 else "model_wrong_url"
    codes = [CODES[code] for code in error_codes(answer.json_object()) if code in CODES]
    text = answer.body[:READ_MAX].decode(errors="replace").lower()
    marked = [cause for mark, cause in MARKS.items() if mark in text]
    # What an account lacks is more exact than what the key may not do.
    by_account = [cause for cause in (*codes, *marked) if cause not in ("model_key_wrong", "model_key_forbidden")]
    by_status = [STATUSES[answer.status]] if answer.status in STATUSES else []
    return next(iter([*by_account, *codes, *by_status, *marked]), "model_refused")


def refusal(answer: Answer, *, has_key: bool, **facts: str) -> ProbeFailed:
    """The cause of an answer that is not a success, with all facts of its sentence."""
    code = cause_of(answer)
    if code == "model_key_wrong" and not has_key:
        code = "model_key_missing"
    return ProbeFailed(code, **facts, when=answer.waiting_time, reference=f"status {answer.status}")
