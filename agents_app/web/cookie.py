"""The cookie of the pages: signed by Flask, carried by nothing but pages. What it holds is said by `auth.py`."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadData

from agents_app import http
from agents_app.config import Settings


def _is_text(value: Any) -> bool:
    # Flask-WTF compares CSRF values, which fails on other characters.
    return isinstance(value, str) and value.isascii()


def _are_flashes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(flash, list | tuple) and len(flash) == 2 and isinstance(flash[1], str | dict) for flash in value
    )


# What the cookie may hold, and how each is recognised.
CONTENT: dict[str, Callable[[Any], bool]] = {
    http.SESSION_ID: _is_text,
    "csrf_token": _is_text,
    "_flashes": _are_flashes,
}


class PageSessions(SecureCookieSessionInterface):
    """Flask's signed cookie for pages; the JSON door, health and static files never touch it."""

    def open_session(self, app: Flask, request: Any) -> SecureCookieSession | None:
        """The cookie's content, or None (a session that cannot be written) where no page is asked for.

        What was signed by another release, or by another program with the same key, counts only as far as it is
        what this release would have written.
        """
        if request.path.startswith(("/api/", "/static/", *http.HEALTH)):
            return None
        try:
            found = super().open_session(app, request)
        except (BadData, TypeError, ValueError):
            return self.session_class()
        if found is None:
            return None
        return self.session_class({name: found[name] for name, fits in CONTENT.items() if fits(found.get(name))})

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie; but a message that only a HEAD has taken is still to be shown."""
        # A form that another site sends comes without the cookie, and must not replace it.
        is_from_elsewhere = request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method == "POST"
        if request.method != "HEAD" and not is_from_elsewhere:
            super().save_session(app, session, response)


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
