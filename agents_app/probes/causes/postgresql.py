"""Causes of PostgreSQL. Most of them follow from the SQLSTATE of the server's refusal."""

from agents_app.probes.causes.cause import Cause, Responsible

USE_SCRAM = (
    "Ask the database administrator to set password_encryption to scram-sha-256, to set the password again, and to "
    + "write scram-sha-256 in pg_hba.conf."
)

CAUSES = {
    "postgresql_login": Cause(
        "The server refused the user name {username} or its password.",
        "Enter both again. If they are right, ask the database administrator whether the role exists, has a password, "
        + "and whether its date VALID UNTIL has passed.",
        Responsible.YOU,
    ),
    "postgresql_host_rule": Cause(
        "No rule of the server allows the user {username} to connect to the database {database} from the console.",
        "Ask the database administrator to add a line to pg_hba.conf for this user, this database and the address of "
        + "the console.",
        Responsible.DATABASE_ADMIN,
    ),
    "postgresql_no_login": Cause(
        "The server accepted the password, but the user {username} may not log in (NOLOGIN).",
        "Ask the database administrator to give the role the attribute LOGIN, or enter another user.",
        Responsible.DATABASE_ADMIN,
    ),
    "postgresql_tls_required": Cause(
        "The server refused a connection without TLS, and it offers TLS.",
        "Choose the TLS mode verify-full. If the server still refuses, ask the database administrator for a line in "
        + "pg_hba.conf for the user {username}.",
        Responsible.YOU,
    ),
    "postgresql_database": Cause(
        "The database {database} does not exist on the server.", "Correct the field Database name.", Responsible.YOU
    ),
    "postgresql_database_closed": Cause(
        "The database {database} accepts no connections.",
        "Ask the database administrator to allow connections to it.",
        Responsible.DATABASE_ADMIN,
    ),
    "postgresql_connect_right": Cause(
        "The user {username} may not connect to the database {database}.",
        "Ask the database administrator to run the statements of this test.",
        Responsible.DATABASE_ADMIN,
        without_statements="Ask the database administrator to grant the right CONNECT on the database.",
    ),
    "postgresql_too_many": Cause(
        "The server or the user {username} has its maximum number of connections.",
        "Try again later. If it fails again, ask the database administrator to raise the limit.",
        Responsible.WAIT,
    ),
    "postgresql_starting": Cause(
        "The server is starting, stopping or recovering.", "Wait a minute, and try again.", Responsible.WAIT
    ),
    "postgresql_old_password": Cause(
        "The server asked for the password with an old password method (md5), so it was not sent.",
        USE_SCRAM,
        Responsible.DATABASE_ADMIN,
    ),
    "postgresql_clear_password": Cause(
        "The server asked for the password in clear text, so it was not sent.", USE_SCRAM, Responsible.DATABASE_ADMIN
    ),
    "postgresql_other_method": Cause(
        "The server asked for another sign-in method than a password, such as Kerberos.",
        USE_SCRAM,
        Responsible.DATABASE_ADMIN,
    ),
    "postgresql_no_password": Cause(
        "The server lets the user {username} in without a password, so the password was not checked.",
        USE_SCRAM,
        Responsible.DATABASE_ADMIN,
    ),
    "postgresql_not_proved": Cause(
        "The server did not prove that it knows the password of this user. It may be another server.",
        "Check the host and the port. If they are right, ask the database administrator which server answers there.",
        Responsible.YOU,
    ),
    "postgresql_refused": Cause(
        "The server refused the connection with the code {sqlstate}.",
        "Ask the database administrator what this SQLSTATE means on the server or its pooler.",
        Responsible.DATABASE_ADMIN,
    ),
    "postgresql_not_understood": Cause(
        "The server {host} does not answer as PostgreSQL does.",
        "Check that a PostgreSQL server listens on port {port}. If it does, ask the network administrator what is "
        + "between the console and the server.",
        Responsible.YOU,
    ),
    "postgresql_statement": Cause(
        "The server refused a statement of this test with the code {sqlstate}.",
        "Ask the database administrator whether the server is PostgreSQL, and what this SQLSTATE means there.",
        Responsible.DATABASE_ADMIN,
    ),
    "postgresql_unreadable": Cause(
        "The server answered a statement of this test in a way that the console cannot read.",
        "Ask the database administrator whether the server is PostgreSQL itself, and whether all names in the database "
        + "are valid UTF-8.",
        Responsible.DATABASE_ADMIN,
    ),
    "postgresql_slow": Cause(
        "The server needed too long for a query of this test.",
        "Try again later. If it fails again, ask the database administrator what keeps the server busy.",
        Responsible.WAIT,
    ),
}
