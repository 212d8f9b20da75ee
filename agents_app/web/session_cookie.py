"""The cookie of the pages: signed by Flask, carried by nothing but pages. What it holds is said by `auth.py`."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadData

from agents_app import health, http
from agents_app.config import Settings, settings


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
        serializer = self.get_signing_serializer(app)
        if serializer is None or request.path.startswith(("/api/", "/static/", *health.PATHS)):
            return None
        text = request.cookies.get(self.get_cookie_name(app))
        lifetime = int(app.permanent_session_lifetime.total_seconds())
        try:
            found = serializer.loads(text or request.cookies.get(old_name("session"), ""), max_age=lifetime)
        except (BadData, TypeError, ValueError):
            return self.session_class()
        if not isinstance(found, dict):
            return self.session_class()
        session = self.session_class({name: found[name] for name, fits in CONTENT.items() if fits(found.get(name))})
        # What was found under the old name is kept under the new one from now on.
        session.modified = text is None
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie; but a message that only a HEAD has taken is still to be shown."""
        if request.method != "HEAD":
            super().save_session(app, session, response)


def init_app(app: Flask) -> None:
    """Make the app keep its sessions so."""
    settings: Settings = app.extensions["settings"]
    app.config.update(
        SESSION_COOKIE_NAME=_name_of(settings),
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
    )
    app.session_interface = PageSessions()


def old_name(word: str) -> str:
    """What release 0.1.0 called its cookie of this kind. It is read where there is none of today's name."""
    return f"{_prefix(settings())}{word}"


def _name_of(settings: Settings) -> str:
    # Browsers keep the cookies of all ports of a host together, and other consoles and programs have cookies, too.
    key = (settings.secret_key or "").encode()
    digest = hmac.digest(key, f"cookies of {settings.base_url}".encode(), hashlib.sha256)
    return f"{_prefix(settings)}console-{base64.b32encode(digest).decode()[:6].lower()}"


def _prefix(settings: Settings) -> str:
    # It keeps other hosts of the same domain from setting the cookie.
    return "__Host-" if settings.is_https else ""
