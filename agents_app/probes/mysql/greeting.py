"""Reads what a MySQL or MariaDB server sends first. It stays in the socket, where the driver reads it again."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents_app.probes.mysql.errors import from_number
from agents_app.probes.recorder import ProbeFailed

PROTOCOL = 10
MARIADB = "MariaDB"
ERROR = 0xFF
HEADER_SIZE = 4
# A greeting has about 100 bytes.
SIZE_MAX = 2_048


@dataclass(frozen=True)
class Greeting:
    """What a server says about itself before anyone signs in."""

    product: str
    version: str

    @property
    def is_mariadb(self) -> bool:
        """Whether it is MariaDB and not MySQL."""
        return self.product == MARIADB


def read_greeting(client: socket.socket, facts: Mapping[str, Any]) -> Greeting:
    """Read the greeting. A server that refuses the console sends an error in its place."""
    try:
        packet = _peek_packet(client)
    except TimeoutError:
        raise ProbeFailed("server_silent", **facts) from None
    except OSError:
        raise ProbeFailed("connection_lost", **facts) from None
    if packet[:1] == bytes([ERROR]) and len(packet) > 2:
        raise from_number(int.from_bytes(packet[1:3], "little"), facts)
    greeting = _parse(packet)
    if greeting is None:
        raise ProbeFailed("mysql_not_a_server", **facts)
    return greeting


def _peek_packet(client: socket.socket) -> bytes:
    """The first packet without its header. It is empty if what the server sent is no such packet."""
    size = int.from_bytes(_peek(client, HEADER_SIZE)[:3], "little")
    packet = _peek(client, HEADER_SIZE + size)[HEADER_SIZE:] if size <= SIZE_MAX else b""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    return packet


def _peek(client: socket.socket, size: int) -> bytes:
    # The system wakes the reader only when so many bytes are there, or when the server closes the connection.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
    found = client.recv(size, socket.MSG_PEEK)
    if len(found) < size:
        raise ConnectionResetError
    return found


def _parse(packet: bytes) -> Greeting | None:
    version, end, _ = packet[1:].partition(b"\0")
    if packet[:1] != bytes([PROTOCOL]) or not end:
        return None
    text = version.decode("latin1")
    # MariaDB 10 writes a version of MySQL before its own, for old clients.
    number = re.match(r"(?:5\.5\.5-(?=\d))?(\d{1,3}(?:\.\d{1,3}){1,2})", text, re.ASCII)
    return Greeting(MARIADB if "mariadb" in text.lower() else "MySQL", number[1] if number else "")
