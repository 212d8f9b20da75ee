"""Answers `/metrics`, before a request reaches the threads of the app: also while all of them are in use."""

import asyncio
import gzip
import hmac
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask, Request

from agents_app.config import Settings
from agents_app.http import forwarded_address
from agents_app.metrics import recording
from agents_app.metrics.answer import Answers
from agents_app.metrics.instruments import IN_PROGRESS
from agents_app.metrics.workers import AsgiApp

logger = logging.getLogger(__name__)

Scope = dict[str, Any]

PATH = "/metrics"
TEXT = "text/plain; charset=utf-8"
REMOVED = b"The folder of the metrics was removed. Restart the server to count again.\n"


class MetricsMiddleware:
    """An ASGI app that answers what is sent for metrics, and passes on everything else.

    With METRICS_BIND, everything that is sent to its port is for metrics. Otherwise the path is.
    """

    def __init__(self, app: Flask, console: AsgiApp, settings: Settings) -> None:
        self._console = console
        self._answers = Answers(app)
        self._token, self._hops = settings.metrics_token, settings.proxy_hops
        self._port = settings.metrics_bind and settings.metrics_bind[1]
        self._paths = {PATH, settings.sub_path + PATH}
        self._thread = ThreadPoolExecutor(1, "metrics")

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self._is_for_metrics(scope):
            await self._answer(scope, send)
        elif recording.is_installed():
            IN_PROGRESS.inc()
            try:
                await self._console(scope, receive, send)
            finally:
                IN_PROGRESS.dec()
        else:
            await self._console(scope, receive, send)

    def _is_for_metrics(self, scope: Scope) -> bool:
        if self._port:
            return bool(scope["server"][1] == self._port)
        return scope["path"] in self._paths

    async def _answer(self, scope: Scope, send: Any) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] not in self._paths:
            await _send(send, 404, f"Metrics are at {PATH}.\n".encode(), TEXT)
        elif scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, b"Metrics are read with GET.\n", TEXT, allow="GET, HEAD")
        elif not self._is_allowed(headers.get("authorization", "")):
            # A line for each, as for every refusal: someone may guess the token.
            peer, forwarded = (scope.get("client") or ("",))[0], headers.get("x-forwarded-for", "")
            address = forwarded_address(peer, forwarded, self._hops)
            logger.warning("metrics were refused", extra={"path": PATH, "status": 401, "address": address})
            realm = 'Bearer realm="Agent Console metrics"'
            await _send(send, 401, b"Send METRICS_TOKEN as bearer token.\n", TEXT, **{"www-authenticate": realm})
        else:
            await self._show(headers, send)

    async def _show(self, headers: dict[str, str], send: Any) -> None:
        loop = asyncio.get_running_loop()
        try:
            body, content_type = await loop.run_in_executor(self._thread, self._answers.make, headers.get("accept", ""))
        except FileNotFoundError:
            await _send(send, 503, REMOVED, TEXT)
            return
        is_zipped = Request({"HTTP_ACCEPT_ENCODING": headers.get("accept-encoding", "")}).accept_encodings["gzip"] > 0
        encoding = {"content-encoding": "gzip"} if is_zipped else {}
        await _send(send, 200, gzip.compress(body, 1) if is_zipped else body, content_type, **encoding)

    def _is_allowed(self, sent: str) -> bool:
        if self._token is None:
            return True
        scheme, _, token = sent.partition(" ")
        is_equal = hmac.compare_digest(token.strip().encode(), self._token.encode())
        return is_equal and scheme.lower() == "bearer"


async def _send(send: Any, status: int, body: bytes, content_type: str, **more: str) -> None:
    headers = {
        "content-type": content_type,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **more,
    }
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
