"""The parser of requests, httptools, which does not read a request for another protocol to its end."""

from array import array
from collections.abc import Callable

from httptools import HttpParserUpgrade, HttpRequestParser


class Parser(HttpRequestParser):
    """A parser that stops at the body of a request with the header Upgrade, and passes on what follows the head.

    Without that, it would read the body as another request.
    """

    def __init__(self, protocol: object, pass_on: Callable[[bytes], None]) -> None:
        super().__init__(protocol)
        # As uvicorn does: data after the last request of a connection is ignored.
        self.set_dangerous_leniencies(lenient_data_after_close=True)
        self._pass_on = pass_on

    def feed_data(self, data: "bytes | bytearray | memoryview | array[int]") -> None:
        """Parse the data. Raises HttpParserError."""
        try:
            super().feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._pass_on(bytes(data)[upgrade.args[0] :])
