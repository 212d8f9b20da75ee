"""Where a request ends, and which of its lines are its headers. The data arrives in the parts that a test gives."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from uvicorn.server import ServerState

from agents_app.http import TRUNCATED
from agents_app.server.protocol import HttpProtocol
from agents_app.server.worker import server_config
from tests.security.served import head, served, status_of

CHUNKED = head("POST", "/first", "Transfer-Encoding: chunked")
NEXT = head("GET", "/next", "Connection: close")
# Headers that decide who is asking, from where, and for what.
TRUSTED = ["Authorization", "Cookie", "X-Forwarded-For", "Host", "If-Match", "X-Request-ID", "Content-Type", "Expect"]
TRAILERS_TOO_LONG = b"The lines after the last chunk are too long."


@dataclass
class Seen:
    """A request, as the app receives it."""

    method: str
    path: str
    body: bytes
    headers: dict[bytes, bytes]


def exchange(*parts: bytes) -> tuple[list[Seen], bytes]:
    """The requests that a connection carries out which receives these parts, and what it answers."""
    return asyncio.run(_exchange(parts))


async def _exchange(parts: tuple[bytes, ...]) -> tuple[list[Seen], bytes]:
    seen: list[Seen] = []
    config = server_config(recorder(seen))
    config.load()
    loop = asyncio.get_running_loop()
    client, server = socket.socketpair()
    with client:
        client.setblocking(False)
        _, protocol = await loop.connect_accepted_socket(lambda: HttpProtocol(config, ServerState(), {}), server)
        for part in parts:
            protocol.data_received(part)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while received := await loop.sock_recv(client, 65_536):
            answer += received
    return seen, answer


def recorder(seen: list[Seen]) -> Callable[..., Any]:
    """An ASGI app that records every complete request."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect" or TRUNCATED in scope["state"]:
                return
            body += message["body"]
            more = message["more_body"]
        seen.append(Seen(scope["method"], scope["path"], body, dict(scope["headers"])))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return app


def requests(seen: list[Seen]) -> list[tuple[str, str, bytes]]:
    """Method, path and body of each request."""
    return [(one.method, one.path, one.body) for one in seen]


@pytest.mark.parametrize("name", TRUSTED)
def test_a_line_after_the_last_chunk_is_no_header(name: str) -> None:
    line = f"{name}: 100-continue\r\n".encode()

    seen, answer = exchange(CHUNKED + b"2\r\n{}\r\n0\r\n" + line + b"\r\n" + NEXT)

    assert requests(seen) == [("POST", "/first", b"{}"), ("GET", "/next", b"")]
    assert seen[0].headers == {b"host": b"localhost", b"transfer-encoding": b"chunked"}
    assert answer.count(b"HTTP/1.1 ") == 2


def test_a_request_with_trailers_is_the_same_however_it_is_split() -> None:
    whole = CHUNKED + b"2;x=y\r\n{}\r\n1\r\n \r\n0\r\nHost: a\r\nCookie: b\r\n\r\n" + NEXT
    expected = [("POST", "/first", b"{} "), ("GET", "/next", b"")]

    seen = [exchange(whole[:at], whole[at:])[0] for at in range(1, len(whole))]

    assert [at for at, both in enumerate(seen, 1) if requests(both) != expected] == []
    assert {frozenset(both[0].headers) for both in seen} == {frozenset({b"host", b"transfer-encoding"})}


@pytest.mark.parametrize(
    "lines", [[b"a:b\r\n" * 4_000] * 50, [b"a: ", *[b"b" * 20_000] * 50], [b"a" * 20_000] * 50, [b"a:b\r\n" * 200_000]]
)
def test_lines_after_the_last_chunk_that_are_too_long_are_refused(lines: list[bytes]) -> None:
    seen, answer = exchange(CHUNKED + b"2\r\n{}\r\n0\r\n", *lines, b"\r\n\r\n")

    assert seen == []
    assert status_of(answer) == 400
    assert answer.endswith(TRAILERS_TOO_LONG)
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_body_of_many_chunks_is_not_taken_for_lines_after_the_last() -> None:
    # Parts of this size end after the length of a chunk, too.
    size, many = 9_999, b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    one = CHUNKED + b"186a0\r\n" + b"y" * 100_000 + b"\r\n0\r\n\r\n"

    seen, _ = exchange(
        CHUNKED, *(many[at : at + size] for at in range(0, len(many), size)), one, b"\r\n" * 99_999, NEXT
    )

    bodies = [b"x" * 100_000, b"y" * 100_000]
    assert requests(seen) == [*(("POST", "/first", body) for body in bodies), ("GET", "/next", b"")]


