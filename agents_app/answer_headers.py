"""The headers that every answer has, whatever makes it: a view, an error, a static file.

They are added behind Flask, which would check and copy each of them for every answer.
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from agents_app.config import Settings

Environ = dict[str, Any]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
# What an answer has that says nothing else.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Static files set their own; everything else must not be cached.
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"


def init_app(app: Flask, settings: Settings) -> None:
    """Install the middleware."""
    app.wsgi_app = AnswerHeaders(app.wsgi_app, HEADERS | _hsts(settings))  # type: ignore[method-assign]


class AnswerHeaders:
    """WSGI middleware that adds these headers to the answers of an app which do not have them."""

    def __init__(self, app: Callable[..., Iterable[bytes]], headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(name.lower(), (name, value)) for name, value in headers.items()]

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""

        def start_with_headers(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            given = {name.lower() for name, _ in headers}
            more = [header for name, header in self._headers if name not in given]
            return start_response(status, headers + more, *error)

        return self._app(environ, start_with_headers)


def _hsts(settings: Settings) -> dict[str, str]:
    if not settings.is_https:
        return {}
    # Below a path, the host belongs to other programs too: the console does not decide for its subdomains.
    return {"Strict-Transport-Security": HSTS if settings.sub_path else f"{HSTS}; includeSubDomains"}
