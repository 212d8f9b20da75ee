"""Serves the console below the path of PUBLIC_URL, if it has one.

Some proxies remove the path from a request before they pass it on, others do not. Both work without a setting.
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from agents_app.config import Settings

Environ = dict[str, Any]


def init_app(app: Flask, settings: Settings) -> None:
    """Install the middleware if PUBLIC_URL has a path."""
    if settings.sub_path:
        app.wsgi_app = SubPathMiddleware(app, settings.sub_path)  # type: ignore[method-assign]


class SubPathMiddleware:
    """WSGI middleware that serves an app below a path, such as `/agents`."""

    def __init__(self, app: Flask, path: str) -> None:
        self._app, self._url_map, self._path = app.wsgi_app, app.url_map, path

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        path = self._path_in_app(environ.get("PATH_INFO", ""))
        return self._app({**environ, "SCRIPT_NAME": self._path, "PATH_INFO": path}, start_response)

    def _path_in_app(self, path: str) -> str:
        rest = path.removeprefix(self._path)
        if rest == path or rest[:1] not in ("", "/"):
            return path
        # With the path /agents, a proxy that removes the path passes /agents/agents on as /agents.
        if self._is_route(path) and not self._is_route(rest):
            return path
        return rest or "/"

    def _is_route(self, path: str) -> bool:
        return bool(self._url_map.bind("").allowed_methods(path))
