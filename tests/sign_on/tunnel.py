"""A proxy on the loopback that sends every host to one server, so that tests use the real name of a provider."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast


class _Tunnel(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = port
        self.wanted: list[str] = []


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast(_Tunnel, self.server)
        server.wanted.append(self.rfile.readline().split()[1].decode())
        while self.rfile.readline().strip():
            pass
        with socket.create_connection(("127.0.0.1", server.target)) as other:
            self.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            thread = threading.Thread(target=_copy, args=(other, self.connection), daemon=True)
            thread.start()
            _copy(self.connection, other)
            thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def tunnel(port: int) -> Iterator[tuple[str, list[str]]]:
    """Run a proxy to this port. Gives its URL, and the list of the hosts that clients ask it for."""
    with _Tunnel(port) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", server.wanted
        finally:
            server.shutdown()
