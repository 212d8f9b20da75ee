"""A loopback server that speaks PostgreSQL's protocol, asks for the password in many ways, and records its input.

With the password, it can also let a client in, and then answer statements as no PostgreSQL does.
"""

import hashlib
import hmac
import socket
import ssl
import struct
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from tests.authority import Issued

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


def _authentication(code: int, more: bytes = b"") -> bytes:
    return b"R" + struct.pack("!ii", 8 + len(more), code) + more


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", 4 + len(content)) + content


def _error(code: str) -> bytes:
    return _message(b"E", f"SFATAL\0VFATAL\0C{code}\0Mgive me it\0\0".encode())


SASL = _authentication(10, b"SCRAM-SHA-256\0\0")
REQUESTS = {
    "clear text": _authentication(3),
    "md5": _authentication(5, b"salt"),
    "crypt": _authentication(4, b"sa"),
    "gss": _authentication(7),
    "sspi": _authentication(9),
    "kerberos": _authentication(2),
    "scm": _authentication(6),
    "unknown method": _authentication(99),
    "plain over sasl": _authentication(10, b"PLAIN\0\0"),
    "no mechanism": _authentication(10, b"\0"),
    "weak scram": SASL,
    "scram, then clear text": SASL,
    "scram with a wrong end": SASL,
    "scram without an end": SASL,
    "scram for TLS only": _authentication(10, b"SCRAM-SHA-256-PLUS\0\0"),
    "no password": _authentication(0),
    "not PostgreSQL": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "starting": _error("57P03"),
    "another error": _error("XX000"),
    "an error without a code": b"E" + struct.pack("!i", 17) + b"Mgive me it\0\0",
    "end": b"",
}
"""What the server sends after the first message of a client."""
WRONG = _authentication(12, b"v=" + b64encode(bytes(32)))
# How often it lets the client hash the password (0: it asks for clear text), and how it ends.
SCRAM_ENDS = {
    "weak scram": (1, WRONG),
    "scram, then clear text": (0, WRONG),
    "scram with a wrong end": (4096, WRONG),
    "scram without an end": (4096, b""),
    "scram for TLS only": (4096, WRONG),
}
READY, DONE = _message(b"Z", b"I"), _message(b"C", b"SELECT\0")
INT4, BOOL, TEXT = 23, 16, 25
END = b"end"


def rows(types: Sequence[int], *values: Sequence[bytes | None]) -> bytes:
    """Rows with columns of these types, as object IDs of PostgreSQL."""
    columns = b"".join(b"name\0" + struct.pack("!ihihih", 0, 0, kind, -1, -1, 0) for kind in types)
    described = _message(b"T", struct.pack("!h", len(types)) + columns)
    return described + b"".join(map(_row, values)) + DONE


def _row(values: Sequence[bytes | None]) -> bytes:
    parts = (struct.pack("!i", -1 if value is None else len(value)) + (value or b"") for value in values)
    return _message(b"D", struct.pack("!h", len(values)) + b"".join(parts))


VERSION, ROLES, GRANTS = "server_version_num", "WITH RECURSIVE reach", "WITH granted"
NEW_OWNER = "SELECT pg_get_userbyid(CASE"
ROLE = [b"5", b"reader", None, *[b"f"] * 5]
ROLE_TYPES = [INT4, TEXT, TEXT, *[BOOL] * 5]
# A server that could be real.
ANSWERS = {
    VERSION: rows([INT4], [b"17"]),
    ROLES: rows(ROLE_TYPES, ROLE),
    NEW_OWNER: rows([TEXT], [b"postgres"]),
}
MALFORMED = {
    "rows for a statement without rows": {"BEGIN": rows([INT4], [b"1"])},
    "no row": {VERSION: DONE},
    "two rows": {VERSION: rows([INT4], [b"17"], [b"17"])},
    "too many columns": {VERSION: rows([INT4, INT4], [b"17", b"17"])},
    "fewer values than columns": {VERSION: rows([INT4, INT4], [b"17"])},
    "nothing": {VERSION: rows([INT4], [None])},
    "a text in place of a number": {VERSION: rows([TEXT], [b"17"])},
    "a number with letters": {VERSION: rows([INT4], [b"x"])},
    "a number without end": {VERSION: rows([INT4], [b"9" * 5_000])},
    "no own role": {ROLES: rows(ROLE_TYPES, [*ROLE[:2], b"root", *ROLE[3:]])},
    "a name that is not UTF-8": {ROLES: rows(ROLE_TYPES, [b"5", b"\xff", *ROLE[2:]])},
    "a text in place of a boolean": {ROLES: rows([INT4, TEXT, *[TEXT] * 6], ROLE)},
    "a list in place of a text": {NEW_OWNER: rows([1009], [b"{a}"])},
    "a copy": {VERSION: _message(b"H", b"\0\0\1\0\0")},
    "an unknown message": {VERSION: _message(b"?", b"x")},
    "an error without a code": {VERSION: _message(b"E", b"Mgive me it\0\0")},
}
"""What a server answers to one statement as PostgreSQL does not."""
SETTINGS = {"client_encoding": "UTF8", "DateStyle": "ISO, MDY", "server_version": "17.0"}


