"""Which addresses of a host are tried, and how long."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from agents_app.probes.network import tcp
from agents_app.probes.network.tcp import SECONDS_MIN, attempts, connect
from agents_app.probes.recorder import ProbeFailed

MANY = [f"2001:db8::{number}" for number in range(1, 9)] + [f"192.0.2.{number}" for number in range(1, 9)]


@contextmanager
def silent(address: str) -> Iterator[int]:
    """A port of this address that answers no new connection, because its queue is full."""
    with socket.socket() as listener, ExitStack() as clients:
        listener.bind((address, 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((address, port))
        yield port


def code(addresses: list[str], port: int, seconds: float) -> str:
    with pytest.raises(ProbeFailed) as caught:
        connect(addresses, "db.example.org", port, seconds)
    assert caught.value.facts == {"host": "db.example.org", "port": port}
    return caught.value.code


def test_a_network_that_cannot_be_reached_is_the_cause_only_if_no_address_says_more() -> None:
    # No route leads from loopback to another network.
    with silent("127.0.0.2") as port:
        assert code(["255.255.255.255"], port, 4) == "unreachable"
        assert code(["127.0.0.3", "255.255.255.255"], port, 4) == "port_refused"
        assert code(["127.0.0.2", "255.255.255.255"], port, 0.1) == "timed_out"


def test_of_many_addresses_a_few_of_both_families_are_tried() -> None:
    assert [address for address, _ in attempts(MANY, 4)] == ["2001:db8::1", "192.0.2.1", "2001:db8::2"]
    assert [address for address, _ in attempts(MANY[::-1], 4)] == ["192.0.2.8", "2001:db8::8", "192.0.2.7"]


def test_each_address_gets_long_enough_for_a_server_far_away() -> None:
    assert min(seconds for _, seconds in attempts(MANY, 4)) >= SECONDS_MIN
    # All of the time is not enough for two.
    assert max(seconds for _, seconds in attempts(MANY, 0.5)) <= 0.5


def test_a_silent_address_leaves_time_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "SECONDS_MIN", 0.1)
    with (
        silent("127.0.0.2") as port,
        socket.create_server(("127.0.0.1", port)),
        connect(["127.0.0.2", "127.0.0.1"], "db.example.org", port, 1) as connection,
    ):
        assert connection.getpeername()[0] == "127.0.0.1"
        # The time for one address is not the time for one answer.
        assert connection.gettimeout() == 1
