"""The session cookie of the pages, signed by Flask. `CONTENT` lists what it may hold."""

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
from agents_app.web import sign_on_attempts


def _is_text(value: Any) -> bool:
    # Flask-WTF compares CSRF values, which fails on other characters.
    return isinstance(value, str) and value.isascii()


def _are_flashes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(flash, list | tuple) and len(flash) == 2 and isinstance(flash[1], str | dict) for flash in value
    )


# The key of a half-session: the password was right, and the code of the second factor is still to come.
HALF = "half"
# The beginnings of the paths of what is no page.
WITHOUT_SESSION = ("/api/", "/static/", *health.PATHS)
# What the cookie may hold, and a check of each value.
CONTENT: dict[str, Callable[[Any], bool]] = {
    http.SESSION_ID: _is_text,
    HALF: _is_text,
    "csrf_token": _is_text,
    "_flashes": _are_flashes,
    sign_on_attempts.BEGUN: sign_on_attempts.are_begun,
    sign_on_attempts.CLAIM: sign_on_attempts.is_claim,
}


class PageSessions(SecureCookieSessionInterface):
    """Flask's signed cookie for pages. The JSON API, health checks and static files neither read nor write it."""

    def open_session(self, app: Flask, request: Any) -> SecureCookieSession | None:
        """The content of the cookie, or None (a session that cannot be written) where the request is not for a page.

        Another release, or another program with the same key, may have signed it: only values that this release could
        have written are used.
        """
        if request.path.startswith(WITHOUT_SESSION) or (serializer := self.get_signing_serializer(app)) is None:
            return None
        text = request.cookies.get(self.get_cookie_name(app))
        lifetime = int(app.permanent_session_lifetime.total_seconds())
        try:
            found = serializer.loads(text or request.cookies.get(old_name("session"), ""), max_age=lifetime)
        except (BadData, TypeError, ValueError):
            return self.session_class()
        if not isinstance(found, dict):
            return self.session_class()
        session = self.session_class(
            {name: found[name] for name, is_valid in CONTENT.items() if is_valid(found.get(name))}
        )
        # A cookie with the old name is written again with the new name.
        session.modified = text is None
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie, except after HEAD: the messages that HEAD took from it are still to be shown."""
        if request.method != "HEAD":
            super().save_session(app, session, response)


def init_app(app: Flask) -> None:
    """Make the app use this cookie for its sessions."""
    settings: Settings = app.extensions["settings"]
    app.config.update(
        SESSION_COOKIE_NAME=_cookie_name(settings),
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
    )
    app.session_interface = PageSessions()


def old_name(kind: str) -> str:
    """The name of this cookie in release 0.1.0. It is read where the browser sends none with the current name."""
    return f"{_prefix(settings())}{kind}"


def _cookie_name(settings: Settings) -> str:
    # Browsers share cookies among all ports of a host, where other consoles and programs may set cookies too.
    key = (settings.secret_key or "").encode()
    digest = hmac.digest(key, f"cookies of {settings.base_url}".encode(), hashlib.sha256)
    return f"{_prefix(settings)}console-{base64.b32encode(digest).decode()[:6].lower()}"


def _prefix(settings: Settings) -> str:
    # Other hosts of the same domain cannot set a cookie with this prefix.
    return "__Host-" if settings.is_https else ""
