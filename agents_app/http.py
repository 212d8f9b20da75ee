"""What all requests share: request id, headers, and how an error becomes an answer. Hosts are `hosts.py`'s,
health is `health.py`'s.
"""

import logging
import re
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from flask import Flask, Response, current_app, g, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, RequestTimeout, default_exceptions
from werkzeug.middleware.proxy_fix import ProxyFix

from agents_app import errors, hosts
from agents_app.config import Settings
from agents_app.operations import event_records

logger = logging.getLogger(__name__)

BODY_MAX = 1_000_000
# The longest spelling of an IPv6 address.
ADDRESS_MAX = 45
HEALTH = ("/healthz", "/readyz")
# Where the server in front says, in the request's ASGI state, that it refuses it, with the status of the answer; and
# that the client stopped sending in the middle of it.
REFUSED, LOST_END = "refused", "lost_end"
# Where the pages' cookie carries the session.
SESSION_ID = "sid"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# The refusals that Activity keeps; that an agent is disabled is no trespass.
DENIALS = ("forbidden", "role_missing", "scope_missing")
HSTS = "max-age=31536000"
STATUS: dict[type[errors.ConsoleError], int] = {
    errors.Malformed: 400,
    errors.NotSignedIn: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.TooLarge: 413,
    errors.WrongMediaType: 415,
    errors.InvalidInput: 422,
    errors.Throttled: 429,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
}
# What the server in front refuses, by the status it says.
AT_THE_GATE: dict[int, Exception] = {
    400: errors.Malformed("The request ended before its body did. Nothing was done."),
    408: RequestTimeout(),
    413: RequestEntityTooLarge(),
    503: errors.Unavailable("Too many passwords are being checked. Try again in a moment.", code="busy"),
}
# Our words for refusals that the framework makes.
WORDS = {
    400: ("malformed", "The request could not be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
    408: ("timeout", "The request took too long to arrive. Nothing was done."),
    411: ("length_required", "Say how long the body is (Content-Length)."),
    413: ("too_large", f"This is more than can be taken at once. Send at most {BODY_MAX // 1000} kB."),
    414: ("address_too_long", "The address is too long."),
    415: ("unsupported_media_type", "Send the body as application/json."),
    500: ("internal_error", "Something went wrong here. It was logged under the request id."),
}


@dataclass(frozen=True)
class Refusal:
    """An error as any door can answer it; `fields` is a list of (JSON pointer, sentence)."""

    status: int
    code: str
    detail: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name of the status, such as Not Found."""
        known = default_exceptions.get(self.status)
        return known().name if known else "Insufficient Storage"


def refusal_of(error: Exception) -> Refusal:
    """The answer that an exception deserves: the one table of status codes."""
    if isinstance(error, errors.ConsoleError):
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        fields = error.fields if isinstance(error, errors.InvalidInput) else []
        return Refusal(status, error.code, error.detail, fields, _headers_for(error))
    if isinstance(error, HTTPException) and error.code is not None:
        code, detail = WORDS.get(error.code, (error.name.lower().replace(" ", "_"), f"{error.name}."))
        kept = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
        return Refusal(error.code, code, detail, headers=kept)
    return Refusal(500, *WORDS[500])


def problem(refusal: Refusal) -> Response:
    """A refusal as problem+json (RFC 9457), all wrong fields at once."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
    }
    if refusal.fields:
        body["errors"] = [{"pointer": pointer, "detail": sentence} for pointer, sentence in refusal.fields]
    return Response(orjson.dumps(body), refusal.status, refusal.headers, mimetype="application/problem+json")


def error_page(refusal: Refusal) -> Response:
    """A refusal as a page in the look of the console, with a way back and the request id."""
    page = render_template("errors/error.html", refusal=refusal)
    return Response(page, refusal.status, refusal.headers, mimetype="text/html")


def address() -> str:
    """Where the request comes from, behind as many proxies as PROXY_HOPS says."""
    found = request.remote_addr or ""
    # Some proxies add the port, which differs with each connection: every one would have guesses of its own.
    with_port = re.fullmatch(r"\[(.+)\](?::\d+)?|([^:]+):\d+", found)
    return ((with_port[1] or with_port[2]) if with_port else found)[:ADDRESS_MAX]


def init_app(app: Flask, settings: Settings) -> None:
    """Install all of this on the app."""
    # Where an id was left out, as in `agents//runtime`, nothing is found; the framework would lead elsewhere.
    app.url_map.merge_slashes = False
    app.config.update(MAX_CONTENT_LENGTH=BODY_MAX, MAX_FORM_MEMORY_SIZE=BODY_MAX)
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    hosts.init_app(app, settings)
    app.extensions["hsts"] = _hsts(settings)
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(Exception, _answer)


def is_for_programs(path: str) -> bool:
    """Whether this address belongs to the JSON door."""
    return path.startswith("/api/") or path in ("/api", "/openapi.json")


def _begin() -> None:
    g.request_id = uuid.uuid4().hex
    g.began = time.perf_counter()
    hosts.check(is_open=request.path in HEALTH)
    if refused := request.environ.get("asgi.scope", {}).get("state", {}).get(REFUSED):
        raise AT_THE_GATE[refused]


def _hsts(settings: Settings) -> str | None:
    if not settings.is_https:
        return None
    # Who shares a host with other programs does not decide for the hosts below it.
    return HSTS if settings.sub_path else f"{HSTS}; includeSubDomains"


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if hsts := current_app.extensions["hsts"]:
        response.headers["Strict-Transport-Security"] = hsts
    # Files say how long they may be kept; nothing else may.
    response.headers.setdefault("Cache-Control", "no-store")
    if "request_id" in g:
        response.headers["X-Request-ID"] = g.request_id
        _log_request(response)
    return response


def _log_request(response: Response) -> None:
    actor = g.get("actor")
    logger.info(
        "request",
        extra={
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "duration_ms": round((time.perf_counter() - g.began) * 1000, 1),
            "address": address(),
            "account_id": getattr(actor, "account_id", None),
            "user_id": getattr(actor, "user_id", None),
            "token_id": getattr(actor, "token_id", None),
        },
    )


def _answer(error: Exception) -> Response:
    refusal = refusal_of(error)
    if refusal.code in DENIALS and "actor" in g:
        _record_denial(refusal)
    if refusal.status == 500:
        logger.error("unexpected error", exc_info=error)
    elif refusal.status > 500:
        logger.warning("unavailable", extra={"code": refusal.code}, exc_info=error)
    return problem(refusal) if is_for_programs(request.path) else error_page(refusal)


def _record_denial(refusal: Refusal) -> None:
    # The refusal stands, whether or not the database can take a note of it.
    with suppress(errors.ConsoleError):
        event_records.record_denial(g.actor, f"{request.method} {request.endpoint}", refusal.detail)


def _headers_for(error: errors.ConsoleError) -> dict[str, str]:
    if isinstance(error, errors.NotSignedIn):
        return {"WWW-Authenticate": 'Bearer realm="Agent Console"'}
    if isinstance(error, errors.Throttled | errors.Unavailable):
        return {"Retry-After": str(error.retry_after)}
    return {}
