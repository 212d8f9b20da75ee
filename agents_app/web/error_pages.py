"""The page of an error. For people who are signed in it keeps the menu, and it says who can help."""

from typing import Any

from flask import Flask, Response, g, render_template, session

from agents_app.errors import NotSignedIn, Unavailable
from agents_app.operations import users
from agents_app.refusals import Refusal
from agents_app.web.sessions import SESSION_ID, current_actor

# The refusals that an admin can help with: what the role of the person does not permit.
ROLE_CODES = ("forbidden", "role_missing")


def init_app(app: Flask) -> None:
    """Answer the errors of pages with `error_page`."""
    app.extensions["error_page"] = error_page


def error_page(refusal: Refusal, *, is_plain: bool = False) -> Response:
    """A refusal as a page with a link back and the request id. `is_plain`: without the menu, and without a query."""
    known = {} if is_plain else _reader(refusal)
    page = render_template("errors/error.html", refusal=refusal, **known)
    return Response(page, refusal.status, refusal.headers, mimetype="text/html")


def _reader(refusal: Refusal) -> dict[str, Any]:
    """What the page shows to the person of this session: the frame of the console, and the admins who can help."""
    if SESSION_ID not in session:
        return {}
    # After a failure the database is not asked again: every attempt to connect makes the page slower.
    if refusal.status >= 500 and "actor" not in g:
        return {"is_framed": True}
    try:
        actor = current_actor()
        return {"is_framed": True, "admins": users.admin_names(actor) if refusal.code in ROLE_CODES else []}
    except NotSignedIn:
        return {}
    except Unavailable:
        return {"is_framed": True}
