"""Which answer an error gets: the table of status codes, and the answer as problem+json. `web` makes the pages."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
from flask import Flask, Response, current_app, g, request, url_for
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    RequestEntityTooLarge,
    RequestTimeout,
)

from agents_app import errors
from agents_app.operations import events
from agents_app.values import limits
from agents_app.values.fields import unescape_pointer
from agents_app.values.status_titles import status_title
from agents_app.wording import number_text

logger = logging.getLogger(__name__)

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
# The code and the sentence for an error of Flask or Werkzeug.
FRAMEWORK_ERRORS = {
    400: ("malformed", "The request could not be understood."),
    404: ("not_found", "Nothing was found at this URL. Check the URL."),
    405: ("method_not_allowed", "This URL does not support this HTTP method."),
    408: ("timeout", "The request took too long to arrive. Nothing was done."),
    413: (
        "too_large",
        "The request body is too large. Send at most {most} kB.",
    ),
    415: ("unsupported_media_type", "Send the body as application/json."),
    500: ("internal_error", "An unexpected error occurred. Tell an operator the request id; the log has the details."),
}
# Creates the error for each status with which the server refuses a request. An exception that is raised again and
# again would hold every request that it was raised for.
SERVER_ERRORS: dict[int, Callable[[], Exception]] = {
    400: partial(errors.Malformed, "The request body is incomplete. Nothing was changed. Send the request again."),
    408: RequestTimeout,
    413: RequestEntityTooLarge,
    503: partial(errors.Unavailable, "Too many passwords are being checked. Try again in a moment.", code="busy"),
}
# The refusals that Activity shows. A disabled agent (`agent_disabled`) is no attempt to do something forbidden.
RECORDED_CODES = ("forbidden", "role_missing", "scope_missing")


@dataclass(frozen=True)
class Refusal:
    """The answer to an error, without its format.

    `fields` is a list of (JSON pointer, sentence). `is_of_query` says that the pointers name parameters of the query.
    """

    status: int
    code: str
    detail: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    is_of_query: bool = False

    @property
    def title(self) -> str:
        """The name of the status, such as Not Found."""
        return status_title(self.status)


def init_app(app: Flask) -> None:
    """Answer every exception with its refusal."""
    app.register_error_handler(Exception, _handle_error)


def from_error(error: Exception) -> Refusal:
    """The refusal for an exception."""
    if isinstance(error, errors.ConsoleError):
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        fields = error.fields if isinstance(error, errors.InvalidInput) else []
        is_of_query = isinstance(error, errors.InvalidQuery)
        return Refusal(status, error.code, error.detail, fields, _headers_for(error), is_of_query)
    if isinstance(error, HTTPException) and error.code is not None:
        code, detail = FRAMEWORK_ERRORS.get(error.code, (error.name.lower().replace(" ", "_"), f"{error.name}."))
        if error.code == RequestEntityTooLarge.code:
            detail = detail.format(most=number_text((request.max_content_length or limits.BODY_BYTES) // 1_000))
        headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
        return Refusal(error.code, code, detail, headers=headers)
    return Refusal(500, *FRAMEWORK_ERRORS[500])


def problem(refusal: Refusal) -> Response:
    """A refusal as problem+json (RFC 9457), with every invalid field."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
        "request_id": g.get("request_id"),
    }
    if refusal.fields:
        body["errors"] = [_broken_rule(refusal, pointer, sentence) for pointer, sentence in refusal.fields]
    return Response(orjson.dumps(body), refusal.status, refusal.headers, mimetype="application/problem+json")


def _broken_rule(refusal: Refusal, pointer: str, sentence: str) -> dict[str, str]:
    # A program that sends a query and a body must know which of the two is wrong.
    place = {"parameter": unescape_pointer(pointer[1:])} if refusal.is_of_query else {"pointer": pointer}
    return {**(place if pointer or not refusal.is_of_query else {}), "detail": sentence}


def is_api_path(path: str) -> bool:
    """Whether this path belongs to the JSON API, whose refusals are problem+json."""
    return path.startswith("/api/") or path in ("/api", "/openapi.json")


def _handle_error(error: Exception) -> Response:
    # Flask passes an InternalServerError where the answer to an earlier error failed.
    is_second = isinstance(error, InternalServerError)
    if isinstance(error, InternalServerError) and isinstance(error.original_exception, Exception):
        error = error.original_exception
    refusal = from_error(error)
    if refusal.code in RECORDED_CODES and "actor" in g:
        # The answer is the same where the database cannot record the refusal.
        with suppress(errors.ConsoleError):
            events.record_denial(g.actor, f"{request.method} {request.endpoint}", refusal.detail)
    if refusal.status == 500:
        logger.error("unexpected error", exc_info=error)
    elif refusal.status > 500:
        # In an outage, every request writes this: a traceback would fill the log. A refusal that the console decided,
        # such as `tests_off`, has no cause.
        cause = str(error.__cause__ or "").partition("\n")[0]
        logger.warning("unavailable", extra={"code": refusal.code, "cause": cause or None})
    if is_api_path(request.path):
        return problem(refusal)
    page: Response = current_app.extensions["error_page"](refusal, is_plain=is_second)
    return page


def _headers_for(error: errors.ConsoleError) -> dict[str, str]:
    if isinstance(error, errors.NotSignedIn):
        return {"WWW-Authenticate": 'Bearer realm="Agent Console"'}
    if isinstance(error, errors.WrongMediaType) and error.accept_patch:
        return {"Accept-Patch": ", ".join(error.accept_patch)}
    if isinstance(error, errors.AlreadyCreated):
        return {"Location": url_for("api.agents_read", agent_id=error.agent_id)}
    if isinstance(error, errors.Throttled | errors.Unavailable):
        return {"Retry-After": str(error.retry_after)}
    return {}
