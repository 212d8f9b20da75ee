"""A loopback server that takes the place of an HTTPS service on the internet, and keeps the requests that it gets."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from tests.authority import Issued


@dataclass
class Request:
    """A request that the server got."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Reply:
    """An answer. Its body is sent as it is if it is bytes, otherwise as JSON.

    `stream` makes the parts of a body whose length the server does not say.
    """

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream: Callable[["LocalServer"], Iterator[bytes]] | None = None


class LocalServer(ThreadingHTTPServer):
    """The server. Tests set `answer`, which makes the reply to a request."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = int(self.server_address[1])
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Reply] = lambda request: Reply()
        self.is_stopped = threading.Event()
        if context:
            # The thread of the connection does the handshake.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that ends the connection early is what several tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = cast(LocalServer, self.server)
        length = int(self.headers.get("Content-Length", 0))
        names = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, names, self.rfile.read(length).decode())
        server.requests.append(request)
        reply = server.answer(request)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if not reply.stream:
            headers["Content-Length"] = str(len(body))
        for name, value in {**headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for part in reply.stream(server) if reply.stream else [body]:
            self.wfile.write(part)
            self.wfile.flush()

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """No log."""


@contextmanager
def running(issued: Issued | None, folder: Path) -> Iterator[LocalServer]:
    """Run a server with this certificate. Without one it uses plain http."""
    context = None
    if issued:
        file = folder / "server.pem"
        file.write_text(issued.certificate + issued.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
    with LocalServer(context) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server
        finally:
            server.is_stopped.set()
            server.shutdown()


def zeros(count: int) -> Callable[[LocalServer], Iterator[bytes]]:
    """A body of so many megabytes."""
    return lambda server: (b"0" * 1_000_000 for _ in range(count))


def slowly(server: LocalServer) -> Iterator[bytes]:
    """A body that never ends, one byte at a time."""
    while not server.is_stopped.wait(0.05):
        yield b" "
