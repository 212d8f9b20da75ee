"""Causes of MySQL and MariaDB, and warnings about rights that only they have."""

from agents_app.probes.causes.cause import Cause, Responsible
from agents_app.probes.causes.roles import excess

ANOTHER_ACCOUNT = (
    "Ask the database administrator for an account that signs in with caching_sha2_password (MySQL) or "
    + "mysql_native_password (MariaDB)."
)

CAUSES = {
    "mysql_not_a_server": Cause(
        "The server on port {port} of {host} is neither MySQL nor MariaDB.",
        "Check the host and the port. The usual port of MySQL and MariaDB is 3306.",
        Responsible.YOU,
    ),
    "mysql_protocol": Cause(
        "The server {host} sent an answer that MySQL and MariaDB do not send.",
        "Check the host and the port. If they are right, ask the network administrator what is between the console and "
        + "the server.",
        Responsible.YOU,
    ),
    "mysql_access_denied": Cause(
        "The user name {username} or the password is wrong, or the user may not connect from the console.",
        "Correct the user name and the password. If they are right, ask the database administrator for an account that "
        + "may connect from the console.",
        Responsible.YOU,
    ),
    "mysql_access_denied_without_tls": Cause(
        "The server refused the user {username}: the user name or the password is wrong, or the user must use TLS.",
        "Choose the TLS mode verify-full. If it fails again, correct the user name and the password.",
        Responsible.YOU,
    ),
    "mysql_tls_required": Cause(
        "The server accepts connections with TLS only.", "Choose the TLS mode verify-full.", Responsible.YOU
    ),
    "mysql_password_expired": Cause(
        "The password of the user {username} has expired.",
        "Ask the database administrator for a new password, and enter it here.",
        Responsible.DATABASE_ADMIN,
    ),
    "mysql_account_locked": Cause(
        "The account of the user {username} is locked.",
        "Ask the database administrator to unlock the account.",
        Responsible.DATABASE_ADMIN,
    ),
    "mysql_host_blocked": Cause(
        "The server refuses the console, because too many connections from it failed.",
        "Ask the database administrator to clear the host cache of the server: TRUNCATE TABLE "
        + "performance_schema.host_cache (MySQL) or FLUSH HOSTS (MariaDB).",
        Responsible.DATABASE_ADMIN,
    ),
    "mysql_host_not_allowed": Cause(
        "The server accepts no user from the address of the console.",
        "Ask the database administrator for an account that may connect from the address of the console.",
        Responsible.DATABASE_ADMIN,
    ),
    "mysql_too_many_connections": Cause(
        "The server has no free connection, or the user {username} has none left.",
        "Try again later. If it fails again, ask the database administrator to raise the limit.",
        Responsible.WAIT,
    ),
    "mysql_unavailable": Cause("The server is starting or stopping.", "Try again in a minute.", Responsible.WAIT),
    "mysql_needs_verify_full": Cause(
        "The server asked for the password itself. The console sends it only to a server whose certificate and name it "
        + "checked.",
        "Choose the TLS mode verify-full.",
        Responsible.YOU,
    ),
    "mysql_unsafe_method": Cause(
        "The server asked for the password in a way that the console refuses: {method}.",
        ANOTHER_ACCOUNT,
        Responsible.DATABASE_ADMIN,
    ),
    "mysql_unknown_method": Cause(
        "The user {username} signs in with a method that the console does not support, such as a socket or Kerberos.",
        ANOTHER_ACCOUNT,
        Responsible.DATABASE_ADMIN,
    ),
    "mysql_database_missing": Cause(
        "The database {database} does not exist on this server.", "Correct the name of the database.", Responsible.YOU
    ),
    "mysql_database_denied": Cause(
        "The user {username} may not use the database {database}, or there is no such database.",
        "Check the name of the database. If it is right, ask the database administrator to run the statements of this "
        + "test.",
        Responsible.DATABASE_ADMIN,
        without_statements="Check the name of the database. If it is right, ask the database administrator to give the "
        + "user access to it.",
    ),
    "mysql_slow": Cause(
        "The server needed too long for a query of this test.",
        "Try again later. If it fails again, ask the database administrator what keeps the server busy.",
        Responsible.WAIT,
    ),
    "mysql_refused": Cause(
        "The server refused the connection or a statement of this test with the error number {number}.",
        "Ask the database administrator what this error means.",
        Responsible.DATABASE_ADMIN,
    ),
    "mysql_rights_unreadable": Cause(
        "The rights of the user {username} could not be read completely. The user may be able to change data.",
        "Ask the database administrator to check what SHOW GRANTS prints for the user.",
        Responsible.DATABASE_ADMIN,
    ),
    "mysql_rights_of_everyone": Cause(
        "The user {role} can change data in the database {objects} with a right that SHOW GRANTS does not list.",
        "Ask the database administrator to look in the table mysql.db for rows with an empty user: such a right is "
        + "for everyone. Databases whose names begin with test often have one.",
        Responsible.DATABASE_ADMIN,
    ),
    "mysql_administers": excess("The user {role} has rights of an administrator: {objects}."),
    "mysql_uses_files": excess("The user {role} can read and write files of the server: {objects}."),
    "mysql_sees_processes": excess("The user {role} can see the statements that other users run: {objects}."),
    "mysql_reads_more": excess("The user {role} can read more than the agent needs: {objects}."),
}
