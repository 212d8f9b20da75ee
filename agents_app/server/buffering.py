"""The gate in front of the app: a request passes when its body is whole and there is a place for it.

The app is WSGI and answers in a few threads. A thread that waited for a slow client would keep everybody waiting, so
bodies are read here, where waiting costs no thread.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

from a2wsgi import WSGIMiddleware

from agents_app.http import REFUSED, TRUNCATED
from agents_app.values import limits

Message = dict[str, Any]
Scope = dict[str, Any]

# 1 MB in this time is 33 kB a second.
BODY_S = 30.0
# Longer than fifty sign-ins take on two cores.
WAIT_S = 10.0
# All of ASCII: what is in the query already stays as it is.
ASCII = bytes(range(128)).decode()


class Refused(Exception):
    """The request does not pass; `status` says why, and the app finds the words."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ClientGone(Exception):
    """There is nobody to answer."""


class Gate:
    """An ASGI app: the WSGI app `app` with `places` threads.

    Requests for the paths `costly` take half of the places at most; those that find none wait without a thread.
    `body_s` is the time in seconds that a body may take, `wait_s` the time that a costly request waits.
    """

    def __init__(
        self, app: Any, places: int, costly: Collection[str] = (), body_s: float = BODY_S, wait_s: float = WAIT_S
    ) -> None:
        # Without a bound: a thread that hands its answer over never waits for a client that reads slowly.
        self._app = WSGIMiddleware(app, workers=places, send_queue_size=0)
        self._costly = frozenset(costly)
        self._costly_places = asyncio.Semaphore(max(1, places // 2))
        self._body_s, self._wait_s = body_s, wait_s

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        try:
            body = await self._whole_body(scope, receive)
            async with self._place(scope):
                await self._answer(scope, body, send)
        except Refused as refusal:
            scope["state"][REFUSED] = refusal.status
            if refusal.status == 413 and _ends_the_connection(scope):
                await self._read_past(receive)
            await self._answer(scope, b"", _closing(send) if _is_cut_off(scope, refusal) else send)
        except ClientGone:
            return

    async def _whole_body(self, scope: Scope, receive: Any) -> bytes:
        if _announced(scope) > limits.BODY_BYTES:
            raise Refused(413)
        try:
            async with asyncio.timeout(self._body_s):
                return await _read(scope, receive)
        except TimeoutError:
            raise Refused(408) from None

    async def _read_past(self, receive: Any) -> None:
        # A connection that ends with something unread is reset, and a proxy that still sends then loses the answer.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._body_s):
                while (await receive()).get("more_body", False):
                    pass

    @asynccontextmanager
    async def _place(self, scope: Scope) -> AsyncIterator[None]:
        if scope["method"] != "POST" or scope["path"] not in self._costly:
            yield
            return
        try:
            async with asyncio.timeout(self._wait_s):
                await self._costly_places.acquire()
        except TimeoutError:
            raise Refused(503) from None
        try:
            yield
        finally:
            self._costly_places.release()

    async def _answer(self, scope: Scope, body: bytes, send: Any) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        plain = {"headers": _headers(scope, body), "query_string": quote(scope["query_string"], safe=ASCII).encode()}
        await self._app({**scope, **plain}, receive, send)  # type: ignore[arg-type]


def _is_cut_off(scope: Scope, refusal: Refused) -> bool:
    # The server reads past the rest of a body that is too large, so that the client's next request works; but it cannot
    # know whether a client that asked first (Expect: 100-continue) sends one.
    return refusal.status in (400, 408) or any(name == b"expect" for name, _ in scope["headers"])


def _ends_the_connection(scope: Scope) -> bool:
    given = {name: value.lower() for name, value in scope["headers"]}
    asked = given.get(b"connection", b"close" if scope["http_version"] == "1.0" else b"")
    # A client that asks first sends nothing more once it is refused.
    return b"close" in asked and b"expect" not in given


def _closing(send: Any) -> Any:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return send_and_close


async def _read(scope: Scope, receive: Any) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limits.BODY_BYTES:
            raise Refused(413)
        if not message.get("more_body", False):
            return bytes(body)
        if scope["state"].get(TRUNCATED):
            raise Refused(400)


def _announced(scope: Scope) -> int:
    # The server has refused what is no number.
    return max((int(value) for name, value in scope["headers"] if name == b"content-length"), default=0)


def _headers(scope: Scope, body: bytes) -> list[tuple[bytes, bytes]]:
    # A name with an underscore would reach the app as the one with a dash, which a proxy in front has checked.
    kept = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    framing = (b"content-length", b"transfer-encoding")
    return [*((name, value) for name, value in kept if name not in framing), (b"content-length", b"%d" % len(body))]