class RoguePostgres:
    """The server. `received` has everything that clients sent, decrypted; without the requests for encryption."""

    def __init__(
        self, behaviour: str, context: ssl.SSLContext | None, password: str, answers: Mapping[str, bytes]
    ) -> None:
        self.behaviour, self.received = behaviour, bytearray()
        self._password, self._answers = password.encode(), answers
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop the server, after it has read what clients sent."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(10)
                with connection, suppress(OSError):
                    self._greet(connection)

    def _greet(self, connection: socket.socket) -> None:
        first = connection.recv(8, socket.MSG_WAITALL)
        while len(first) == 8 and (request := struct.unpack("!ii", first)[1]) in (SSL_REQUEST, GSS_REQUEST):
            if self._context and request == SSL_REQUEST:
                connection.sendall(b"S")
                with self._context.wrap_socket(connection, server_side=True) as encrypted:
                    self._talk(encrypted, encrypted.recv(8))
                return
            connection.sendall(b"N")
            first = connection.recv(8, socket.MSG_WAITALL)
        self._talk(connection, first)

    def _talk(self, connection: socket.socket, first: bytes) -> None:
        self.received += first
        if not first:
            return
        self.received += connection.recv(4096)
        if self.behaviour == "end":
            return
        if self._password:
            self._let_in(connection)
            return
        connection.sendall(REQUESTS[self.behaviour])
        answer = connection.recv(4096)
        self.received += answer
        if answer and self.behaviour in SCRAM_ENDS:
            nonce = answer.partition(b"r=")[2]
            count, end = SCRAM_ENDS[self.behaviour]
            challenge = _authentication(11, b"r=" + nonce + b"rogue,s=c2FsdA==,i=%d" % count)
            connection.sendall(challenge if count else _authentication(3))
            self.received += connection.recv(4096)
            connection.sendall(end + _authentication(0))
        while more := connection.recv(4096):
            self.received += more

    def _let_in(self, connection: socket.socket) -> None:
        connection.sendall(SASL)
        asked = connection.recv(4096).partition(b",,")[2]
        challenge = b"r=" + asked.partition(b"r=")[2] + b"rogue,s=c2FsdA==,i=4096"
        connection.sendall(_authentication(11, challenge))
        answer = connection.recv(4096)[5:].partition(b",p=")[0]
        salted = hashlib.pbkdf2_hmac("sha256", self._password, b"salt", 4096)
        key = hmac.digest(salted, b"Server Key", "sha256")
        proof = b64encode(hmac.digest(key, b",".join((asked, challenge, answer)), "sha256"))
        settings = (_message(b"S", f"{name}\0{value}\0".encode()) for name, value in SETTINGS.items())
        connection.sendall(_authentication(12, b"v=" + proof) + _authentication(0) + b"".join(settings) + READY)
        while statement := connection.recv(16_384).decode("latin1"):
            answer = next((answer for part, answer in self._answers.items() if part in statement), DONE)
            if answer == END:
                return
            connection.sendall((_error(self.behaviour) if self.behaviour else answer) + READY)


@contextmanager
def rogue_postgres(
    behaviour: str,
    issued: Issued | None,
    folder: Path,
    password: str = "",
    answers: Mapping[str, bytes] = MappingProxyType({}),
) -> Iterator[RoguePostgres]:
    """Start the server, with TLS if it has a certificate.

    With a password, the behaviour is the code of its errors; if it is empty, `answers` are what it answers to
    statements, by a part of their text.
    """
    context = None
    if issued:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (folder / "rogue.pem").write_text(issued.certificate + issued.key)
        context.load_cert_chain(folder / "rogue.pem")
    server = RoguePostgres(behaviour, context, password, answers)
    try:
        yield server
    finally:
        server.close()
