"""Opens the TCP connection of a test to an address that was checked."""

import socket
import time
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from agents_app.probes.recorder import ProbeFailed

ADDRESSES_MAX = 3
SECONDS_MIN = 1.2
"""The least for an address, if so much is left. A lost packet is sent again after a second."""


def connect(addresses: Sequence[str], host: str, port: int, seconds: float) -> socket.socket:
    """A connection to the first address that accepts one, within this time in all.

    The connection then waits the same time for each answer.
    """
    failure = ProbeFailed("unreachable", host=host, port=port)
    for address, share in attempts(addresses, seconds):
        try:
            connection = socket.create_connection((address, port), timeout=share)
        except ConnectionRefusedError:
            failure = ProbeFailed("port_refused", host=host, port=port)
        except TimeoutError:
            failure = ProbeFailed("timed_out", host=host, port=port)
        except OSError:
            # The network or the host cannot be reached.
            continue
        else:
            connection.settimeout(seconds)
            return connection
    raise failure


def attempts(addresses: Sequence[str], seconds: float) -> Iterator[tuple[str, float]]:
    """The addresses to try, each with its share of the time that is left.

    IPv6 and IPv4 take turns (RFC 8305), so that a network without one of them is not the end of a test.
    """
    deadline = time.monotonic() + seconds
    tried = _by_turns(addresses)[:ADDRESSES_MAX]
    for number, address in enumerate(tried):
        left = deadline - time.monotonic()
        if left <= 0:
            return
        yield address, min(left, max(SECONDS_MIN, left / (len(tried) - number)))


def _by_turns(addresses: Sequence[str]) -> list[str]:
    """The same addresses, with those of the other family than the first one in between."""
    is_ipv6 = [":" in address for address in addresses]
    own = [address for address, family in zip(addresses, is_ipv6, strict=True) if family == is_ipv6[0]]
    others = [address for address in addresses if address not in own]
    return [address for address in chain.from_iterable(zip_longest(own, others)) if address]
