"""Speaks the beginning of TDS, the protocol of SQL Server: the pre-login and TLS, to check the certificate.

The driver connects again afterwards. Its errors about TLS are texts only.
"""

import socket
import ssl
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from agents_app.probes.network import tls
from agents_app.probes.recorder import ProbeFailed

PRELOGIN, REPLY = 0x12, 0x04
HEADER = struct.Struct(">BBHHBB")
VERSION, ENCRYPTION, LAST = 0, 1, 0xFF
OPTION = struct.Struct(">BHH")
ENCRYPT_ON, NOT_SUPPORTED = 1, 2
SIZE_MAX = 32_768
Facts = Mapping[str, Any]


def check_tls(client: socket.socket, context: ssl.SSLContext, facts: Facts) -> str:
    """Do the pre-login and the handshake of TLS, and return the version of the server."""
    try:
        _send(client, _prelogin())
        options = _first_answer(client, facts)
        if options.get(ENCRYPTION, b"")[:1] == bytes([NOT_SUPPORTED]):
            raise ProbeFailed("tls_missing", **facts)
        if len(options.get(VERSION, b"")) < 2 or ENCRYPTION not in options:
            raise ProbeFailed("mssql_not_a_server", **facts)
        _handshake(client, context, facts["host"])
    except OSError as error:
        raise ProbeFailed(_code(error), **facts) from None
    major, minor = options[VERSION][:2]
    return f"SQL Server {major}.{minor}"


def _first_answer(client: socket.socket, facts: Facts) -> dict[int, bytes]:
    try:
        return _options(_read(client))
    except TimeoutError:
        raise ProbeFailed("server_silent", **facts) from None


def _prelogin() -> bytes:
    values = {VERSION: bytes(6), ENCRYPTION: bytes([ENCRYPT_ON])}
    place = OPTION.size * len(values) + 1
    table = b""
    for name, value in values.items():
        table += OPTION.pack(name, place, len(value))
        place += len(value)
    return table + bytes([LAST]) + b"".join(values.values())


def _options(packet: bytes) -> dict[int, bytes]:
    """The options of a pre-login by their numbers. It is empty if the packet is another one."""
    found: dict[int, bytes] = {}
    with suppress(struct.error, IndexError):
        for start in range(0, len(packet), OPTION.size):
            if packet[start] == LAST:
                return found
            name, place, size = OPTION.unpack_from(packet, start)
            found[name] = packet[place : place + size]
    return {}


def _handshake(client: socket.socket, context: ssl.SSLContext, host: str) -> None:
    """A handshake whose messages are inside packets of the pre-login."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    encrypted = context.wrap_bio(incoming, outgoing, server_hostname=host)
    while True:
        try:
            encrypted.do_handshake()
            return
        except ssl.SSLWantReadError:
            _send(client, outgoing.read())
            if not incoming.write(_read(client)):
                raise ssl.SSLError from None


def _send(client: socket.socket, payload: bytes) -> None:
    if payload:
        client.sendall(HEADER.pack(PRELOGIN, 1, len(payload) + HEADER.size, 0, 0, 0) + payload)


def _read(client: socket.socket) -> bytes:
    """One packet. It is empty if the answer is not one of SQL Server."""
    kind, _, size, *_ = HEADER.unpack(_exactly(client, HEADER.size))
    is_packet = kind in (REPLY, PRELOGIN) and HEADER.size < size <= SIZE_MAX
    return _exactly(client, size - HEADER.size) if is_packet else b""


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return data


def _code(error: OSError) -> str:
    return tls.cause_for_database(error) if isinstance(error, ssl.SSLError | TimeoutError) else "connection_lost"
