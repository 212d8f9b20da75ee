"""Requests to the provider: over TLS with the authorities of the operating system, without redirects, within limits."""

import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from threading import BoundedSemaphore
from typing import Any, TypeVar

from authlib.integrations.requests_client import OAuth2Session
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as ConnectionFailed
from requests.exceptions import HTTPError, ProxyError, RequestException, SSLError, Timeout

from agents_app import __version__
from agents_app.sign_on.errors import ProviderUnavailable

T = TypeVar("T")

# Seconds to connect, of silence, and in all: people wait for the page.
CONNECT_S, SILENCE_S, TOTAL_S = 3, 5, 10
# The largest discovery document, key set or token response. Tokens with hundreds of groups have about 20 kB.
SIZE_MAX = 500_000
NO_PROVIDER = "did not answer as an OpenID provider does."


class Client:
    """Makes requests to the provider named `host`, at most `places` at the same time."""

    def __init__(self, host: str, places: int) -> None:
        self._host = host
        self._places = BoundedSemaphore(places)
        # A thread of its own for each request: the limit on its total time holds whatever the provider sends.
        self._threads = ThreadPoolExecutor(places, "sign-on")

    def run(self, act: Callable[[OAuth2Session], T], **options: Any) -> T:
        """Call `act` with a session, and return its result. Raises ProviderUnavailable."""
        if not self._places.acquire(blocking=False):
            raise ProviderUnavailable(f"{self._host} answers slowly, and other people are waiting for it.")
        future = self._threads.submit(self._in_session, act, options)
        # A request that is late keeps its place until it ends.
        future.add_done_callback(lambda _future: self._places.release())
        try:
            return future.result(TOTAL_S)
        except Late:
            raise ProviderUnavailable(f"{self._host} did not answer in {TOTAL_S} seconds.") from None
        except RequestException as error:
            raise ProviderUnavailable(f"{self._host} {_words(error)}") from error
        except (TypeError, ValueError, RecursionError) as error:
            raise ProviderUnavailable(f"{self._host} {NO_PROVIDER}") from error

    def _in_session(self, act: Callable[[OAuth2Session], T], options: dict[str, Any]) -> T:
        with OAuth2Session(default_timeout=(CONNECT_S, SILENCE_S), **options) as session:
            session.headers["User-Agent"] = f"Agent-Console/{__version__}"
            session.mount("https://", _Adapter())
            session.mount("http://", _Adapter())
            return act(session)


class _Adapter(HTTPAdapter):
    """Reads certificates of the operating system (or SSL_CERT_FILE), and limits the size of answers."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=ssl.create_default_context())

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=ssl.create_default_context())

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        response = super().send(request, *args, **options)
        response.raw = _Limited(response.raw)
        return response


class _Limited:
    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amount: int, decode_content: bool) -> Iterator[bytes]:
        size = 0
        for part in self._raw.stream(amount, decode_content=decode_content):
            size += len(part)
            if size > SIZE_MAX:
                raise ConnectionFailed("The answer is too large.")
            yield part


def _words(error: RequestException) -> str:
    # Never the text of the error: it contains addresses, and may contain the request.
    if isinstance(error, HTTPError) and error.response is not None:
        return f"answered with the status {error.response.status_code}."
    if isinstance(error, SSLError):
        return "has a certificate that this server does not trust."
    if isinstance(error, ProxyError):
        return "cannot be reached through the proxy of this server."
    if isinstance(error, Timeout):
        return f"did not answer in {SILENCE_S} seconds."
    if isinstance(error, ConnectionFailed):
        return "cannot be reached."
    return NO_PROVIDER
