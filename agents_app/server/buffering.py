"""ASGI middleware that passes a request to the app when its body is complete and a thread is free.

The app is WSGI and has few threads. A slow client would block a thread, so bodies are read here, where waiting needs no
thread.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any

from agents_app.http import COMPLETE_AT, REFUSED, TRUNCATED
from agents_app.server.bridge import FRAMING, WsgiBridge
from agents_app.values import limits

Message = dict[str, Any]
Scope = dict[str, Any]

# 1 MB in this time is 33 kB per second.
BODY_S = 30.0
# Longer than fifty sign-ins take on two cores.
WAIT_S = 10.0


class RequestRefused(Exception):
    """The request is refused with this status. The app answers it (`refusals.SERVER_ERRORS`)."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ClientGone(Exception):
    """The client closed the connection."""


class BufferingMiddleware:
    """An ASGI app that runs the WSGI app `app` in `threads` threads.

    POST requests for the paths `costly` use at most half of the threads. Others of them wait without a thread.
    Those for the paths `takes_files` may have a body of FILE_BODY_BYTES.
    `body_s` is the time limit for a body in seconds, `wait_s` the time limit for waiting.
    """

    def __init__(
        self,
        app: Any,
        threads: int,
        costly: Collection[str] = (),
        body_s: float = BODY_S,
        wait_s: float = WAIT_S,
        takes_files: Collection[str] = (),
    ) -> None:
        self._app = WsgiBridge(app, threads)
        self._costly, self._takes_files = frozenset(costly), frozenset(takes_files)
        self._costly_slots = asyncio.Semaphore(max(1, threads // 2))
        self._body_s, self._wait_s = body_s, wait_s

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        try:
            body = await self._read_body(scope, receive)
            scope["state"][COMPLETE_AT] = time.perf_counter()
            if scope["method"] == "POST" and scope["path"] in self._costly:
                async with self._reserve_slot():
                    await self._app.answer(scope, body, send)
            else:
                await self._app.answer(scope, body, send)
        except RequestRefused as refusal:
            scope["state"][REFUSED] = refusal.status
            if refusal.status == 413 and _asks_to_close(scope):
                await self._skip_body(receive)
            await self._app.answer(scope, b"", _with_connection_close(send) if _must_close(scope, refusal) else send)
        except ClientGone:
            return

    async def _read_body(self, scope: Scope, receive: Any) -> bytes:
        if not any(name in FRAMING for name, _ in scope["headers"]):
            # The request is complete, so this does not wait.
            return await _receive_body(scope, receive, 0)
        takes_file = scope["method"] == "POST" and scope["path"] in self._takes_files
        most = limits.FILE_BODY_BYTES if takes_file else limits.BODY_BYTES
        if _content_length(scope) > most:
            raise RequestRefused(413)
        try:
            async with asyncio.timeout(self._body_s):
                return await _receive_body(scope, receive, most)
        except TimeoutError:
            raise RequestRefused(408) from None

    async def _skip_body(self, receive: Any) -> None:
        # Closing a connection with unread data resets it, and a proxy that is still sending loses the answer.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._body_s):
                while (await receive()).get("more_body", False):
                    pass

    @asynccontextmanager
    async def _reserve_slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._costly_slots.acquire()
        except TimeoutError:
            raise RequestRefused(503) from None
        try:
            yield
        finally:
            self._costly_slots.release()


def _must_close(scope: Scope, refusal: RequestRefused) -> bool:
    # The server skips the rest of a body that is too large, so that the client's next request works. After `Expect:
    # 100-continue`, it cannot know whether the client sends the body.
    return refusal.status in (400, 408) or any(name == b"expect" for name, _ in scope["headers"])


def _asks_to_close(scope: Scope) -> bool:
    given = {name: value.lower() for name, value in scope["headers"]}
    asked = given.get(b"connection", b"close" if scope["http_version"] == "1.0" else b"")
    # After `Expect: 100-continue`, a client that is refused does not send the body.
    return b"close" in asked and b"expect" not in given


def _with_connection_close(send: Any) -> Any:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return send_and_close


async def _receive_body(scope: Scope, receive: Any, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > most:
            raise RequestRefused(413)
        if not message.get("more_body", False):
            return bytes(body)
        if scope["state"].get(TRUNCATED):
            raise RequestRefused(400)


def _content_length(scope: Scope) -> int:
    # The server has already refused a value that is not a number.
    return max((int(value) for name, value in scope["headers"] if name == b"content-length"), default=0)
