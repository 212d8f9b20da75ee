"""What every request and every answer goes through: request id, check of the host, log line.

Which hosts are allowed is in `hosts.py`; the headers of every answer are in `answer_headers.py`; how an error is
answered is in `refusals.py`.
"""

import logging
import re
import time
import uuid

from flask import Flask, Response, g, request
from werkzeug.exceptions import NotFound
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter, IntegerConverter

from agents_app import health, hosts
from agents_app.config import Settings
from agents_app.operations.permissions import Visitor
from agents_app.refusals import SERVER_ERRORS
from agents_app.values import limits

logger = logging.getLogger(__name__)

# Keys of the ASGI state of a request: the status with which the server refuses it, and whether the client closed the
# connection before the end of the body; when the request was complete (`time.perf_counter`).
REFUSED, TRUNCATED, COMPLETE_AT = "refused", "truncated", "complete_at"
# The end of the path that takes a file of agents.
IMPORT_PATH = "/agents/import"
# The key of the session id in the cookie of the pages.
SESSION_ID = "sid"
WITH_PORT = re.compile(r"\[(.+)\](?::\d+)?|([^:]+):\d+")
# What a caller may send to find its request in the log. Other values are not logged.
CALLER_ID = re.compile(r"[!-~]{1,128}")
# https://www.w3.org/TR/trace-context/: the version, the ids of the trace and of the parent, and flags. Versions after
# 00 can have more fields.
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!^00.{53})-[!-~]{0,100})?"
)


def visitor() -> Visitor:
    """Who sends the request, as far as can be known before sign-in."""
    return Visitor(address(), request.environ.get("HTTP_USER_AGENT", ""), g.request_id)


class OneSpelling(IntegerConverter):
    """A number in an address. Each has one spelling: without zeros before it, in the digits 0 to 9."""

    regex = r"(?:0|[1-9][0-9]*)"


class AnyText(BaseConverter):
    """The rest of an address, whatever it has: slashes too, also at its beginning and its end. It can be empty."""

    regex = r"(?s:.*)"
    part_isolating = False


def init_app(app: Flask, settings: Settings) -> None:
    """Install the checks and headers on the app."""
    app.url_map.converters |= {"int": OneSpelling, "text": AnyText}
    # A path with an empty id, such as `agents//runtime`, is not found. The framework would redirect it to another page.
    app.url_map.merge_slashes = False
    app.config.update(MAX_CONTENT_LENGTH=limits.BODY_BYTES, MAX_FORM_MEMORY_SIZE=limits.BODY_BYTES)
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    hosts.init_app(app, settings)
    app.before_request(_before_request)
    app.after_request(_after_request)


def address() -> str:
    """The IP address of the client, behind as many proxies as PROXY_HOPS says."""
    return _without_port(request.environ.get("REMOTE_ADDR") or "")


def forwarded_address(peer: str, forwarded_for: str, hops: int) -> str:
    """As `address`, of a request that does not reach the app: from its peer and its header X-Forwarded-For."""
    environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded_for}
    if hops:
        ProxyFix(lambda *_: [], x_for=hops, x_proto=0, x_host=0)(environ, lambda *_: lambda _: None)
    return _without_port(environ["REMOTE_ADDR"])


def _without_port(found: str) -> str:
    # Some proxies add the port. Guesses are counted per address, and the port differs with each connection.
    with_port = WITH_PORT.fullmatch(found) if ":" in found else None
    return ((with_port[1] or with_port[2]) if with_port else found)[: limits.IP_ADDRESS]


def paths_of_files(app: Flask) -> set[str]:
    """The paths that take a file of agents, with and without the path of PUBLIC_URL: their bodies may be larger."""
    known: Settings = app.extensions["settings"]
    paths = [rule.rule for rule in app.url_map.iter_rules() if rule.rule.endswith(IMPORT_PATH)]
    return {f"{prefix}{path}" for path in paths for prefix in ("", known.sub_path)}


def _before_request() -> None:
    g.request_id = uuid.uuid4().hex
    g.started_at = time.perf_counter()
    path, sent = request.path, _sent_path()
    if request.method == "POST" and path.endswith(IMPORT_PATH):
        request.max_content_length = request.max_form_memory_size = limits.FILE_BODY_BYTES
    hosts.check(any_host=sent in health.PATHS)
    if sent != path:
        # The server in front, and proxies, have decided by the path that was sent. No rule of the app has that path.
        request.url_rule = None
        raise NotFound
    if status := request.environ.get("asgi.scope", {}).get("state", {}).get(REFUSED):
        raise SERVER_ERRORS[status]()


def _sent_path() -> str:
    """The path that was sent. Werkzeug drops all slashes but one from its start, for `request.path` and for rules."""
    sent: str = request.environ.get("PATH_INFO", "")
    return sent.encode("latin-1").decode(errors="replace") or "/"


def _after_request(response: Response) -> Response:
    if "request_id" in g:
        response.headers["X-Request-ID"] = g.request_id
        _log_request(response)
    return response


def _log_request(response: Response) -> None:
    environ, actor = request.environ, g.get("actor")
    logger.info(
        "request",
        extra={
            "method": request.method,
            "path": _sent_path(),
            "status": response.status_code,
            "duration_ms": round((time.perf_counter() - g.started_at) * 1000, 1),
            "address": address(),
            "account_id": getattr(actor, "account_id", None),
            "user_id": getattr(actor, "user_id", None),
            "token_id": getattr(actor, "token_id", None),
            "client_request_id": _if_fits(environ.get("HTTP_X_REQUEST_ID"), CALLER_ID),
            "traceparent": _if_fits(environ.get("HTTP_TRACEPARENT"), TRACEPARENT),
        },
    )


def _if_fits(sent: str | None, pattern: re.Pattern[str]) -> str | None:
    return sent if sent and pattern.fullmatch(sent) else None
