"""One client's connection: uvicorn's, with limits on time and size, and an answer to clients that only stop sending."""

import asyncio
from typing import Any, NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agents_app.http import TRUNCATED

# Longer than the gate waits for a body, which it can still refuse in words.
WHOLE_REQUEST_S = 40.0
# How long an answer may wait for a client that does not read it.
READ_ANSWER_S = 60.0
# Request line and headers together, in bytes. The parser alone has no limit.
HEAD_MAX = 64 * 1024
BODY_HEADERS = (b"content-length", b"transfer-encoding")
TOO_LONG = "The headers are too long."
NO_UPGRADE = "This server speaks HTTP/1.1. Send a request that has a body without the header Upgrade."


class Connection(HttpToolsProtocol):
    """A connection that ends where a request is not whole in time, or its answer is not read in time."""

    _deadline: asyncio.TimerHandle | None = None
    _is_in_head = False
    _head_size = 0
    _why = ""
    """What is wrong with the request, where it is not the parser that says so."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._end_after(WHOLE_REQUEST_S)

    def data_received(self, data: bytes) -> None:
        """Parse what came in; refuse a head that is too long, though its end is not here yet."""
        super().data_received(data)
        if self._is_in_head:
            self._head_size += len(data)
            if self._head_size > HEAD_MAX and not self.transport.is_closing():
                self.send_400_response(TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin to wait for the end of a request."""
        super().on_message_begin()
        self._is_in_head, self._head_size = True, 0
        self._end_after(WHOLE_REQUEST_S)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head is too long, or the parser would not read the body."""
        self._is_in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_MAX:
            self._refuse(TOO_LONG)
        # Behind a request to upgrade, the parser takes the body for another request.
        asks_to_upgrade = self.parser.should_upgrade()
        if asks_to_upgrade and any(name in BODY_HEADERS and value != b"0" for name, value in self.headers):
            self._refuse(NO_UPGRADE)
        super().on_headers_complete()
        if asks_to_upgrade:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Refuse the request in these words, or in those of the check that refused it, and end the connection."""
        super().send_400_response(self._why or msg)

    def on_message_complete(self) -> None:
        """Stop waiting: the request is whole."""
        super().on_message_complete()
        self._forget_deadline()

    def pause_writing(self) -> None:
        """Begin to wait for a client that reads slower than it is answered."""
        super().pause_writing()
        self._end_after(READ_ANSWER_S)

    def resume_writing(self) -> None:
        """Stop waiting: the client has read. A request that it has begun to send is still waited for."""
        super().resume_writing()
        self._forget_deadline()
        if self._is_in_head:
            self._end_after(WHOLE_REQUEST_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was waited for."""
        self._forget_deadline()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that sends no more and still reads; where its request has no end, the gate refuses it."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        cycle.keep_alive = False
        if cycle.more_body:
            cycle.scope["state"][TRUNCATED] = True
            cycle.message_event.set()
        return True

    def _refuse(self, why: str) -> NoReturn:
        # The parser passes this on as a request that is not valid.
        self._why = why
        raise ValueError(why)

    def _end_after(self, seconds: float) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
