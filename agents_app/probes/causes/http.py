"""Causes of servers that are asked over HTTP."""

from agents_app.probes.causes.cause import Cause, Mender

CAUSES = {
    "https_required": Cause(
        "The key would be sent to {host} without encryption.",
        "Use https. http is accepted only for this computer and for private networks.",
        Mender.YOU,
    ),
    "credential_not_sendable": Cause(
        "The key has characters that a request to {host} cannot contain, such as a line break.",
        "Copy the key again, and enter it without spaces or line breaks around it.",
        Mender.YOU,
    ),
    "redirected": Cause(
        "The server {host} answered with a redirect, which is not followed.",
        "Check the address. If it is right, ask the network team whether a proxy answers in place of {host}.",
        Mender.NETWORK,
    ),
    "answer_too_large": Cause(
        "The answer of {host} is larger than any answer that the console expects from such a server.",
        "Check the address. If it is right, ask the network team whether a proxy answers in place of {host}.",
        Mender.YOU,
    ),
    "answer_not_understood": Cause(
        "The answer of {host} is not one that such a server sends.",
        "Check the address. If it is right, ask the network team whether a proxy answers in place of {host}.",
        Mender.YOU,
    ),
    "service_unknown": Cause(
        "The console cannot find the address of {host} in DNS.",
        "Ask the network team to let the server of the console look up {host} and connect to it on port {port}. If "
        + "only a proxy leads to the internet, this test is not possible.",
        Mender.NETWORK,
    ),
    "service_blocked": Cause(
        "The host {host} has an address to which tests may not connect.",
        "Ask the operator of the console. docs/connections.md has the rules for addresses, and the setting "
        + "CONNECTION_TEST_NETWORKS.",
        Mender.NETWORK,
    ),
    "service_unreachable": Cause(
        "The console cannot connect to {host}.",
        "Ask the network team to allow connections from the server of the console to {host}, port {port}. If only a "
        + "proxy leads to the internet, this test is not possible.",
        Mender.NETWORK,
    ),
    "service_replaced": Cause(
        "Another server answers in place of {host}: its certificate was issued for another name.",
        "Ask the network team which device or DNS server leads {host} to another server.",
        Mender.NETWORK,
    ),
}
