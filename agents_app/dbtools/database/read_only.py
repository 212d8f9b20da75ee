"""Checks whether a database is read-only: a standby is, and so are sessions with default_transaction_read_only."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.errors import Unavailable

IS_STANDBY = sa.text("SELECT pg_is_in_recovery()")
# Not `transaction_read_only`: a connection for reading sets that itself.
READ_ONLY_SOURCE = sa.text(
    "SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only' AND setting = 'on'"
)
USE_PRIMARY = "Write the primary's address into DATABASE_URL, or both hosts with target_session_attrs=read-write."


def read_only_problem(connection: Connection) -> tuple[str, str] | None:
    """Return why the database is read-only, and what to do; None if it is not read-only."""
    if connection.dialect.name != "postgresql":
        return None
    if connection.scalar(IS_STANDBY):
        return "This server is a standby, which is read-only.", USE_PRIMARY
    if source := connection.scalar(READ_ONLY_SOURCE):
        problem = f"The database is read-only: default_transaction_read_only is on (set by: {source})."
        role = quote_if_needed(str(connection.scalar(sa.text("SELECT current_user"))))
        return problem, f"To allow changes: ALTER ROLE {role} SET default_transaction_read_only = off;"
    return None


def require_writable(connection: Connection) -> None:
    """Raise Unavailable, with what to do, if the database is read-only."""
    if problem := read_only_problem(connection):
        raise Unavailable(" ".join(problem), code="database_read_only")
