"""Causes that every kind of connection shares: names, addresses, TLS, time, and faults of the console itself."""

from agents_app.probes.causes.cause import Cause, Mender

CAUSES = {
    "host_unknown": Cause(
        "The host name {host} does not exist in DNS.", "Correct the host name of the agent.", Mender.YOU
    ),
    "dns_failed": Cause(
        "The name server of the console does not answer.",
        "Try again. If it fails again, ask the network team.",
        Mender.NETWORK,
    ),
    "address_blocked": Cause(
        "The host {host} has an address that connections of agents may not use.",
        "Enter the host of the server itself. The operator of the console can read docs/connections.md for the rules.",
        Mender.YOU,
    ),
    "port_refused": Cause(
        "No server listens on port {port} of {host}.",
        "Check the port. If it is right, ask whether the server runs and whether it accepts connections from here.",
        Mender.YOU,
    ),
    "unreachable": Cause(
        "The server {host} cannot be reached from the console.",
        "Ask the network team to allow connections from the console to {host}, port {port}.",
        Mender.NETWORK,
    ),
    "timed_out": Cause(
        "The server did not answer in time.",
        "Ask the network team whether a firewall drops connections from the console to {host}, port {port}.",
        Mender.NETWORK,
    ),
    "internal_error": Cause(
        "The test failed because of a fault of the console.",
        "Report it with the time of this test and the connection type.",
        Mender.US,
    ),
}
