"""Opens the TCP connection of a test to an address that was checked."""

import socket
from collections.abc import Sequence

from agents_app.probes.recorder import ProbeFailed


def connect(addresses: Sequence[str], host: str, port: int, seconds: float) -> socket.socket:
    """A connection to the first address that accepts one, within this time in all. It keeps the time limit."""
    failure = ProbeFailed("unreachable", host=host, port=port)
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=seconds / len(addresses))
        except ConnectionRefusedError:
            failure = ProbeFailed("port_refused", host=host, port=port)
        except TimeoutError:
            failure = ProbeFailed("timed_out", host=host, port=port)
        except OSError:
            # The network or the host cannot be reached.
            continue
    raise failure
