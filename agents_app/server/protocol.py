"""Uvicorn's HTTP protocol with limits on time and size, and a response for clients that only stop sending."""

import asyncio
from collections.abc import Iterable
from enum import Enum
from http import HTTPStatus
from typing import Any, NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agents_app.http import TRUNCATED
from agents_app.server.parser import Parser

# From the first byte of a request. Longer than `buffering.BODY_S`, so that a late body is refused with an answer.
REQUEST_S = 40.0
# The time limit for a client that does not read the response.
RESPONSE_S = 60.0
# The request line and headers, and again the lines after the last chunk of a body, in bytes. The parser has no limit.
HEAD_MAX = 64 * 1024
# How much is parsed at once. Where a head begins within a piece, the length of that piece is not counted.
PIECE = 16 * 1024
# What a header has besides its name and value.
SEPARATORS = len(": \r\n")
# The headers that are for the connection, not for the request.
OF_CONNECTION = (b"connection", b"upgrade")
HEAD_TOO_LONG = "The headers are too long."
TRAILERS_TOO_LONG = "The lines after the last chunk are too long."
NO_TUNNELS = "This server is not a proxy. It does not support CONNECT."
ONLY_CHUNKED = "The only value of the header Transfer-Encoding that this server supports is chunked."


class Awaited(Enum):
    """What the client has to do next, in a limited time."""

    READS = "read the answer"
    COMPLETES = "complete its request"
    BEGINS = "begin a request"


