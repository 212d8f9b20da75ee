"""Causes of TLS, for every kind of connection, and warnings about the TLS mode of a database."""

from agents_app.probes.causes.cause import Cause, Responsible

CAUSES = {
    "tls_failed": Cause(
        "The server {host} offers no TLS connection that the console accepts on port {port}.",
        "Check the port. If it is right, ask the administrator of the server to offer TLS 1.2 or later.",
        Responsible.YOU,
    ),
    "certificate_expired": Cause(
        "The certificate of {host} has expired, or is not valid yet.",
        "Ask the administrator of the server to renew the certificate.",
        Responsible.NETWORK,
    ),
    "database_certificate_expired": Cause(
        "The certificate of {host} has expired, or is not valid yet.",
        "Ask the database administrator to renew the certificate of the server.",
        Responsible.DATABASE_ADMIN,
    ),
    "certificate_name": Cause(
        "The certificate of the server was not issued for the name {host}.",
        "Enter a host name that is in the certificate of the server.",
        Responsible.YOU,
    ),
    "certificate_not_trusted": Cause(
        "The certificate of {host} was not issued by an authority that the console trusts.",
        "Ask the network administrator whether a device replaces certificates. docs/connections.md says how the "
        + "console trusts such a device.",
        Responsible.NETWORK,
    ),
    "database_certificate_not_trusted": Cause(
        "The certificate of {host} was not issued by an authority that the console trusts.",
        "Ask the database administrator for the certificate of the authority, and paste it in Root certificate.",
        Responsible.DATABASE_ADMIN,
    ),
    "root_certificate_refused": Cause(
        "The certificate in the field Root certificate cannot be used: it is damaged, or the TLS library of the "
        + "console does not support it.",
        "Export the certificate of the authority as PEM again, and paste it in Root certificate.",
        Responsible.YOU,
    ),
    "tls_missing": Cause(
        "The server {host} does not offer TLS, but the TLS mode of the agent is {sslmode}.",
        "Ask the database administrator to switch TLS on.",
        Responsible.DATABASE_ADMIN,
    ),
    "identity_not_checked": Cause(
        "The identity of the server was not checked: the TLS mode {sslmode} accepts every server that answers, and "
        + "such a server can try out weak passwords.",
        "Choose the TLS mode verify-full. If the authority is your own, paste its certificate in Root certificate.",
        Responsible.YOU,
    ),
    "name_not_checked": Cause(
        "The name of the server was not checked: the TLS mode verify-ca accepts every certificate of the authority.",
        "Choose the TLS mode verify-full.",
        Responsible.YOU,
    ),
    "not_encrypted": Cause(
        "The connection is not encrypted: everyone in the network between the console and {host} can read all data.",
        "Choose the TLS mode verify-full.",
        Responsible.YOU,
    ),
    # Shown when an agent is saved
    "password_not_protected": Cause(
        "The TLS mode {sslmode} does not check the name of the server. Servers of this database type can ask for the "
        + "password itself, so another server could get it.",
        "Choose the TLS mode verify-full.",
        Responsible.YOU,
    ),
}
