"""The server of a database, as the probes of all databases use it."""

from collections.abc import Mapping
from dataclasses import dataclass
from socket import socket
from typing import Any, Self

from agents_app.probes.network import tcp
from agents_app.probes.network.addresses import AddressRules, resolve
from agents_app.probes.recorder import ProbeFailed, Recorder

WAIT_S = 4.0
"""How long a probe waits for each answer of the server, in seconds."""


@dataclass(frozen=True)
class DatabaseServer:
    """Where the server of a connection is, and how long to wait for it before the sign-in.

    `values` are those of the connection, and `facts` are for the sentences of causes.
    """

    values: Mapping[str, Any]
    host: str
    port: int
    seconds: float
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, values: Mapping[str, Any], default_port: int) -> Self:
        """The server of a connection."""
        # The certificate has the name without the dot of the root zone.
        host, port = values["host"].removesuffix("."), values.get("port") or default_port
        facts = {"host": host, "port": port, **{name: values[name] for name in ("username", "database", "sslmode")}}
        return cls(values, host, port, min(WAIT_S, values.get("connect_timeout_s") or WAIT_S), facts)

    def resolve(self, rules: AddressRules, recorder: Recorder) -> list[str]:
        """The step `resolve`: the addresses to connect to."""
        with recorder.step("resolve"):
            return resolve(self.host, self.port, rules)

    def connect(self, addresses: list[str]) -> socket:
        """A connection to the first address that accepts one."""
        return tcp.connect(addresses, self.host, self.port, self.seconds)

    def address_of(self, connection: socket) -> str:
        """The address of a new connection. The server may have closed it already."""
        try:
            return str(connection.getpeername()[0])
        except OSError:
            raise ProbeFailed("connection_lost", **self.facts) from None