class HttpProtocol(HttpToolsProtocol):
    """A connection that ends if the client does not do in time what is awaited from it."""

    _awaited: Awaited | None = None
    _deadline: asyncio.TimerHandle | None = None
    """The end of the time for what is awaited. While the app works, it is None."""
    _is_in_request = False
    _is_in_head = False
    _is_in_trailers = False
    """Whether the lines after the last chunk are read, or the first byte of a chunk is awaited."""
    _lines_size = 0
    """The length of the head, or of the lines after the last chunk, as far as it was received."""
    _counted = 0
    """The same without the line that is incomplete, and without spaces and empty lines."""
    _is_over = False
    """Whether nothing more is read, and the connection is closed after the last answer."""
    _refusal: tuple[HTTPStatus, str] | None = None
    """The status and the message if this class, not the parser, refuses the request."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.parser = Parser(self, self._parse_without_upgrade)

    def connection_made(self, transport: Any) -> None:
        """Start the time limit for the first request."""
        super().connection_made(transport)
        # Writing is paused while any data is not sent. Otherwise no time limit would run for the last of it.
        transport.set_write_buffer_limits(high=0)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Parse the data. Refuse lines that are too long, even before their end."""
        for start in range(0, len(data), PIECE):
            if self._is_over or self.transport.is_closing():
                break
            self._parse(data[start : start + PIECE])

    def _parse(self, piece: bytes) -> None:
        self._lines_size += len(piece)
        super().data_received(piece)
        if self._lines_size <= HEAD_MAX or self.transport.is_closing():
            return
        if self._is_in_head or self._is_in_trailers:
            self.send_400_response(self._too_long())

    def _too_long(self) -> str:
        return HEAD_TOO_LONG if self._is_in_head else TRAILERS_TOO_LONG

    def on_message_begin(self) -> None:
        """Start the time limit for a request."""
        super().on_message_begin()
        self._is_in_request, self._is_in_head = True, True
        self._lines_size = self._counted = 0
        self._watch()

    def on_url(self, url: bytes) -> None:
        """Record a part of the URL."""
        super().on_url(url)
        self._counted += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Record a header. Lines after the last chunk are ignored: proxies check and set only the head."""
        self._counted += len(name) + len(value) + SEPARATORS
        if self._counted > HEAD_MAX:
            self._refuse(HTTPStatus.BAD_REQUEST, self._too_long())
        if self._is_in_head:
            super().on_header(name, value)

    def on_chunk_header(self) -> None:
        """The data of a chunk follows; after the last chunk, lines as in a head."""
        self._is_in_trailers = True
        self._lines_size = self._counted = 0

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self._is_in_trailers = False
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Refuse a body that cannot be read in one way only; otherwise start the app."""
        self._is_in_head = False
        if self.parser.get_method() == b"CONNECT":
            self._refuse(HTTPStatus.NOT_IMPLEMENTED, NO_TUNNELS)
        # The parser would ignore the other codings of a list that ends in `chunked`. It takes no tab after the name.
        if any(
            name == b"transfer-encoding" and value.rstrip(b" ").lower() != b"chunked" for name, value in self.headers
        ):
            self._refuse(HTTPStatus.NOT_IMPLEMENTED, ONLY_CHUNKED)
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer with this message, or as `_refuse` says, and close the connection.

        While an earlier request is not answered, nothing is sent here: the client would take this for its answer. The
        connection ends as if the client had stopped sending. A request has one answer, even if its body is wrong later.
        """
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and (self.pipeline or not cycle.more_body):
            self._is_over = self.eof_received()
            return
        if cycle is not None and cycle.scope is self.scope and cycle.response_started:
            self.transport.close()
            return
        status, sentence = self._refusal or (HTTPStatus.BAD_REQUEST, msg)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(sentence)),
            (b"connection", b"close"),
        ]
        self.transport.write(_head_of(f"HTTP/1.1 {status} {status.phrase}".encode(), headers) + sentence.encode())
        self.transport.close()

    def on_message_complete(self) -> None:
        """Stop the time limit: the request is complete."""
        self._is_in_trailers = False
        if self.parser.should_upgrade():
            return
        self._is_in_request = False
        super().on_message_complete()
        # `Connection: close` after the last chunk: the parser ignores everything that follows.
        if not self.parser.should_keep_alive():
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()
        self._watch()

    def on_response_complete(self) -> None:
        """Start the time limit for the next request, in place of uvicorn's, which ends with any byte."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self._watch()

    def pause_writing(self) -> None:
        """Start the time limit for a client that reads the response slowly. Nothing that it sends changes that."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Stop that time limit. If a request has begun, its time limit starts again."""
        super().resume_writing()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that only reads from now on. The middleware refuses its request if the body is incomplete."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        cycle.keep_alive = self._is_in_request = False
        self._watch()
        if cycle.more_body:
            cycle.scope["state"][TRUNCATED] = True
            cycle.message_event.set()
        return True

    def _parse_without_upgrade(self, rest: bytes) -> None:
        """Parse the last request again, as if it did not ask for another protocol (RFC 9110, 7.8).

        It is the last one of its connection: a proxy could take what follows for the other protocol.
        """
        line = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        headers = [header for header in self.headers if header[0] not in OF_CONNECTION]
        self.parser = Parser(self, self._parse_without_upgrade)
        self.parser.feed_data(_head_of(line, [*headers, (b"connection", b"close")]) + rest)

    def _refuse(self, status: HTTPStatus, message: str) -> NoReturn:
        # The parser reports a ValueError as an invalid request.
        self._refusal = status, message
        raise ValueError(message)

    def _watch(self) -> None:
        """Start the time limit for what is awaited now. One that runs for the same goes on."""
        awaited = self._what_is_awaited()
        if awaited is self._awaited:
            return
        self._awaited = awaited
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if awaited is not None:
            self._deadline = self.loop.call_later(self._seconds_for(awaited), self.transport.abort)

    def _what_is_awaited(self) -> Awaited | None:
        if self.flow.write_paused:
            return Awaited.READS
        if self._is_in_request:
            return Awaited.COMPLETES
        return Awaited.BEGINS if self.cycle is None or self.cycle.response_complete else None

    def _seconds_for(self, awaited: Awaited) -> float:
        if awaited is Awaited.READS:
            return RESPONSE_S
        return self.timeout_keep_alive if awaited is Awaited.BEGINS and self.cycle is not None else REQUEST_S


def _head_of(line: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request or of an answer."""
    return b"\r\n".join([line, *(b"%b: %b" % header for header in headers), b"", b""])
