"""Causes that all connections share: names, addresses, TCP, time, and faults of the console itself."""

from agents_app.probes.causes.cause import Cause, Responsible

CAUSES = {
    "host_unknown": Cause(
        "The host name {host} does not exist in DNS.", "Correct the host name of the agent.", Responsible.YOU
    ),
    "host_invalid": Cause(
        "{host} is not a host name or an IP address.",
        "Enter one host name or IP address, such as db.example.org or 192.0.2.10.",
        Responsible.YOU,
    ),
    "dns_failed": Cause(
        "The name server of the console does not answer.",
        "Try again. If it fails again, ask the network administrator to check DNS on the server of the console.",
        Responsible.NETWORK,
    ),
    "address_blocked": Cause(
        "The host {host} has an address to which tests may not connect, such as a loopback, link-local or metadata "
        + "address.",
        "Check the host. docs/connections.md says which addresses are allowed.",
        Responsible.YOU,
    ),
    "network_not_allowed": Cause(
        "The host {host} has an address outside the networks to which this console limits tests.",
        "Check the host. If it is right, ask the operator of the console to add its network to the setting "
        + "CONNECTION_TEST_NETWORKS.",
        Responsible.OPERATOR,
    ),
    # Which service is there is not said: editors do not need to know.
    "port_blocked": Cause(
        "Tests may not connect to {host} at port {port}.",
        "Check the host and the port. If they are right, ask the operator of the console. docs/connections.md says "
        + "which addresses and ports are never tested.",
        Responsible.OPERATOR,
    ),
    "port_refused": Cause(
        "No server listens on port {port} of {host}.",
        "Check the port. If it is right, ask the administrator of the server whether it runs, and whether it accepts "
        + "connections from other computers.",
        Responsible.YOU,
    ),
    "unreachable": Cause(
        "The console cannot connect to {host}.",
        "Ask the network administrator to allow connections from the console to {host}, port {port}.",
        Responsible.NETWORK,
    ),
    "timed_out": Cause(
        "The server accepted no connection in time.",
        "Check the host and the port. If they are right, ask the network administrator whether a firewall drops "
        + "connections from the console to this server.",
        Responsible.NETWORK,
    ),
    "server_silent": Cause(
        "The server accepted the connection, but sent nothing.",
        "Check the host and the port: another kind of server may listen there, and wait for the client to begin. If "
        + "they are right, ask the administrator of the server whether it is overloaded.",
        Responsible.YOU,
    ),
    "server_slow": Cause(
        "The server answered at first, but in this step it did not answer in time.",
        "Try again later. If it fails again, ask the administrator of the server what keeps it busy.",
        Responsible.WAIT,
    ),
    "test_unfinished": Cause(
        "The console could not examine all answers of the server {host} in time.",
        "Try again. If it fails again, check the host, and ask the administrator of the server whether the user has "
        + "very many rights or objects.",
        Responsible.WAIT,
    ),
    "connection_lost": Cause(
        "The server {host} closed the connection before it answered.",
        "Try again. If it fails again, ask the network administrator what is between the console and {host}, "
        + "port {port}.",
        Responsible.NETWORK,
    ),
    "console_busy": Cause(
        "The console was too busy to run this test.", "Wait a minute, and try again.", Responsible.WAIT
    ),
    "internal_error": Cause(
        "The test failed because of a fault of the console.",
        "Report it to the maintainers of Agent Console, with the time of this test and the connection type.",
        Responsible.US,
    ),
}
