"""A loopback server that speaks TDS, the protocol of SQL Server, as the document MS-TDS describes it.

It does the pre-login, TLS inside TDS packets and the sign-in, and answers queries with rows that a test gives.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

REPLY, LOGIN, PRELOGIN = 0x04, 0x10, 0x12
ENCRYPT_ON, ENCRYPT_NOT_SUPPORTED, ENCRYPT_REQUIRED = 1, 2, 3
VERSION_OF_SERVER = bytes([16, 0, 0x10, 0, 0, 0])
QUERY = 0x01
LOGIN_FAILED, DATABASE_DENIED = 18456, 4060
TEXTS = {
    18456: "Login failed for user 'reader'.",
    18452: "Login failed. The login is from an untrusted domain and cannot be used with Integrated authentication.",
    18470: "Login failed for user 'reader'. Reason: The account is disabled.",
    18486: "Login failed for user 'reader' because the account is currently locked out.",
    18487: "Login failed for user 'reader'. Reason: The password of the account has expired.",
    229: "The SELECT permission was denied on the object 'schemas', database 'sales', schema 'sys'.",
    4060: 'Cannot open database "sales" requested by the login. The login failed.',
    40532: 'Cannot open server "example" requested by the login. The login failed.',
    40613: "Database 'sales' on server 'example' is not currently available. Please retry the connection later.",
    40615: "Cannot open server 'example' requested by the login. Client with IP address '192.0.2.1' is not allowed "
    + "to access the server.",
}
DONE = b"\xfd" + struct.pack("<HHQ", 0x10, 0, 0)
Rows = Sequence[Sequence[str | int]]


@dataclass
class Conversation:
    """One connection. `received` is everything that the client sent after the pre-login, without TLS."""

    client: socket.socket
    received: bytearray = field(default_factory=bytearray)

    def read(self) -> tuple[int, bytes]:
        """Read one packet, as its type and its content."""
        header = self._exactly(8)
        size = struct.unpack_from(">H", header, 2)[0]
        return header[0], self._exactly(size - 8)

    def send(self, kind: int, payload: bytes) -> None:
        """Send one packet, which is the last of its message."""
        self.client.sendall(struct.pack(">BBHHBB", kind, 1, len(payload) + 8, 0, 1, 0) + payload)

    def prelogin(self, encryption: int) -> None:
        """Answer the pre-login."""
        self.read()
        options = struct.pack(">BHH", 0, 11, 6) + struct.pack(">BHH", 1, 17, 1) + b"\xff"
        self.send(REPLY, options + VERSION_OF_SERVER + bytes([encryption]))

    def start_tls(self, context: ssl.SSLContext) -> "Conversation":
        """Do the handshake inside packets of the pre-login, and return the conversation inside TLS."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    self.send(PRELOGIN, outgoing.read())
                incoming.write(self.read()[1])
        self.send(PRELOGIN, outgoing.read())
        inside = _Inside(self.client, self.received)
        inside.tls, inside.incoming, inside.outgoing = tls, incoming, outgoing
        return inside

    def read_login(self) -> None:
        """Read the sign-in, which contains the password."""
        self.received += self.read()[1]

    def refuse(self, *numbers: int, is_english: bool = True) -> None:
        """Send these errors, with the text that SQL Server has for them, or with a text in another language."""
        tokens = b"".join(_error(number, TEXTS[number] if is_english else "Texto del servidor") for number in numbers)
        self.send(REPLY, tokens + b"\xfd" + struct.pack("<HHQ", 2, 0, 0))

    def accept(self, other_port: int = 0) -> None:
        """Accept the sign-in. With another port, send the client to the server there."""
        version = b"\x74\0\0\x04"
        ack = b"\1" + version + _name("Microsoft SQL Server") + VERSION_OF_SERVER[:4]
        change = _routing("127.0.0.1", other_port) if other_port else b""
        self.send(REPLY, b"\xad" + struct.pack("<H", len(ack)) + ack + change + DONE)

    def answer_queries(self, rows_of: Callable[[str], Rows | int | bytes]) -> None:
        """Answer each query with what the function gives for its text: rows, the number of an error, or tokens."""
        while True:
            kind, packet = self.read()
            if kind != QUERY:
                return
            text = packet[struct.unpack_from("<I", packet)[0] :].decode("utf-16-le")
            rows = rows_of(text)
            if isinstance(rows, int):
                self.refuse(rows)
            elif isinstance(rows, bytes):
                self.send(REPLY, rows)
            else:
                self.send(REPLY, b"".join(map(_row, rows)).join([_columns(text, rows), DONE]))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._some(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _some(self, size: int) -> bytes:
        return self.client.recv(size)


class _Inside(Conversation):
    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    def send(self, kind: int, payload: bytes) -> None:
        self.tls.write(struct.pack(">BBHHBB", kind, 1, len(payload) + 8, 0, 1, 0) + payload)
        self.client.sendall(self.outgoing.read())

    def _some(self, size: int) -> bytes:
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                data = self.client.recv(16_384)
                if not data:
                    raise EOFError from None
                self.incoming.write(data)


@dataclass
class Server:
    """A running server."""

    port: int
    conversations: list[Conversation] = field(default_factory=list)

    @property
    def received(self) -> bytes:
        """Everything that clients sent after the pre-login."""
        return b"".join(bytes(one.received) for one in self.conversations)


@contextmanager
def server(act: Callable[[Conversation], None]) -> Iterator[Server]:
    """Run a server that does this with each connection, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Server(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, running, act))
        thread.start()
        try:
            yield running
        finally:
            # Wakes the thread.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def stored_password(password: str) -> bytes:
    """How a sign-in contains a password: in UTF-16, each byte with its halves exchanged and then changed by 0xA5."""
    return bytes(((byte << 4 | byte >> 4) & 0xFF) ^ 0xA5 for byte in password.encode("utf-16-le"))


def _serve(listener: socket.socket, running: Server, act: Callable[[Conversation], None]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        conversation = Conversation(client)
        running.conversations.append(conversation)
        with suppress(OSError, EOFError):
            act(conversation)
        client.close()


def _error(number: int, text: str) -> bytes:
    message = text.encode("utf-16-le")
    body = struct.pack("<IBBH", number, 1, 14, len(text)) + message + b"\0\0" + struct.pack("<I", 1)
    return b"\xaa" + struct.pack("<H", len(body)) + body


def _routing(host: str, port: int) -> bytes:
    """The change of the environment that sends a client to another server (ENVCHANGE of type 20)."""
    place = struct.pack("<BHH", 0, port, len(host)) + host.encode("utf-16-le")
    body = b"\x14" + struct.pack("<H", len(place)) + place + b"\0\0"
    return b"\xe3" + struct.pack("<H", len(body)) + body


def _columns(query: str, rows: Rows) -> bytes:
    """The description of the columns: whole numbers, or texts."""
    types = [type(value) for value in rows[0]] if rows else [str] * (query.partition("FROM")[0].count(",") + 1)
    number, text = b"\x26\x04", b"\xe7" + struct.pack("<H", 8000) + bytes([9, 4, 0xD0, 0, 0x34])
    columns = [struct.pack("<IH", 0, 9) + (number if kind is int else text) + _name("name") for kind in types]
    return b"\x81" + struct.pack("<H", len(columns)) + b"".join(columns)


def _row(values: Sequence[str | int]) -> bytes:
    parts = [b"\xd1"]
    for value in values:
        data = struct.pack("<i", value) if isinstance(value, int) else value.encode("utf-16-le")
        parts.append((b"\x04" if isinstance(value, int) else struct.pack("<H", len(data))) + data)
    return b"".join(parts)


def _name(text: str) -> bytes:
    return bytes([len(text)]) + text.encode("utf-16-le")
