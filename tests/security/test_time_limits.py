"""How long a client may take. The clock of these tests goes on only when nothing else can happen."""

import asyncio
import selectors
import socket
from typing import Any

import pytest
from uvicorn.server import ServerState

from agents_app.server.protocol import REQUEST_S, RESPONSE_S, HttpProtocol
from agents_app.server.worker import KEEP_ALIVE_S, server_config
from tests.security.served import head

GET = head("GET", "/short")
LONG = head("GET", "/long")
# More than the transport takes, but less than its usual limit for writing.
REST = head("GET", "/rest")
SIZES = {"/short": 0, "/refused": 0, "/rest": 60_000, "/long": 1_000_000}
REFUSED = head("POST", "/refused", "Content-Length: 9")
CHUNKED = head("POST", "/short", "Transfer-Encoding: chunked") + b"2\r\nhi\r\n0\r\n"
Event = tuple[int, bytes | None]


class Waiting(selectors.DefaultSelector):
    """A selector that does not wait: its time goes on instead. It fails if it would wait for ever."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now, or nothing after the time that the caller would have waited."""
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "The connection has no time limit."
            self.now += timeout
        return ready


class Clock(asyncio.SelectorEventLoop):
    """An event loop with the time of its selector."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        super().__init__(self.waiting)

    def time(self) -> float:
        """The time in seconds."""
        return self.waiting.now


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the body, apart from that of a refused request, and answer."""
    while scope["path"] != "/refused" and (await receive()).get("more_body"):
        pass
    size = SIZES[scope["path"]]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
    await send({"type": "http.response.body", "body": b"x" * size})


def end_of(*events: Event) -> float:
    """When the connection ends if the client sends these parts at these times. At None, it reads what it can."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(_end_of(events))


async def _end_of(events: tuple[Event, ...]) -> float:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[float] = loop.create_future()

    class Observed(HttpProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if not ended.done():
                ended.set_result(loop.time())

    config = server_config(app, Observed)
    config.load()
    client, server = socket.socketpair()
    with client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        client.setblocking(False)
        for at, part in events:
            loop.call_at(at, read_from if part is None else send_to, loop, client, part)
        await loop.connect_accepted_socket(lambda: Observed(config, ServerState(), {}), server)
        return await ended


def send_to(_: asyncio.AbstractEventLoop, client: socket.socket, part: bytes) -> None:
    """Send this part."""
    client.sendall(part)


def read_from(loop: asyncio.AbstractEventLoop, client: socket.socket, _: None) -> None:
    """From now on, read all that arrives."""
    loop.add_reader(client, lambda: client.recv(65_536) or loop.remove_reader(client))


def test_a_request_must_be_complete_in_time() -> None:
    assert end_of() == REQUEST_S
    assert end_of((30, b"G")) == 30 + REQUEST_S
    assert end_of(*((at, b"\r\n") for at in range(0, 40, 7))) == REQUEST_S
    assert end_of(*((at, GET[at : at + 1]) for at in range(39))) == REQUEST_S
    assert end_of((0, REFUSED + b"1234"), (30, b"5678")) == REQUEST_S


@pytest.mark.parametrize("data", [b"\r", b"\r\n", b"\n", b"\r\n\r\n"])
def test_after_an_answer_the_next_request_must_begin_in_time(data: bytes) -> None:
    assert end_of((0, GET)) == KEEP_ALIVE_S
    assert end_of((0, GET), (9, data), (14, data)) == KEEP_ALIVE_S
    assert end_of((0, REFUSED), (9, b"123456789")) == 9 + KEEP_ALIVE_S
    assert end_of((0, REFUSED), (9, b"123456789" + data), (14, data)) == 9 + KEEP_ALIVE_S
    assert end_of((0, GET), (9, data + GET)) == 9 + KEEP_ALIVE_S
    assert end_of((0, GET), (9, data + b"G")) == 9 + REQUEST_S


@pytest.mark.parametrize("sent", [b"\r\n", b"G", GET, GET + GET, GET[:-2], REFUSED, REFUSED + b"123456789", b"\0"])
def test_what_a_client_sends_gives_it_no_more_time_to_read(sent: bytes) -> None:
    for asked in (LONG, REST):
        assert end_of((0, asked), (30, sent)) == RESPONSE_S
        assert end_of((0, asked + sent), (50, sent)) == RESPONSE_S


def test_the_last_of_an_answer_must_be_read_in_time_too() -> None:
    for path in ("/long", "/rest"):
        assert end_of((0, head("GET", path, "Connection: close"))) == RESPONSE_S


def test_when_the_answer_was_read_the_next_request_has_its_time() -> None:
    for asked in (LONG, REST):
        assert end_of((0, asked), (50, None)) == 50 + KEEP_ALIVE_S
        for sent in (b"G", REFUSED, head("POST", "/short", "Content-Length: 9") + b"1234"):
            assert end_of((0, asked + sent), (50, None)) == 50 + REQUEST_S


@pytest.mark.parametrize("line", ["Connection: close", "connection:x, CLOSE", "Proxy-Connection: close"])
def test_a_connection_that_is_to_close_after_the_last_chunk_is_closed(line: str) -> None:
    rest = f"{line}\r\n\r\n".encode()

    assert end_of((0, CHUNKED + rest)) == 0
    assert end_of((0, GET + CHUNKED), (5, rest + GET)) == 5
    assert end_of((0, CHUNKED.replace(b"/short", b"/refused")), (5, rest)) == 5
