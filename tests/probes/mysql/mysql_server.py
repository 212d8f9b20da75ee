"""A loopback server that speaks MySQL's protocol, as MySQL's documentation describes it, and keeps what it is sent.

It takes the place of MySQL, whose sign-in methods MariaDB does not have, and of servers that try to get the password.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.authority import Issued

NONCE = bytes(range(1, 21))
PLUGIN_AUTH, SSL, TRANSACTIONS, SECURE = 0x80000, 0x800, 0x2000, 0x8000
PROTOCOL_41, CONNECT_WITH_DB = 0x200, 0x8
CAPABILITIES = PLUGIN_AUTH | TRANSACTIONS | SECURE | PROTOCOL_41 | CONNECT_WITH_DB
OK = b"\0\0\0\2\0\0\0"
EOF = b"\xfe\0\0\2\0"
INIT_DB, QUERY = 2, 3
TEXT, NUMBER, DECIMAL, UTF8 = 0xFD, 8, 246, 33
Rows = Sequence[Sequence[str | int | Decimal]]


@dataclass
class Conversation:
    """One connection. `received` is everything that the client sent, without TLS."""

    client: socket.socket
    context: ssl.SSLContext | None
    received: bytearray = field(default_factory=bytearray)
    sequence: int = 0

    def send(self, payload: bytes) -> None:
        """Send one packet."""
        self.client.sendall(len(payload).to_bytes(3, "little") + bytes([self.sequence]) + payload)
        self.sequence = (self.sequence + 1) % 256

    def read(self) -> bytes:
        """Read one packet."""
        header = self._read(4)
        self.sequence = (header[3] + 1) % 256
        payload = self._read(int.from_bytes(header[:3], "little"))
        self.received += payload
        return payload

    def greet(self, method: str, version: str = "8.0.36") -> bytes:
        """Send the greeting, start TLS if the client wants it, and return its first answer."""
        flags = CAPABILITIES | (SSL if self.context else 0)
        greeting = b"\x0a" + version.encode() + b"\0" + bytes(4) + NONCE[:8] + b"\0"
        greeting += struct.pack("<HBHHB", flags & 0xFFFF, UTF8, 2, flags >> 16, 21) + bytes(10)
        self.send(greeting + NONCE[8:] + b"\0" + method.encode() + b"\0")
        answer = self.read()
        if self.context and struct.unpack_from("<I", answer)[0] & SSL:
            self.client = self.context.wrap_socket(self.client, server_side=True)
            answer = self.read()
        return answer

    def switch(self, method: str, data: bytes = NONCE + b"\0") -> bytes:
        """Ask for another sign-in method, and return the answer."""
        self.send(b"\xfe" + method.encode() + b"\0" + data)
        return self.read()

    def ask(self, data: bytes) -> bytes:
        """Send more data of the method, and return the answer."""
        self.send(b"\x01" + data)
        return self.read()

    def refuse(self, number: int) -> None:
        """Send an error."""
        self.send(b"\xff" + number.to_bytes(2, "little") + b"#HY000text of the server")

    def answer_queries(self, tables: Mapping[str, Rows | int]) -> None:
        """Answer statements. `tables` are rows or the number of an error by the text; all other statements succeed."""
        while True:
            self.sequence = 0
            packet = self.read()
            rows = tables.get(packet[1:].decode()) if packet[0] == QUERY else None
            if packet[0] not in (QUERY, INIT_DB):
                return
            if rows is None:
                self.send(OK)
            elif isinstance(rows, int):
                self.refuse(rows)
            else:
                self._send_rows(rows)

    def _send_rows(self, rows: Rows) -> None:
        width = len(rows[0])
        kind = {str: TEXT, int: NUMBER, Decimal: DECIMAL}[type(rows[0][0])]
        column = b"".join(_text(name) for name in ("def", "", "", "", "name", ""))
        column += b"\x0c" + struct.pack("<HIBHB", UTF8, 255, kind, 0, 0) + b"\0\0"
        for packet in (bytes([width]), *[column] * width, EOF):
            self.send(packet)
        for row in rows:
            self.send(b"".join(_text(str(value)) for value in row))
        self.send(EOF)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.client.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class Key:
    """The RSA key of a server. `read` decrypts what a client encrypted with it."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self.public = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def read(self, data: bytes) -> bytes:
        """The password that a client sent encrypted."""
        oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
        plain = self._key.decrypt(data, oaep)
        return bytes(byte ^ NONCE[place % len(NONCE)] for place, byte in enumerate(plain))


@dataclass
class Server:
    """A running server."""

    port: int
    conversations: list[Conversation] = field(default_factory=list)

    @property
    def received(self) -> bytes:
        """Everything that clients sent."""
        return b"".join(bytes(one.received) for one in self.conversations)


@contextmanager
def server(act: Callable[[Conversation], None], context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server that does this with each connection, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Server(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, running, act, context))
        thread.start()
        try:
            yield running
        finally:
            # Wakes the thread.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def tls(issued: Issued, folder: Path) -> ssl.SSLContext:
    """TLS with this certificate."""
    file = folder / "server.pem"
    file.write_text(issued.certificate + issued.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def fast_answer(password: str) -> bytes:
    """What caching_sha2_password answers to the challenge."""
    once = sha256(password.encode()).digest()
    mask = sha256(sha256(once).digest() + NONCE).digest()
    return bytes(left ^ right for left, right in zip(once, mask, strict=True))


def _serve(
    listener: socket.socket, running: Server, act: Callable[[Conversation], None], context: ssl.SSLContext | None
) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        conversation = Conversation(client, context)
        running.conversations.append(conversation)
        with suppress(OSError, EOFError):
            act(conversation)
        conversation.client.close()


def _text(text: str) -> bytes:
    data = text.encode()
    return (bytes([len(data)]) if len(data) < 251 else b"\xfc" + struct.pack("<H", len(data))) + data
