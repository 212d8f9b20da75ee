"""One client's connection: uvicorn's, with limits on time and size, and an answer to clients that only stop sending."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agents_app.http import LOST_END

# Longer than the gate waits for a body, which it can still refuse in words.
WHOLE_REQUEST_S = 40.0
# How long an answer may wait for a client that does not read it.
READ_ANSWER_S = 60.0
# Request line and headers together, in bytes. The parser alone has no limit.
HEAD_MAX = 64 * 1024


class Connection(HttpToolsProtocol):
    """A connection that ends where a request is not whole in time, or its answer is not read in time."""

    _deadline: asyncio.TimerHandle | None = None
    _is_in_head = False
    _head_size = 0

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
                self.send_400_response("The headers are too long.")

    def on_message_begin(self) -> None:
        """Begin to wait for the end of a request."""
        super().on_message_begin()
        self._is_in_head, self._head_size = True, 0
        self._end_after(WHOLE_REQUEST_S)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head is too long."""
        self._is_in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_MAX:
            # The parser hands it on as a request that is not valid.
            raise ValueError("The headers are too long.")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop waiting: the request is whole."""
        super().on_message_complete()
        self._forget_deadline()

    def pause_writing(self) -> None:
        """Begin to wait for a client that reads slower than it is answered."""
        super().pause_writing()
        self._end_after(READ_ANSWER_S)

    def resume_writing(self) -> None:
        """Stop waiting: the client has read."""
        super().resume_writing()
        self._forget_deadline()

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
            cycle.scope["state"][LOST_END] = True
            cycle.message_event.set()
        return True

    def _end_after(self, seconds: float) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
