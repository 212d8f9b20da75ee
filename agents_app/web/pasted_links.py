"""Links that were pasted with the full stop, bracket or quotation mark that followed them in a text."""

import re
import unicodedata
from urllib.parse import unquote

from flask import redirect, request, url_for
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response

from agents_app import refusals

# As `form_keys.code` creates it. Another letter or digit makes a different code; other characters are not part of it.
CODE = re.compile(r"[^A-Za-z0-9_-]*(?P<code>[A-Za-z0-9_-]{43})(?![A-Za-z0-9])")


def pasted_code() -> str:
    """The code of a one-time link, from the URL of the page or from its form."""
    given = request.values.get("code", "")
    found = CODE.match(given)
    return found["code"] if found else given


def redirect_without_punctuation() -> Response | None:
    """A redirect to the page whose URL was pasted with punctuation at its end; None where there is no such page."""
    is_pasted = request.method in ("GET", "HEAD") and isinstance(request.routing_exception, NotFound)
    routes = request_ctx.url_adapter
    if not is_pasted or routes is None or refusals.is_api_path(request.path):
        return None
    try:
        endpoint, values = routes.match(_without_punctuation(unquote(request.path)), "GET")
    except HTTPException:
        return None
    return redirect(url_for(endpoint, **values), 303)


def _without_punctuation(path: str) -> str:
    while path and path[-1] != "/" and (path[-1] in "<> " or unicodedata.category(path[-1])[0] == "P"):
        path = path[:-1]
    return path
