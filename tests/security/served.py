"""Runs the console with its real server on a socket, for tests that send bytes."""

import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn

from agents_app.server.buffering import BufferingMiddleware
from agents_app.server.worker import server_config

PATIENCE_S = 60
HOST = "localhost"


@dataclass
class Served:
    """A running server."""

    port: int

    def connect(self, sent: bytes = b"") -> socket.socket:
        """A connection, after sending these bytes."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        connection.sendall(sent)
        return connection

    def ask(self, request: bytes, *, stop_sending: bool = False) -> bytes:
        """Everything that is received until the server closes the connection."""
        with self.connect(request) as connection:
            if stop_sending:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def status(self, path: str) -> int:
        """The status of the answer to a GET."""
        return status_of(self.ask(head("GET", path, "Connection: close")))


@contextmanager
def served(
    app: Any, costly: Collection[str] = (), threads: int = 8, takes_files: Collection[str] = (), **limits: float
) -> Iterator[Served]:
    """Serve a WSGI app on a free port; `limits` are those of the middleware, in seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        middleware = BufferingMiddleware(app, threads, costly, takes_files=takes_files, **limits)
        server = uvicorn.Server(server_config(middleware))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield Served(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def head(method: str, path: str, *headers: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", *headers, "", ""]).encode()


def status_of(answer: bytes) -> int:
    """The status of a response; 0 if there is no response."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def read_all(connection: socket.socket) -> bytes:
    """Everything that is received until the other side closes the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            received += data
    return received
