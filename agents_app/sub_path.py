"""The path of PUBLIC_URL, below which people find the console: put before its addresses, taken off the requests for it.

Some proxies take the path off before they pass a request on, others do not. Both work, without a setting.
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from agents_app.config import Settings

Environ = dict[str, Any]


def init_app(app: Flask, settings: Settings) -> None:
    """Install it, where PUBLIC_URL has a path."""
    if settings.sub_path:
        app.wsgi_app = SubPath(app, settings.sub_path)  # type: ignore[method-assign]


class SubPath:
    """The WSGI app of `app` below a path, such as `/agents`."""

    def __init__(self, app: Flask, path: str) -> None:
        self._app, self._url_map, self._path = app.wsgi_app, app.url_map, path

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        inside = self._inside(environ.get("PATH_INFO", ""))
        return self._app({**environ, "SCRIPT_NAME": self._path, "PATH_INFO": inside}, start_response)

    def _inside(self, path: str) -> str:
        rest = path.removeprefix(self._path)
        if rest == path or rest[:1] not in ("", "/"):
            return path
        # Below /agents, the proxy that takes it off passes /agents/agents on as /agents.
        if self._is_address(path) and not self._is_address(rest):
            return path
        return rest or "/"

    def _is_address(self, path: str) -> bool:
        return bool(self._url_map.bind("").allowed_methods(path))
