"""Gets a token for Power BI from Microsoft Entra, and finds the cause when Entra gives none.

msal builds the requests. Its client for HTTP is ours, so every refusal is read here, and never its description.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from agents_app.probes.network.http_client import Answer, Server
from agents_app.probes.power_bi.credentials import read_credential
from agents_app.probes.recorder import ProbeFailed

BUSY = "entra_busy"
# The numbers in `error_codes`, which Entra also writes as AADSTS….
CODES = {
    7000215: "entra_secret_wrong",
    70002: "entra_secret_wrong",
    7000222: "entra_secret_expired",
    700016: "entra_application_unknown",
    700011: "entra_application_unknown",
    90002: "entra_tenant_unknown",
    90038: "entra_other_cloud",
    900432: "entra_other_cloud",
    900382: "entra_other_cloud",
    7000112: "entra_application_disabled",
    70001: "entra_application_disabled",
    700027: "entra_certificate_refused",
    50012: "entra_certificate_refused",
    700030: "entra_certificate_name",
    700025: "entra_public_client",
    500011: "entra_service_missing",
    650052: "entra_service_missing",
    65005: "entra_service_missing",
    53003: "entra_conditional_access",
    530032: "entra_conditional_access",
    **dict.fromkeys((90006, 90012, 90024, 90033, 90055), BUSY),
    **dict.fromkeys((9001023, 9002313, 900144), "entra_request_malformed"),
}
# Some numbers are used for both kinds of credential. What a cause of the other kind is for this one:
WITH_CERTIFICATE = dict.fromkeys(("entra_secret_wrong", "entra_secret_expired"), "entra_certificate_refused")
WITH_SECRET = dict.fromkeys(("entra_certificate_refused", "entra_certificate_name"), "entra_secret_wrong")
CODE_MAX = 10**9
# For other numbers, the values of `error`.
ERRORS = {
    "invalid_client": "entra_client_refused",
    "unauthorized_client": "entra_application_refused",
    "access_denied": "entra_application_refused",
    "interaction_required": "entra_application_refused",
    "invalid_grant": "entra_application_refused",
    "invalid_tenant": "entra_tenant_unknown",
    "invalid_instance": "entra_tenant_unknown",
    "invalid_resource": "entra_service_missing",
    "invalid_scope": "entra_service_missing",
    "invalid_request": "entra_request_malformed",
    "unsupported_grant_type": "entra_request_malformed",
    "temporarily_unavailable": BUSY,
    "server_error": BUSY,
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class _Reply:
    """An answer as msal reads it."""

    def __init__(self, answer: Answer) -> None:
        self.status_code, self.text, self.headers = answer.status, answer.body.decode(), answer.headers

    def raise_for_status(self) -> None:
        """Refused answers never get here."""


class _HttpClient:
    """The client for HTTP that msal gets: it sends to one server only, and refuses what is not a success."""

    def __init__(self, server: Server, other_logins: frozenset[str], causes: Mapping[str, str]) -> None:
        self._server, self._other_logins, self._causes = server, other_logins, causes

    def get(self, url: str, params: Any = None, headers: Mapping[str, str] | None = None, **_: Any) -> _Reply:
        """Send a GET."""
        return self._send("GET", url, params, headers)

    def post(
        self, url: str, params: Any = None, data: Any = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> _Reply:
        """Send a POST of a form."""
        form = {**(headers or {}), "Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", url, params, form, urlencode(data or {}).encode())

    def close(self) -> None:
        """Each request has a connection of its own."""

    def _send(
        self, method: str, url: str, params: Any, headers: Mapping[str, str] | None, body: bytes | None = None
    ) -> _Reply:
        parts = urlsplit(url)
        if (parts.scheme, parts.hostname, parts.port or 443) != ("https", self._server.host, self._server.port):
            # Entra sends the address of a tenant in another cloud.
            is_login = parts.hostname in self._other_logins
            raise failure("entra_other_cloud", "no code") if is_login else self._server.fail("answer_not_understood")
        query = "&".join(filter(None, (parts.query, urlencode(params or {}))))
        target = parts.path + (f"?{query}" if query else "")
        answer = self._server.request(method, target, headers, body)
        if answer.status != 200 or "error" in answer.json_object():
            raise _refusal(answer, self._causes)
        if not answer.json_object():
            raise self._server.fail("answer_not_understood")
        return _Reply(answer)


def failure(code: str, reference: str, **facts: Any) -> ProbeFailed:
    """A ProbeFailed with the fact that all causes of Entra have."""
    return ProbeFailed(code, reference=reference, **facts)


def _refusal(answer: Answer, causes: Mapping[str, str]) -> ProbeFailed:
    """The cause of an answer that is not a success. Only its numbers, `error` and the correlation ID are read.

    `causes` has what some causes are for the kind of credential that was sent.
    """
    body = answer.json_object()
    codes = body.get("error_codes")
    numbers = [code for code in codes if type(code) is int and 0 < code <= CODE_MAX] if isinstance(codes, list) else []
    error = body.get("error")
    known = error if isinstance(error, str) and error in ERRORS else None
    code = next((CODES[number] for number in numbers if number in CODES), None) or ERRORS.get(known or "")
    if not code or answer.status == 429:
        code = BUSY if answer.status == 429 or answer.status >= 500 else "entra_refused"
    reference = f"AADSTS{numbers[0]}" if numbers else known or f"status {answer.status}"
    identity = body.get("correlation_id")
    if isinstance(identity, str) and UUID.fullmatch(identity):
        reference += f", correlation ID {identity.lower()}"
    return failure(causes.get(code, code), reference, **({"when": answer.waiting_time} if code == BUSY else {}))


def get_token(values: Mapping[str, Any], server: Server, resource: str, other_logins: frozenset[str]) -> str:
    """A token of the service principal for this resource, or a ProbeFailed."""
    credential = read_credential(values)
    causes = WITH_SECRET if isinstance(credential, str) else WITH_CERTIFICATE
    from msal import ConfidentialClientApplication

    port = "" if server.port == 443 else f":{server.port}"
    try:
        # Without `instance_discovery=False`, the first request goes to the public cloud whatever the cloud is.
        application = ConfidentialClientApplication(
            values["client_id"],
            authority=f"https://{server.host}{port}/{quote(values['tenant_id'], safe='')}",
            client_credential=credential,
            http_client=_HttpClient(server, other_logins, causes),
            instance_discovery=False,
        )
        answer = application.acquire_token_for_client(scopes=[f"{resource}/.default"])
    except (ValueError, KeyError, TypeError, AttributeError):
        # msal does not check the types of what it reads.
        raise server.fail("answer_not_understood") from None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise server.fail("answer_not_understood")
    return token
