"""Links as people paste them out of a text: with the full stop, the bracket or the quote that stood behind them."""

import re
import unicodedata
from urllib.parse import unquote

from flask import redirect, request, url_for
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response

from agents_app import refusals

# As `form_keys.code` makes it. A letter or digit more makes it another code; any other sign was not part of the link.
CODE = re.compile(r"[^A-Za-z0-9_-]*(?P<code>[A-Za-z0-9_-]{43})(?![A-Za-z0-9])")


def pasted_code() -> str:
    """The code of the one-time link by which a page was opened, or which its form brings."""
    given = request.values.get("code", "")
    found = CODE.match(given)
    return found["code"] if found else given


def lead_to_page() -> Response | None:
    """The way to the page that there is, once the signs behind its address are left out; None where there is none."""
    is_pasted = request.method in ("GET", "HEAD") and isinstance(request.routing_exception, NotFound)
    addresses = request_ctx.url_adapter
    if not is_pasted or addresses is None or refusals.is_api_path(request.path):
        return None
    try:
        endpoint, values = addresses.match(_without_signs(unquote(request.path)), "GET")
    except HTTPException:
        return None
    return redirect(url_for(endpoint, **values), 303)


def _without_signs(path: str) -> str:
    while path and path[-1] != "/" and (path[-1] in "<> " or unicodedata.category(path[-1])[0] == "P"):
        path = path[:-1]
    return path
