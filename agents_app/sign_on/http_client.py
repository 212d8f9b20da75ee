"""Requests to the provider: over TLS with the authorities of the operating system, without redirects, within limits."""

import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from authlib.integrations.requests_client import OAuth2Session
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, HTTPError, ProxyError, RequestException, SSLError, Timeout
from requests.exceptions import ConnectionError as ConnectionFailed

from agents_app import __version__
from agents_app.sign_on.errors import ProviderUnavailable
from agents_app.wording import number_text

T = TypeVar("T")

NO_PROVIDER = "did not answer as an OpenID provider does."
TOO_LATE = "did not answer in time."
# What else the parts of an answer cause, whose JSON can have any type.
WRONG_TYPES = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
TRUST = (
    "Add the authority of the certificate to those of the operating system, or name a file with it in SSL_CERT_FILE."
)
PROXY = "Correct HTTPS_PROXY in the environment, or name the host in NO_PROXY."


@dataclass(frozen=True)
class Limits:
    """Seconds to connect, of silence, and in all: people wait for the page. And the bytes of an answer.

    A token with hundreds of groups has about 20 kB.
    """

    connect: float = 3
    silence: float = 5
    total: float = 10
    size: int = 500_000


LIMITS = Limits()


class Client:
    """Makes requests to the provider named `host`, at most `places` at the same time."""

    def __init__(self, host: str, places: int, limits: Limits) -> None:
        self._host = host
        self._limits = limits
        # A thread of its own for each request: the limit on its total time holds whatever the provider sends.
        self._threads = ThreadPoolExecutor(places, "sign-on")

    def run(self, act: Callable[[OAuth2Session], T], **options: Any) -> T:
        """Call `act` with a session, and return its result. Raises ProviderUnavailable."""
        adapter = _Adapter(self._limits.size)
        future = self._threads.submit(self._in_session, act, adapter, options)
        try:
            return future.result(self._limits.total)
        except Late:
            # Without this, a provider that sends one byte after another would keep the thread for days.
            future.cancel()
            adapter.abort()
            raise ProviderUnavailable(self._say(TOO_LATE)) from None
        except RequestException as error:
            raise ProviderUnavailable(self._say(self._cause(error)), do=_advice(error)) from error
        except WRONG_TYPES as error:
            raise ProviderUnavailable(self._say(NO_PROVIDER)) from error

    def _in_session(self, act: Callable[[OAuth2Session], T], adapter: "_Adapter", options: dict[str, Any]) -> T:
        with OAuth2Session(default_timeout=(self._limits.connect, self._limits.silence), **options) as session:
            session.headers["User-Agent"] = f"Agent-Console/{__version__}"
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            try:
                return act(session)
            finally:
                adapter.end_connections()

    def _say(self, what: str) -> str:
        return f"{self._host} {what}"

    def _cause(self, error: RequestException) -> str:
        # Never the text of the error: it contains addresses, and may contain the request.
        if isinstance(error, HTTPError) and error.response is not None:
            return f"answered with the status {error.response.status_code}."
        if isinstance(error, SSLError):
            return "has a certificate that this server does not trust."
        if isinstance(error, ProxyError):
            return "cannot be reached through the proxy of this server."
        if isinstance(error, Timeout):
            return TOO_LATE
        if isinstance(error, _TooLarge):
            return f"answered with more than {number_text(self._limits.size)} bytes."
        if isinstance(error, ChunkedEncodingError):
            return "ended the connection before its answer was complete."
        return "cannot be reached." if isinstance(error, ConnectionFailed) else NO_PROVIDER


class _TooLarge(RequestException):
    """An answer is larger than its limit."""


class _Adapter(HTTPAdapter):
    """Reads certificates of the operating system (or SSL_CERT_FILE), and limits the size of answers."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._connections: list[Any] = []
        self._answers: list[Any] = []
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=ssl.create_default_context())

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=ssl.create_default_context())

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the context as it is: requests would add the authorities of its own list."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        make = type(pool).ConnectionCls

        def make_known(**given: Any) -> Any:
            self._connections.append(make(**given))
            return self._connections[-1]

        pool.ConnectionCls = make_known
        return pool

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        # Otherwise REQUESTS_CA_BUNDLE would add authorities here too.
        response = super().send(request, *args, **{**options, "verify": True})
        self._answers.append(response.raw)
        response.raw = _Limited(response.raw, self._size)
        return response

    def abort(self) -> None:
        """Make the thread that waits for an answer go on. Another thread calls this."""
        # The thread may end at the same moment, and nothing is left to stop.
        with suppress(OSError, *WRONG_TYPES, RuntimeError):
            for answer in self._answers:
                # An answer takes the socket from its connection.
                answer.shutdown()
        with suppress(OSError, *WRONG_TYPES):
            for connection in self._connections:
                connection.sock.shutdown(socket.SHUT_RDWR)

    def end_connections(self) -> None:
        """Close what is open, also after half of an answer."""
        for each in (*self._answers, *self._connections):
            each.close()


class _Limited:
    def __init__(self, raw: Any, size: int) -> None:
        self._raw = raw
        self._size = size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amount: int, decode_content: bool) -> Iterator[bytes]:
        size = 0
        for part in self._raw.stream(amount, decode_content=decode_content):
            size += len(part)
            if size > self._size:
                raise _TooLarge
            yield part


def _advice(error: RequestException) -> str | None:
    if isinstance(error, SSLError):
        return TRUST
    return PROXY if isinstance(error, ProxyError) else None
