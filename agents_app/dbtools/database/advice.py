"""What to do about a refusal of PostgreSQL, worked out from its own words: where it is known, the statement to type.

Its programs hand on nothing but words, and while connecting there is no code either.
"""

import getpass
import os
import re

from sqlalchemy.engine import URL

from agents_app.database.quoting import quote_if_needed

# The address that commands of migrations use comes from the second of them, where it is set.
SETTING = "DATABASE_URL (or MIGRATION_DATABASE_URL, where it is set)"
CREATE_DATABASE = "CREATE DATABASE {what} OWNER {role} ENCODING 'UTF8' TEMPLATE template0;"
ANOTHER_OWNER = "It belongs to another role. Let that one do this, or run: ALTER TABLE {what} OWNER TO {role};"
STANDBY = "If this server is a standby, name the primary, or both hosts with target_session_attrs=read-write."
READ_ONLY = f"{STANDBY} If it is not: ALTER ROLE {{role}} SET default_transaction_read_only = off;"
# The server's words, and the advice; `what` is the name that they end with.
ADVICE = {
    r"permission denied for schema (?P<what>.+)": "Let its owner run: GRANT USAGE, CREATE ON SCHEMA {what} TO {role};",
    r"permission denied for database (?P<what>.+)": "Run: GRANT CONNECT, CREATE ON DATABASE {what} TO {role};",
    r"(?:permission denied for|must be owner of) (?:table|relation|view|sequence) (?P<what>.+)": ANOTHER_OWNER,
    r"cannot execute .+ in a read-only transaction": READ_ONLY,
    r"session is (?:in )?read-only|server is in hot standby mode": "None of the hosts is a primary at present.",
    r'database "(?P<what>.+)" does not exist': f"Check {SETTING}; or run: {CREATE_DATABASE}",
    r'role "(?P<what>.+)" does not exist': f"Check {SETTING}; or run: CREATE ROLE {{what}} LOGIN PASSWORD '...';",
    r"password authentication failed": f"Check the password in {SETTING}; in it @ is %40, / is %2F and % is %25.",
}


def advice_for(text: str, url: URL) -> str | None:
    """What to do where PostgreSQL refuses with this text; None where nothing better is known than its words."""
    for words, advice in ADVICE.items():
        if found := re.search(words, text):
            what = (found.groupdict().get("what") or "").partition(" (")[0].strip('". ')
            return advice.format(what=quote_if_needed(what) if what else "", role=quote_if_needed(_role(url)))
    return None


def _role(url: URL) -> str:
    # As libpq finds it.
    return str(url.username or url.query.get("user") or os.environ.get("PGUSER") or _os_user())


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "role"
