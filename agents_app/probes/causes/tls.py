"""Causes and warnings about the TLS mode of an agent, for every kind of database."""

from agents_app.probes.causes.cause import Cause, Mender

CAUSES = {
    "tls_missing": Cause(
        "The server {host} does not offer TLS, which the TLS mode {sslmode} requires.",
        "Ask the database administrator to switch TLS on.",
        Mender.DATABASE_ADMIN,
    ),
    "identity_not_checked": Cause(
        "The identity of the server was not checked: the TLS mode {sslmode} accepts every server that answers.",
        "Choose the TLS mode verify-full. If the authority is your own, paste its certificate in Root certificate.",
        Mender.YOU,
    ),
    "name_not_checked": Cause(
        "The name of the server was not checked: the TLS mode verify-ca accepts every certificate of the authority.",
        "Choose the TLS mode verify-full.",
        Mender.YOU,
    ),
    "not_encrypted": Cause(
        "The connection is not encrypted: the network between the console and {host} can read all data.",
        "Choose the TLS mode verify-full.",
        Mender.YOU,
    ),
}
