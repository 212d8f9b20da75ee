"""Light, dark or as the system is: kept in a cookie, drawn by the server."""

from flask import Blueprint, current_app, redirect, request
from werkzeug.wrappers import Response

from agents_app.config import settings
from agents_app.web import session_cookie
from agents_app.web.addresses import local_path

THEMES = {"light": "sun", "dark": "moon", "system": "monitor"}
COOKIE_SECONDS = 365 * 24 * 60 * 60

pages = Blueprint("theme", __name__)


def chosen_theme() -> str:
    """The theme of this browser."""
    wanted = request.cookies.get(_cookie_name()) or request.cookies.get(session_cookie.old_name("theme"), "")
    return wanted if wanted in THEMES else "system"


@pages.post("/theme")
def choose() -> Response:
    """Remember a theme and go back to the page."""
    response = redirect(local_path(request.form.get("next")), 303)
    wanted = request.form.get("theme", "")
    if wanted in THEMES:
        response.set_cookie(
            _cookie_name(), wanted, COOKIE_SECONDS, secure=settings().is_https, httponly=True, samesite="Lax"
        )
    return response


def _cookie_name() -> str:
    return f"{current_app.config['SESSION_COOKIE_NAME']}-theme"
