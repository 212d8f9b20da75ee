"""Finds advice for an error of PostgreSQL by its message text, if possible with the SQL statement to run.

The text is used because PostgreSQL's programs, and failed connections, give no error code.
"""

import getpass
import os
import re

from sqlalchemy.engine import URL

from agents_app.database.quoting import quote_if_needed

# Migration commands use the second setting if it is set.
SETTING = "DATABASE_URL (or MIGRATION_DATABASE_URL, if it is set)"
CREATE_DATABASE = "CREATE DATABASE {name} OWNER {role} ENCODING 'UTF8' TEMPLATE template0;"
# A running release may use the object through its present owner, so that none of these statements changes the owner.
GRANT_ON_TABLE = "Let its owner run: GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {role}; or use the owner's role."
GRANT_ON_TYPE = "Let its owner run: GRANT USAGE ON TYPE {name} TO {role}; or use the owner's role."
ANOTHER_OWNER = "Another role owns it. Run the command as that role."
NOT_WRITABLE = "This user may not write there. Run the command as the owner of the file and its folder."
NO_PRIMARY = "None of the hosts is a primary. Check the hosts in DATABASE_URL, or try again after the failover."
STANDBY = (
    "If this server is a standby, use the address of the primary, or both hosts with target_session_attrs=read-write."
)
READ_ONLY = f"{STANDBY} If it is a primary: ALTER ROLE {{role}} SET default_transaction_read_only = off;"
HIGHER_LIMIT = (
    "Set a higher statement_timeout (0: none): --statement-timeout or MIGRATION_STATEMENT_TIMEOUT for a migration, "
    + "otherwise in the options of the URL or of the role."
)
FULL_DISK = "Free space on the disk of the database."
TRY_AGAIN = "Try again when the server answers."
# Patterns of messages, and the advice. The group `name` is the database object in the message.
ADVICE = {
    r"permission denied for schema (?P<name>.+)": "Let its owner run: GRANT USAGE, CREATE ON SCHEMA {name} TO {role};",
    r"permission denied for database (?P<name>.+)": "Run: GRANT CONNECT, CREATE ON DATABASE {name} TO {role};",
    r"permission denied for sequence (?P<name>.+)": "Let its owner run: GRANT ALL ON SEQUENCE {name} TO {role};",
    r"permission denied for (?:table|relation|view) (?P<name>.+)": GRANT_ON_TABLE,
    r"permission denied for type (?P<name>.+)": GRANT_ON_TYPE,
    r"must be owner of (?:table|relation|view|sequence|type|schema) (?P<name>.+)": ANOTHER_OWNER,
    r"must be owner of (?P<name>.+)": "Another role owns it and its table. Run the command as that role.",
    r"permission denied (?:for|to) (?P<name>.+)": "The role {role} lacks this right. Run the command as another role.",
    r"attempt to write a readonly database": NOT_WRITABLE,
    r"cannot execute .+ in a read-only transaction": READ_ONLY,
    r"session is (?:in )?read-only|server is in hot standby mode": NO_PRIMARY,
    r'database "(?P<name>.+)" does not exist': f"Check {SETTING}; or run: {CREATE_DATABASE}",
    r'role "(?P<name>.+)" does not exist': f"Check {SETTING}; or run: CREATE ROLE {{name}} LOGIN PASSWORD '...';",
    r"database or disk is full|No space left on device": FULL_DISK,
    r"disk I/O error": "The disk is full or damaged: look at its free space with df, and at the log of the kernel.",
    r"Connection refused": f"Start the server, or correct host and port in {SETTING}.",
    r"the database system is (?:starting up|shutting down|in recovery|not yet accepting)": TRY_AGAIN,
    r"terminating connection|server closed the connection|(?:timed out|timeout expired)$": TRY_AGAIN,
    r"canceling statement due to statement timeout": HIGHER_LIMIT,
    r"password authentication failed": f"Check the password in {SETTING}; in it @ is %40, / is %2F and % is %25.",
}


def advice_for(text: str, url: URL) -> str | None:
    """Return what to do about an error with this text; None if no advice is known."""
    for pattern, advice in ADVICE.items():
        if match := re.search(pattern, text):
            name = (match.groupdict().get("name") or "").partition(" (")[0].strip('". ')
            return advice.format(name=quote_if_needed(name) if name else "", role=quote_if_needed(_role_name(url)))
    return None


def _role_name(url: URL) -> str:
    # The same order as in libpq.
    role = url.username or url.query.get("user") or os.environ.get("PGUSER")
    try:
        return str(role or getpass.getuser())
    except (OSError, KeyError):
        return "role"
