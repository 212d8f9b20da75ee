"""Causes of servers that are asked over HTTP."""

from agents_app.probes.causes.cause import Cause, Responsible

CHECK_URL = (
    "If the agent has a model base URL, check it. If it is right or empty, ask the network administrator whether a "
    + "proxy answers in place of {host}."
)

CAUSES = {
    "https_required": Cause(
        "The key would be sent to {host} without encryption.",
        "Use https. http is accepted only for the computer of the console and for private networks.",
        Responsible.YOU,
    ),
    "credential_not_sendable": Cause(
        "The key has characters that a request to {host} cannot contain, such as a line break.",
        "Copy the key again, and enter it without spaces or line breaks.",
        Responsible.YOU,
    ),
    "redirected": Cause(
        "The server {host} answered with a redirect, which is not followed.",
        CHECK_URL,
        Responsible.NETWORK,
    ),
    "answer_too_large": Cause(
        "The answer of {host} is larger than the console accepts.",
        "Check the host, or the model base URL. If it is right, ask the administrator of the server what "
        + "answers there.",
        Responsible.YOU,
    ),
    "answer_not_understood": Cause(
        "The console cannot read the answer of {host}.",
        CHECK_URL,
        Responsible.YOU,
    ),
    "service_unknown": Cause(
        "The console cannot find the address of {host} in DNS.",
        "Ask the network administrator to let the server of the console look up {host} and connect to it on port "
        + "{port}. If only a proxy leads to the internet, the test is not possible.",
        Responsible.NETWORK,
    ),
    "service_blocked": Cause(
        "DNS gives an address for {host} to which tests may not connect.",
        "Ask the network administrator why DNS gives such an address for {host}. docs/connections.md says which "
        + "addresses are allowed.",
        Responsible.NETWORK,
    ),
    "service_not_allowed": Cause(
        "The host {host} has an address outside the networks to which this console limits tests.",
        "Ask the operator of the console to add the networks of {host} to the setting CONNECTION_TEST_NETWORKS, or to "
        + "remove the setting (docs/connections.md).",
        Responsible.OPERATOR,
    ),
    "service_unreachable": Cause(
        "The console cannot connect to {host}.",
        "Ask the network administrator to allow connections from the server of the console to {host}, port {port}. If "
        + "only a proxy leads to the internet, the test is not possible.",
        Responsible.NETWORK,
    ),
    "service_replaced": Cause(
        "Another server answers in place of {host}: its certificate was issued for another name.",
        "Ask the network administrator which device or DNS server leads {host} to another server.",
        Responsible.NETWORK,
    ),
}
