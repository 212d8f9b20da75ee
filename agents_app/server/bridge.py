"""Runs the app, which is WSGI, in the threads of an asynchronous server.

A request that comes here has its whole body. An answer in one part, as nearly all are, goes back to the event loop in
one step. An answer in more parts is sent part by part.
"""

import asyncio
import contextvars
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from urllib.parse import quote

Message = dict[str, Any]
Scope = dict[str, Any]
# What a thread passes to the event loop: messages of an answer, or the error of the app.
Passed = Iterable[Message] | BaseException

# The headers that say how long the body is. The app receives a whole body.
FRAMING = (b"content-length", b"transfer-encoding")
# Every ASCII character, so that quoting changes only other characters of the query.
ASCII = bytes(range(128)).decode()
# Where the app is, and how it is called.
OF_EVERY_REQUEST = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


class WsgiBridge:
    """Answers requests with the WSGI app `app` in `threads` threads."""

    def __init__(self, app: Any, threads: int) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def answer(self, scope: Scope, body: bytes, send: Any) -> None:
        """Answer a request with this body. Raises what the app raises."""
        loop = asyncio.get_running_loop()
        # Unlimited, so that a thread never waits for a client that reads slowly.
        passed: asyncio.Queue[Passed] = asyncio.Queue()

        def pass_on(messages: Passed) -> None:
            loop.call_soon_threadsafe(passed.put_nowait, messages)

        self._threads.submit(contextvars.copy_context().run, self._run, environ_of(scope, body), pass_on)
        is_complete = False
        while not is_complete:
            messages = await passed.get()
            if isinstance(messages, BaseException):
                raise messages
            for message in messages:
                await send(message)
                is_complete = not message.get("more_body", True)

    def _run(self, environ: dict[str, Any], pass_on: Callable[[Passed], None]) -> None:
        """What a thread does for a request."""
        try:
            self._run_app(environ, pass_on)
        except BaseException as error:
            pass_on(error)

    def _run_app(self, environ: dict[str, Any], pass_on: Callable[[Passed], None]) -> None:
        head: list[Message] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[..., None]:
            head[:] = [_head(status, headers)]
            return _refuse_write

        parts = self._app(environ, start_response)
        try:
            iterator = iter(parts)
            last = next(iterator, b"")
            for part in iterator:
                pass_on([*head, {"type": "http.response.body", "body": last, "more_body": True}])
                head.clear()
                last = part
        finally:
            if hasattr(parts, "close"):
                parts.close()
        pass_on([*head, {"type": "http.response.body", "body": last, "more_body": False}])


def environ_of(scope: Scope, body: bytes) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333), with its ASGI scope."""
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    return {
        **OF_EVERY_REQUEST,
        **_variables(scope),
        "asgi.scope": scope,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": quote(scope["query_string"], safe=ASCII),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
    }


def _variables(scope: Scope) -> dict[str, str]:
    """The variables of the headers. To join thousands of equal names one by one would stop the event loop."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        # WSGI cannot distinguish `X_Name` from `X-Name`, which the proxy in front has set.
        if b"_" not in name and name not in FRAMING:
            values.setdefault(name, []).append(value)
    return {_variable(name): b",".join(given).decode("latin-1") for name, given in values.items()}


def _variable(name: bytes) -> str:
    text = name.decode("latin-1").upper().replace("-", "_")
    return text if text == "CONTENT_TYPE" else f"HTTP_{text}"


def _head(status: str, headers: list[tuple[str, str]]) -> Message:
    return {
        "type": "http.response.start",
        "status": int(status[:3]),
        "headers": [(name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers],
    }


def _refuse_write(_data: bytes) -> None:
    raise NotImplementedError("The app returns its answer.")
