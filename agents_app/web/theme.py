"""The theme: light, dark or that of the system. It is stored in a cookie, and the server renders it."""

from flask import Blueprint, current_app, redirect, request
from werkzeug.wrappers import Response

from agents_app.config import settings
from agents_app.web import session_cookie
from agents_app.web.urls import local_path

THEMES = {"light": "sun", "dark": "moon", "system": "monitor"}
COOKIE_SECONDS = 365 * 24 * 60 * 60

pages = Blueprint("theme", __name__)


def chosen_theme() -> str:
    """The theme of this browser."""
    theme = request.cookies.get(_cookie_name()) or request.cookies.get(session_cookie.old_name("theme"), "")
    return theme if theme in THEMES else "system"


@pages.post("/theme")
def choose() -> Response:
    """Store the chosen theme in the cookie, and return to the page."""
    response = redirect(local_path(request.form.get("next")), 303)
    theme = request.form.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            _cookie_name(), theme, COOKIE_SECONDS, secure=settings().is_https, httponly=True, samesite="Lax"
        )
    return response


def _cookie_name() -> str:
    return f"{current_app.config['SESSION_COOKIE_NAME']}-theme"