@pytest.mark.parametrize(
    "coding", ["gzip, chunked", "foo,chunked", "chunked, chunked", "gzip", "identity", "chunked;a=b", "chunked\t"]
)
@pytest.mark.parametrize("more", [(), ("Connection: Upgrade", "Upgrade: h2c")])
def test_a_coding_other_than_chunked_is_refused(coding: str, more: tuple[str, ...]) -> None:
    one_line = head("POST", "/first", *more, f"Transfer-Encoding: {coding}")
    two_lines = head("POST", "/first", *more, "Transfer-Encoding: gzip", "Transfer-Encoding: chunked")

    for start in (one_line, two_lines):
        seen, answer = exchange(start + b"2\r\n{}\r\n0\r\n\r\n" + NEXT)
        assert (seen, answer.count(b"HTTP/1.1 ")) == ([], 1)
        assert status_of(answer) in (400, 501)
    assert status_of(exchange(head("POST", "/first", "Transfer-Encoding: gzip, chunked"))[1]) == 501


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "  CHUNKED", "chunked ", "\tchunked", " \t chunked  "])
def test_the_name_of_the_coding_may_be_in_capitals_and_between_spaces(coding: str) -> None:
    seen, _ = exchange(head("POST", "/first", f"Transfer-Encoding:{coding}") + b"2\r\n{}\r\n0\r\n\r\n" + NEXT)

    assert requests(seen) == [("POST", "/first", b"{}"), ("GET", "/next", b"")]


@pytest.mark.parametrize("more", [(), ("Connection: Upgrade", "Upgrade: h2c")])
@pytest.mark.parametrize(
    "framing",
    [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 3"),
        ("Content-Length: 3", "Content-Length: 3"),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Content-Length: +3",),
        ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding: \x0bchunked",),
        ("Transfer-Encoding: gzip", " chunked"),
    ],
)
def test_a_body_of_unclear_length_is_refused(framing: tuple[str, ...], more: tuple[str, ...]) -> None:
    seen, answer = exchange(head("POST", "/first", *more, *framing) + b"0\r\n\r\n" + NEXT)

    assert (seen, status_of(answer), answer.count(b"HTTP/1.1 ")) == ([], 400, 1)


