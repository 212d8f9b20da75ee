"""Signs in with PyMySQL so that no server gets the password unless its certificate and its name were checked.

PyMySQL sends the password itself to every server that asks for it with `mysql_clear_password` or `dialog`, and inside
TLS also with `sha256_password` and the full authentication of `caching_sha2_password`. Without TLS it encrypts the
password for the last two with a key that the same server sends. The first two are refused here, and the others are
refused without verify-full. What remains are answers to a challenge, which do not contain the password.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from typing import Any

from pymysql.connections import Connection

from agents_app.probes.mysql.errors import driver_errors
from agents_app.probes.network import tls
from agents_app.probes.network.databases import WAIT_S
from agents_app.probes.recorder import ProbeFailed, Recorder

Facts = Mapping[str, Any]
# The bytes of a handshake response before the user name, and the most bytes that write a length.
FIXED_SIZE, LENGTH_SIZE = 32, 9
# What a server says after the answer to the challenge of caching_sha2_password.
FAST_IS_ENOUGH, FULL_IS_NEEDED = 3, 4


def sign_in(client: socket.socket, values: Mapping[str, Any], recorder: Recorder, facts: Facts) -> "Connection[Any]":
    """Run the steps `tls` and `sign_in` on a connected socket. The driver does both in one call."""
    mode = values["sslmode"]
    with ExitStack() as step:
        step.enter_context(recorder.step("sign_in" if mode == "disable" else "tls"))
        context = None if mode == "disable" else tls.trust(mode, values.get("ssl_root_cert"))
        connection = _new_connection(values, context, facts)

        def end_tls() -> None:
            tls.warn_about_mode(recorder, mode, facts["host"])
            step.close()
            step.enter_context(recorder.step("sign_in"))

        if context:
            context.sslsocket_class = _socket_class(end_tls)
        else:
            tls.warn_about_mode(recorder, mode, facts["host"])
        with driver_errors(facts):
            connection.connect(client)
    return connection


def _new_connection(values: Mapping[str, Any], context: ssl.SSLContext | None, facts: Facts) -> "_Connection":
    is_verified = values["sslmode"] == "verify-full"
    connection = _Connection(
        host=facts["host"],
        port=facts["port"],
        user=values["username"],
        # As bytes: the driver would write a text in Latin 1.
        password=values["password"].encode(),
        ssl=context,
        ssl_disabled=context is None,
        read_timeout=WAIT_S,
        write_timeout=WAIT_S,
        autocommit=True,
        # In other modes of SQL, names have other quotes.
        sql_mode="",
        local_infile=False,
        auth_plugin_map=_methods(is_verified),
        defer_connect=True,
    )
    connection.may_send_password = is_verified
    return connection


def _methods(is_verified: bool) -> dict[str, Any]:
    """The methods that the driver must not carry out itself. The names are those of the protocol."""
    unsafe = ("mysql_clear_password", "dialog", "mysql_old_password")
    methods: dict[str, Any] = {name: partial(_Refusal, "mysql_unsafe_method", name) for name in unsafe}
    # The driver has no code for it without another package.
    methods["client_ed25519"] = partial(_Refusal, "mysql_unknown_method", "client_ed25519")
    if not is_verified:
        methods["sha256_password"] = partial(_Refusal, "mysql_needs_verify_full", "sha256_password")
        methods["caching_sha2_password"] = _FastAuthentication
    return methods


class _Connection(Connection):
    """A connection that does not send the password itself, except where it may."""

    may_send_password = False

    def write_packet(self, payload: bytes) -> None:
        """Send a packet. The methods refuse before it comes to this; the first answer needs no method."""
        if not self.may_send_password and self._contains_password(payload):
            raise ProbeFailed("mysql_needs_verify_full")
        super().write_packet(payload)

    def _contains_password(self, payload: bytes) -> bool:
        # The driver has encoded the name by now.
        user: Any = self.user
        text = self.password + b"\0"
        after_user = payload[FIXED_SIZE:].removeprefix(user + b"\0")
        return payload == text or text in after_user[: LENGTH_SIZE + len(text)]


class _Refusal:
    """A sign-in method that is refused with a cause."""

    def __init__(self, code: str, method: str, connection: _Connection) -> None:
        self._code, self._method = code, method

    def authenticate(self, packet: Any) -> None:
        """Refuse."""
        raise ProbeFailed(self._code, method=self._method)


class _FastAuthentication:
    """`caching_sha2_password` without its full authentication, in which the password itself is sent."""

    def __init__(self, connection: _Connection) -> None:
        self._connection: Any = connection

    def authenticate(self, packet: Any) -> Any:
        """Answer the challenge, and return the packet that ends the sign-in."""
        if packet.is_auth_switch_request():
            challenge = packet.read_all().removesuffix(b"\0")
            self._connection.write_packet(_answer(self._connection.password, challenge))
            packet = self._connection._read_packet()
        if not packet.is_extra_auth_data():
            return packet
        state = packet.get_all_data()[1]
        if state == FULL_IS_NEEDED:
            raise ProbeFailed("mysql_needs_verify_full")
        if state != FAST_IS_ENOUGH:
            raise ProbeFailed("mysql_protocol")
        return self._connection._read_packet()


def _answer(password: bytes, challenge: bytes) -> bytes:
    once = sha256(password).digest()
    mask = sha256(sha256(once).digest() + challenge).digest()
    return bytes(left ^ right for left, right in zip(once, mask, strict=True)) if password else b""


def _socket_class(on_encrypted: Callable[[], None]) -> type[ssl.SSLSocket]:
    """A class of sockets that reports the end of the handshake. The driver starts it in the middle of its own work."""

    class Socket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
            except OSError as error:
                self.close()
                raise ProbeFailed(tls.cause_for_database(error)) from None
            on_encrypted()

    return Socket
