"""The HTTP client of the probes: one request to one address, and a small answer.

It follows no redirect, uses no proxy and never tries again. The certificate is checked against the host name with the
trusted authorities of the operating system; OpenSSL reads others from the file that SSL_CERT_FILE names.
"""

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from threading import Timer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agents_app import __version__
from agents_app.probes.network import services, tcp, tls
from agents_app.probes.network.addresses import AddressRules, resolve
from agents_app.probes.recorder import ProbeFailed
from agents_app.values.host_names import is_private_address
from agents_app.wording import seconds_text

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection

CHUNK = 65_536
MAX_RETRY_AFTER = 86_400


@dataclass(frozen=True)
class Limits:
    """The limits of one request: seconds to connect, of silence, and in all; bytes of the answer's body."""

    connect: float = 4
    silence: float = 6
    total: float = 8
    size: int = 1_000_000


@dataclass(frozen=True)
class Answer:
    """What a server answered. Nothing of it may be shown before it is checked or cleaned."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json_object(self) -> dict[str, Any]:
        """The body, if it is a JSON object. Otherwise an empty dict: a gateway often answers with a page of its own."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def retry_after(self) -> int | None:
        """The seconds that the server asks to wait (Retry-After). None if it gives none, or a date."""
        text = self.headers.get("retry-after", "")
        return min(int(text), MAX_RETRY_AFTER) if text.isascii() and text.isdigit() and len(text) < 10 else None

    @property
    def waiting_time(self) -> str:
        """When to try again, as the end of a sentence."""
        seconds = self.retry_after
        return f"in {seconds_text(seconds)}" if seconds else "in a few minutes"


@dataclass(frozen=True)
class Server:
    """A server whose host name was resolved once. Every request goes to these addresses."""

    host: str
    port: int
    is_tls: bool
    addresses: tuple[str, ...]
    limits: Limits = Limits()
    is_service: bool = False
    """Whether the host is one that the console knows, not one that a person entered."""

    def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send one request. `target` is the path with its query. A failure is a ProbeFailed."""
        connection = self._connect()
        try:
            with self._deadline(connection), self._failures(has_answered=self.is_tls):
                connection.request(method, target, body, self._headers(headers or {}), preload_content=False)
                return self._read(connection)
        finally:
            connection.close()

    def fail(self, code: str) -> ProbeFailed:
        """A ProbeFailed about this server."""
        return ProbeFailed(code, host=self.host, port=self.port)

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        # The text of a ValueError of http.client would contain the value.
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise self.fail("credential_not_sendable")
        name = f"[{self.host}]" if ":" in self.host else self.host
        host = name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"
        fixed = {"Host": host, "User-Agent": f"Agent-Console/{__version__}"}
        return {"Accept": "application/json", **headers, **fixed}

    def _connect(self) -> "HTTPConnection":
        """Connect to the first address that answers."""
        failure = self.fail("unreachable")
        for address, seconds in tcp.attempts(self._ordered, self.limits.connect):
            connection = self._new_connection(address, seconds)
            try:
                with self._failures():
                    connection.connect()
            except ProbeFailed as error:
                connection.close()
                failure = failure if error.code == "unreachable" else error
                if error.code not in ("port_refused", "unreachable", "timed_out", "server_silent"):
                    break
            else:
                self._ordered.remove(address)
                self._ordered.insert(0, address)
                connection.timeout = self.limits.silence
                return connection
        raise services.cause_for(failure, self.host, self.port) if self.is_service else failure

    def _new_connection(self, address: str, seconds: float) -> "HTTPConnection":
        from urllib3.connection import HTTPConnection, HTTPSConnection

        if not self.is_tls:
            return HTTPConnection(address, self.port, timeout=seconds)
        return HTTPSConnection(address, self.port, timeout=seconds, ssl_context=self._trust, server_hostname=self.host)

    @cached_property
    def _ordered(self) -> list[str]:
        """The addresses, the one that answered last first."""
        return list(self.addresses)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _read(self, connection: "HTTPConnection") -> Answer:
        with closing(connection.getresponse()) as response:
            if response.status // 100 == 3:
                raise self.fail("redirected")
            body = bytearray()
            while chunk := response.read1(CHUNK, decode_content=False):
                body += chunk
                if len(body) > self.limits.size:
                    raise self.fail("answer_too_large")
            headers = {name.lower(): text for name, text in response.headers.items()}
            return Answer(response.status, headers, bytes(body))

    @contextmanager
    def _deadline(self, connection: "HTTPConnection") -> Iterator[None]:
        """Close the connection at the limit of the whole request. A time-out of a socket starts again at each byte."""
        has_passed = False
        used = connection.sock

        def close() -> None:
            nonlocal has_passed
            has_passed = True
            with suppress(OSError):
                # Not `used.shutdown`: that of an SSL socket also removes its TLS, while the other thread reads.
                socket.socket.shutdown(used, socket.SHUT_RDWR)

        timer = Timer(self.limits.total, close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            # Also where no error came: an answer without a length ends when its connection does.
            if has_passed:
                raise self.fail("server_slow") from None

    @contextmanager
    def _failures(self, *, has_answered: bool = False) -> Iterator[None]:
        """Turn errors of the network, TLS and HTTP into a ProbeFailed, without their text."""
        from urllib3.exceptions import HTTPError

        try:
            yield
        except (OSError, HTTPError, HTTPException) as error:
            code = _code(error)
            raise self.fail("server_slow" if code == "server_silent" and has_answered else code) from None


def locate(
    url: str,
    rules: AddressRules,
    *,
    allows_http: bool = False,
    limits: Limits = Limits(),
    is_service: bool = False,
) -> Server:
    """Find the server of a URL: resolve its host and check its addresses.

    http is refused, except where `allows_http` and every address is of this computer or a private network.
    `is_service` says that the console knows the host and no person entered it, so that no cause asks for another host.
    """
    try:
        parts = urlsplit(url)
        is_tls, host = parts.scheme == "https", parts.hostname or ""
        port = parts.port or (443 if is_tls else 80)
    except ValueError:
        raise ProbeFailed("host_invalid", host="The address") from None
    try:
        addresses = resolve(host, port, rules)
    except ProbeFailed as failure:
        raise services.cause_for(failure, host, port) if is_service else failure from None
    if not is_tls and not (allows_http and all(map(is_private_address, addresses))):
        raise ProbeFailed("https_required", host=host, port=port)
    return Server(host, port, is_tls, tuple(addresses), limits, is_service)


def _code(error: BaseException) -> str:
    """The code of the cause of an exception, by its type and numbers."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError

    if isinstance(error, ssl.SSLError):
        return tls.cause_of(error)
    # It is a ConnectTimeoutError too.
    if isinstance(error, NewConnectionError):
        return "port_refused" if isinstance(error.__cause__, ConnectionRefusedError) else "unreachable"
    if isinstance(error, ConnectTimeoutError):
        return "timed_out"
    if isinstance(error, TimeoutError | ReadTimeoutError):
        return "server_silent"
    if isinstance(error, HTTPException) and not isinstance(error, OSError):
        return "answer_not_understood"
    return "connection_lost"