@pytest.mark.parametrize("line", [b"a:\r\n", b"a:b\r\n", b"abcdefgh: ijklmnop\r\n"])
def test_a_head_is_as_long_as_it_was_sent(line: bytes) -> None:
    fits, too_long = (NEXT[:-2] + line * (size // len(line)) + b"\r\n" for size in (40_000, 70_000))

    assert requests(exchange(fits)[0]) == [("GET", "/next", b"")]
    assert exchange(too_long)[0] == []
    assert exchange(too_long)[1].endswith(b"The headers are too long.")


@pytest.mark.parametrize("line", [b"a:b\r\n", b"abcdefgh: ijklmnop\r\n"])
def test_the_lines_after_the_last_chunk_are_as_long_as_they_were_sent(line: bytes) -> None:
    fits, too_long = (line * (size // len(line)) + b"\r\n" for size in (50_000, 66_000))

    for before in (b"", b"1\r\nx\r\n" * 9_999):
        assert len(exchange(CHUNKED + before + b"0\r\n" + fits + NEXT)[0]) == 2
        seen, answer = exchange(CHUNKED + before + b"0\r\n" + too_long + NEXT)
        assert (seen, answer.rpartition(b"\r\n")[2]) == ([], TRAILERS_TOO_LONG)


def test_a_body_is_not_counted_as_a_part_of_the_head_after_it() -> None:
    body = b"x" * 200_000
    first = head("POST", "/first", f"Content-Length: {len(body)}") + body

    seen, _ = exchange(first + NEXT[:9], NEXT[9:])

    assert requests(seen) == [("POST", "/first", body), ("GET", "/next", b"")]


UPGRADES = {
    "http2": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA"],
    "websocket": ["Upgrade: websocket", "Connection: keep-alive", "Connection: upgrade", "Sec-WebSocket-Version: 13"],
    "unknown": ["Upgrade: foo, h2c", "Upgrade: websocket", "connection:UPGRADE,close"],
}
HIDDEN = head("POST", "/hidden", "Content-Length: 2") + b"{}"
BODIES = {
    f"Content-Length: {len(HIDDEN)}": HIDDEN,
    "Transfer-Encoding: chunked": b"%x\r\n%b\r\n0\r\nCookie: a\r\n\r\n" % (len(HIDDEN), HIDDEN),
}


@pytest.mark.parametrize("framing", BODIES)
@pytest.mark.parametrize("asked", UPGRADES)
def test_a_body_after_an_upgrade_header_is_no_other_request_however_it_is_split(asked: str, framing: str) -> None:
    whole = head("POST", "/first", *UPGRADES[asked], framing, "X: 1, 2 ") + BODIES[framing] + HIDDEN + NEXT
    splits = [[whole[:at], whole[at:]] for at in range(1, len(whole))]
    splits += [[whole], [whole[at : at + 1] for at in range(len(whole))]]

    for parts in splits:
        seen, answer = exchange(*parts)
        assert requests(seen) == [("POST", "/first", HIDDEN)]
        assert seen[0].headers[b"x"] == b"1, 2 "
        assert b"upgrade" not in seen[0].headers
        assert b"cookie" not in seen[0].headers
        assert answer.count(b"HTTP/1.1 ") == answer.count(b"connection: close") == answer.count(b"200 OK") == 1


@pytest.mark.parametrize("asked", UPGRADES)
def test_a_request_to_upgrade_is_the_last_one_of_its_connection(asked: str) -> None:
    before = head("POST", "/before", "Content-Length: 2") + b"{}"
    whole = before + head("GET", "/first", *UPGRADES[asked]) + HIDDEN

    for parts in ([whole], [whole[at : at + 1] for at in range(len(whole))]):
        seen, answer = exchange(*parts)
        assert requests(seen) == [("POST", "/before", b"{}"), ("GET", "/first", b"")]
        assert answer.count(b"200 OK") == 2
        assert answer.count(b"connection: close") == 1


@pytest.mark.parametrize("asked", UPGRADES)
def test_an_incomplete_body_after_an_upgrade_header_is_not_carried_out(asked: str) -> None:
    for framing, body in BODIES.items():
        whole = head("POST", "/first", *UPGRADES[asked], framing) + body
        assert [exchange(whole[:at])[0] for at in range(len(whole))] == [[]] * len(whole)


@pytest.mark.parametrize("asked", UPGRADES)
def test_limits_hold_after_an_upgrade_header(asked: str) -> None:
    start = head("POST", "/first", *UPGRADES[asked], "Transfer-Encoding: chunked")

    assert exchange(start[:-2] + b"a: b\r\n" * 20_000 + b"\r\n")[1].endswith(b"The headers are too long.")
    assert exchange(start + b"0\r\n" + b"a: b\r\n" * 20_000)[1].endswith(TRAILERS_TOO_LONG)


@pytest.mark.parametrize("target", ["localhost:443", "/first", "http://localhost/first"])
@pytest.mark.parametrize("more", [(), ("Content-Length: 2",), ("Connection: Upgrade", "Upgrade: h2c")])
def test_a_tunnel_is_refused(target: str, more: tuple[str, ...]) -> None:
    whole = head("CONNECT", target, *more) + b"{}" + HIDDEN

    for parts in ([whole], [whole[at : at + 1] for at in range(len(whole))]):
        seen, answer = exchange(*parts)
        assert (seen, answer.count(b"HTTP/1.1 ")) == ([], 1)
        assert (status_of(answer), answer.rpartition(b"\r\n")[2]) == (
            501,
            b"This server is not a proxy. It does not support CONNECT.",
        )


@pytest.mark.parametrize(
    "refused",
    [
        b"no request\r\n\r\n",
        head("CONNECT", "localhost:443"),
        head("POST", "/refused", "Transfer-Encoding: gzip, chunked"),
        head("GET", "/refused")[:-2] + b"a: b\r\n" * 100_000,
        head("GET", "/refused")[:-2] + b"a:" + b" " * 100_000 + b"b\r\n\r\n",
    ],
    ids=["no HTTP", "CONNECT", "coding", "long", "spaces"],
)
def test_a_refusal_is_not_sent_as_the_answer_to_an_earlier_request(refused: bytes) -> None:
    earlier = head("POST", "/first", "Content-Length: 2") + b"{}" + head("GET", "/second")
    expected = [("POST", "/first", b"{}"), ("GET", "/second", b"")]

    for parts in ([earlier + refused], [earlier, refused, NEXT], [earlier + refused[:5], refused[5:], NEXT]):
        seen, answer = exchange(*parts)
        assert requests(seen) == expected
        assert answer.count(b"HTTP/1.1 200 ") == answer.count(b"HTTP/1.1 ") == 2
        assert answer.endswith(b"connection: close\r\n\r\n")


def test_the_app_receives_each_header_once() -> None:
    received: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        received.append(environ)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    with served(app, threads=1) as server:
        server.ask(head("GET", "/", "Connection: close", "A: 1", "B: 2", "a: 3", "A: 4"))

    assert (received[0]["HTTP_A"], received[0]["HTTP_B"]) == ("1,3,4", "2")
