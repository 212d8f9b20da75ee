"""Sends requests on kept connections, as many at once as there are connections, and measures each."""

import itertools
import selectors
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

CONNECTIONS = 16
PATIENCE_S = 60
PIECE = 256 * 1024


class LoadError(Exception):
    """An answer was not the expected one. The text says which."""


@dataclass(frozen=True)
class Request:
    """A request, and the status of its answer. `{n}` in the body or a header is a number that is never the same."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def encode(self, number: int) -> bytes:
        """The bytes to send."""
        body = self.body.replace("{n}", str(number)).encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value.replace('{n}', str(number))}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """A kept connection with one request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request: Request | None = None
        self._received = b""
        self._sent_at = 0.0

    def send(self, request: Request, number: int) -> None:
        """Send a request."""
        self._request, self._received = request, b""
        data = request.encode(number)
        self._sent_at = time.perf_counter()
        self.socket.sendall(data)

    def receive(self) -> tuple[bytes, float] | None:
        """Read what has come: the whole answer and its seconds, or None while it is incomplete. Raises LoadError."""
        piece = self.socket.recv(PIECE)
        if not piece:
            raise LoadError("The server closed a connection.")
        self._received += piece
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return None
        status = int(head[9:12])
        length = 0 if status == 304 else _length(head)
        if len(body) < length:
            return None
        if self._request and status != self._request.status:
            asked, expected = f"{self._request.method} {self._request.path}", self._request.status
            raise LoadError(
                f"{asked} was answered with {status}, not {expected}: {body[:300].decode(errors='replace')}"
            )
        return self._received, time.perf_counter() - self._sent_at


def ask(port: int, request: Request, number: int = 0) -> bytes:
    """Send one request on a connection of its own. Returns the whole answer. Raises LoadError."""
    connection = Connection(port)
    with connection.socket:
        connection.send(request, number)
        while (found := connection.receive()) is None:
            pass
    return found[0]


def load(
    port: int, requests: Sequence[Request], numbers: Iterator[int], count: int, connections: int = CONNECTIONS
) -> tuple[list[float], float]:
    """Send `count` requests, these in turn. Returns the seconds of each, and of all together. Raises LoadError."""
    planned = iter([(requests[number % len(requests)], number) for number in itertools.islice(numbers, count)])
    seconds: list[float] = []
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        began = time.perf_counter()
        for request, number in itertools.islice(planned, connections):
            connection = Connection(port)
            stack.enter_context(connection.socket)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(request, number)
        while len(seconds) < count:
            for key, _ in selector.select(PATIENCE_S):
                connection = key.data
                if (found := connection.receive()) is None:
                    continue
                seconds.append(found[1])
                if following := next(planned, None):
                    connection.send(*following)
        return seconds, time.perf_counter() - began


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise LoadError(f"An answer has no length: {head!r}")
