"""Uvicorn's HTTP protocol with limits on time and size, and a response for clients that only stop sending."""

import asyncio
from typing import Any, NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agents_app.http import TRUNCATED

# Longer than `buffering.BODY_S`, so that a late body is refused with an answer.
REQUEST_S = 40.0
# The time limit for a client that does not read the response.
RESPONSE_S = 60.0
# The request line and headers, and again the lines after the last chunk of a body, in bytes. The parser has no limit.
HEAD_MAX = 64 * 1024
# How much is parsed at once. Where a head begins within a piece, the length of that piece is not counted.
PIECE = 16 * 1024
# What a header has besides its name and value.
SEPARATORS = len(": \r\n")
BODY_HEADERS = (b"content-length", b"transfer-encoding")
HEAD_TOO_LONG = "The headers are too long."
TRAILERS_TOO_LONG = "The lines after the last chunk are too long."
NO_UPGRADE = "This server supports HTTP/1.1 only. Send a request with a body without the header Upgrade."


class HttpProtocol(HttpToolsProtocol):
    """A connection that is closed if a request is not complete in time, or its response is not read in time."""

    _deadline: asyncio.TimerHandle | None = None
    _is_in_head = False
    _is_in_trailers = False
    """Whether the lines after the last chunk are read, or the first byte of a chunk is awaited."""
    _lines_size = 0
    """The length of the head, or of the lines after the last chunk, as far as it was received."""
    _error = ""
    """The message if this class, not the parser, refuses the request."""

    def connection_made(self, transport: Any) -> None:
        """Start the time limit for the first request."""
        super().connection_made(transport)
        self._close_after(REQUEST_S)

    def data_received(self, data: bytes) -> None:
        """Parse the data. Refuse lines that are too long, even before their end."""
        for start in range(0, len(data), PIECE):
            if self.transport.is_closing():
                break
            self._parse(data[start : start + PIECE])

    def _parse(self, piece: bytes) -> None:
        self._lines_size += len(piece)
        super().data_received(piece)
        if self._lines_size <= HEAD_MAX or self.transport.is_closing():
            return
        if self._is_in_head:
            self.send_400_response(HEAD_TOO_LONG)
        elif self._is_in_trailers:
            self.send_400_response(TRAILERS_TOO_LONG)

    def on_message_begin(self) -> None:
        """Start the time limit for a request."""
        super().on_message_begin()
        self._is_in_head, self._lines_size = True, 0
        self._close_after(REQUEST_S)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Record a header. Lines after the last chunk are ignored: proxies check and set only the head."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_chunk_header(self) -> None:
        """The data of a chunk follows; after the last chunk, lines as in a head."""
        self._is_in_trailers, self._lines_size = True, 0

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self._is_in_trailers = False
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Refuse a head that is too long, or a body that the parser would not read; otherwise start the app."""
        self._is_in_head = False
        if len(self.url) + sum(len(name) + len(value) + SEPARATORS for name, value in self.headers) > HEAD_MAX:
            self._refuse(HEAD_TOO_LONG)
        # After an Upgrade header, the parser reads the body as another request.
        asks_to_upgrade = self.parser.should_upgrade()
        if asks_to_upgrade and any(name in BODY_HEADERS and value != b"0" for name, value in self.headers):
            self._refuse(NO_UPGRADE)
        super().on_headers_complete()
        if asks_to_upgrade:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Answer with this message, or with that of `_refuse`, and close the connection."""
        super().send_400_response(self._error or msg)

    def on_message_complete(self) -> None:
        """Stop the time limit: the request is complete."""
        self._is_in_trailers = False
        super().on_message_complete()
        self._cancel_deadline()

    def pause_writing(self) -> None:
        """Start the time limit for a client that reads the response slowly."""
        super().pause_writing()
        self._close_after(RESPONSE_S)

    def resume_writing(self) -> None:
        """Stop that time limit. If a request has begun, its time limit starts again."""
        super().resume_writing()
        self._cancel_deadline()
        if self._is_in_head:
            self._close_after(REQUEST_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that only reads from now on. The middleware refuses its request if the body is incomplete."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        cycle.keep_alive = False
        if cycle.more_body:
            cycle.scope["state"][TRUNCATED] = True
            cycle.message_event.set()
        return True

    def _refuse(self, message: str) -> NoReturn:
        # The parser reports a ValueError as an invalid request.
        self._error = message
        raise ValueError(message)

    def _close_after(self, seconds: float) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
