"""Causes of SQL Server and Azure SQL."""

from agents_app.paths import IS_CHECKOUT
from agents_app.probes.causes.cause import Cause, Responsible
from agents_app.probes.causes.roles import excess

INSTALL = (
    "in the folder of the console: .venv/bin/python -m pip install --require-hashes -r requirements-mssql.txt"
    if IS_CHECKOUT
    else "with the Python of the console: python -m pip install mssql-python"
)

CAUSES = {
    "mssql_not_installed": Cause(
        "The driver of SQL Server is not installed in this console.",
        f"Ask the operator of the console to run, {INSTALL}",
        Responsible.OPERATOR,
    ),
    "mssql_driver_unloadable": Cause(
        "The driver of SQL Server is installed, but it cannot be loaded, because a system library is missing.",
        "Ask the operator of the console to install it. On Debian and Ubuntu: apt-get install libltdl7",
        Responsible.OPERATOR,
    ),
    "mssql_not_a_server": Cause(
        "The server on port {port} of {host} does not answer as SQL Server does.",
        "Check the host and the port. The usual port of SQL Server is 1433.",
        Responsible.YOU,
    ),
    "mssql_needs_verify_full": Cause(
        "SQL Server gets the password itself. The console sends it only to a server whose certificate and name it "
        + "checked.",
        "Choose the TLS mode verify-full.",
        Responsible.YOU,
    ),
    "mssql_login_failed": Cause(
        "The user name {username} or the password is wrong.",
        "Enter both again. If they are right, ask the database administrator whether the user may open the database "
        + "{database}.",
        Responsible.YOU,
    ),
    "mssql_other_sign_in": Cause(
        "The server accepts Windows accounts only, and no user name with a password.",
        "Ask the database administrator for a login with SQL Server authentication.",
        Responsible.DATABASE_ADMIN,
    ),
    "mssql_login_disabled": Cause(
        "The login {username} is disabled or locked.",
        "Ask the database administrator to enable the login.",
        Responsible.DATABASE_ADMIN,
    ),
    "mssql_password_expired": Cause(
        "The password of the login {username} has expired.",
        "Ask the database administrator for a new password, and enter it here.",
        Responsible.DATABASE_ADMIN,
    ),
    "mssql_database": Cause(
        "The database {database} does not exist on the server, or the user {username} may not open it.",
        "Check the name of the database. If it is right, ask the database administrator to add the user to it.",
        Responsible.DATABASE_ADMIN,
    ),
    "mssql_azure_firewall": Cause(
        "The firewall of the Azure server does not allow connections from the console.",
        "Ask the database administrator to add the address of the console to the firewall rules of the server.",
        Responsible.DATABASE_ADMIN,
    ),
    "mssql_azure_server": Cause(
        "No Azure server has the name {host}, or the login has the wrong form.",
        "Correct the host name and the user name.",
        Responsible.YOU,
    ),
    "mssql_busy": Cause(
        "The database or the server accepts no connection at the moment.", "Try again in a minute.", Responsible.WAIT
    ),
    "mssql_sent_away": Cause(
        "The server {host} sent the console to another server, at an address that tests may not use.",
        "Ask the database administrator which server that is, and enter its host and port. docs/connections.md has the "
        + "rules for addresses.",
        Responsible.YOU,
    ),
    "mssql_not_limited": Cause(
        "The system of the console cannot limit where the driver of SQL Server connects, so no password was sent.",
        "Ask the operator of the console to run it on Linux 5.5 or later, and to permit the system call seccomp.",
        Responsible.OPERATOR,
    ),
    "mssql_refused": Cause(
        "The server refused the connection or a statement of this test.",
        "Ask the database administrator what the log of the server says.",
        Responsible.DATABASE_ADMIN,
    ),
    "mssql_unreadable": Cause(
        "The server answered a statement of this test in a way that the console cannot read.",
        "Ask the database administrator whether the server is SQL Server or Azure SQL itself.",
        Responsible.DATABASE_ADMIN,
    ),
    "mssql_administers": excess("The user {role} has rights of an administrator: {objects}."),
}
