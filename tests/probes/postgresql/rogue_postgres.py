"""A loopback server that speaks PostgreSQL's protocol, asks for the password in many ways, and records its input."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.authority import Issued

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


def _authentication(code: int, more: bytes = b"") -> bytes:
    return b"R" + struct.pack("!ii", 8 + len(more), code) + more


def _error(code: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{code}\0Mgive me it\0\0".encode()
    return b"E" + struct.pack("!i", 4 + len(fields)) + fields


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
    "no password": _authentication(0),
    "not PostgreSQL": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "starting": _error("57P03"),
    "another error": _error("XX000"),
    "an error without a code": b"E" + struct.pack("!i", 17) + b"Mgive me it\0\0",
    "end": b"",
}
"""What the server sends after the first message of a client."""


class RoguePostgres:
    """The server. `received` has everything that clients sent, decrypted; without the requests for encryption."""

    def __init__(self, behaviour: str, context: ssl.SSLContext | None) -> None:
        self.behaviour, self.received = behaviour, bytearray()
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
        connection.sendall(REQUESTS[self.behaviour])
        answer = connection.recv(4096)
        self.received += answer
        if answer and self.behaviour in ("weak scram", "scram, then clear text"):
            nonce = answer.partition(b"r=")[2]
            weak = _authentication(11, b"r=" + nonce + b"rogue,s=c2FsdA==,i=1")
            connection.sendall(weak if self.behaviour == "weak scram" else _authentication(3))
            self.received += connection.recv(4096)
            connection.sendall(_authentication(12, b"v=AAAA") + _authentication(0))
        while more := connection.recv(4096):
            self.received += more


@contextmanager
def rogue_postgres(behaviour: str, issued: Issued | None, folder: Path) -> Iterator[RoguePostgres]:
    """Start the server, with TLS if it has a certificate."""
    context = None
    if issued:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (folder / "rogue.pem").write_text(issued.certificate + issued.key)
        context.load_cert_chain(folder / "rogue.pem")
    server = RoguePostgres(behaviour, context)
    try:
        yield server
    finally:
        server.close()
