"""The cookie of the pages: signed by Flask, carried by nothing but pages. What it holds is said by `auth.py`."""

from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from agents_app import http
from agents_app.config import Settings


class PageSessions(SecureCookieSessionInterface):
    """Flask's signed cookie for pages; the JSON door, health and static files never touch it."""

    def open_session(self, app: Flask, request: Any) -> SecureCookieSession | None:
        """The cookie's content, or None (a session that cannot be written) where no page is asked for."""
        if request.path.startswith(("/api/", "/static/", *http.HEALTH)):
            return None
        return super().open_session(app, request)


def init_app(app: Flask) -> None:
    """Make the app keep its sessions so."""
    settings: Settings = app.extensions["settings"]
    is_https = settings.is_https
    app.config.update(
        SESSION_COOKIE_NAME="__Host-session" if is_https else "session",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
    )
    app.session_interface = PageSessions()
