"""The console on a real socket, behind the gate it has in production; a test speaks to it byte by byte."""

import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn

from agents_app.server.buffering import Gate
from agents_app.server.protocol import Connection

PATIENCE_S = 60
HOST = "localhost"


@dataclass
class Served:
    """A running server."""

    port: int

    def connect(self, sent: bytes = b"") -> socket.socket:
        """A connection on which these bytes were sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        connection.sendall(sent)
        return connection

    def ask(self, request: bytes, *, stop_sending: bool = False) -> bytes:
        """Everything that is answered until the server ends the connection."""
        with self.connect(request) as connection:
            if stop_sending:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def status(self, path: str) -> int:
        """The status of the answer to a GET."""
        return status_of(self.ask(head("GET", path, "Connection: close")))


@contextmanager
def served(app: Any, costly: Collection[str] = (), places: int = 8, **patience: float) -> Iterator[Served]:
    """A WSGI app on a free port; `patience` is the gate's, in seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gate = Gate(app, places, costly, **patience)
        config = uvicorn.Config(
            gate, http=Connection, ws="none", lifespan="off", interface="asgi3", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
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
    """The status of an answer; 0 where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def read_all(connection: socket.socket) -> bytes:
    """Everything that comes until the other side ends the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            received += data
    return received
