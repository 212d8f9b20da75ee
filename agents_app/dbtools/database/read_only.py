"""Whether a database takes changes: a standby takes none, nor does a session that is read only."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.errors import Unavailable

IS_STANDBY = sa.text("SELECT pg_is_in_recovery()")
# Not `transaction_read_only`, which a connection that only looks sets by itself.
SET_BY = sa.text("SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only' AND setting = 'on'")
NAME_THE_PRIMARY = "Name the primary in DATABASE_URL, or both hosts with target_session_attrs=read-write."


def read_only_problem(connection: Connection) -> tuple[str, str] | None:
    """Why the database takes no changes, and what to do; None where it takes them."""
    if connection.dialect.name != "postgresql":
        return None
    if connection.scalar(IS_STANDBY):
        return "This server is a standby, which takes no changes.", NAME_THE_PRIMARY
    if source := connection.scalar(SET_BY):
        what = f"The database takes no changes: default_transaction_read_only is on (set by: {source})."
        role = quote_if_needed(str(connection.scalar(sa.text("SELECT current_user"))))
        return what, f"If that is not meant: ALTER ROLE {role} SET default_transaction_read_only = off;"
    return None


def require_writable(connection: Connection) -> None:
    """Raise Unavailable, with what to do, where the database takes no changes."""
    if why := read_only_problem(connection):
        raise Unavailable(" ".join(why), code="database_read_only")
