"""Quotes names and strings for the SQL of the console's own database. Nothing else in this program does."""

from typing import Any

from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import Connection

# Without the driver, whose dialect doubles each %. SQLAlchemy does so when it sends a text.
DIALECT: Any = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
PREPARER = DIALECT.identifier_preparer


def quote_if_needed(name: str) -> str:
    """Quote a PostgreSQL name if it cannot be written without quotes. No connection is needed.

    For `sa.text`, for values, and for what people or `psql` read. `%` is not doubled, as for `no_parameters`.
    """
    quoted: str = PREPARER.quote(name)
    return quoted


def quote_name(connection: Connection, *parts: str | None) -> str:
    """Quote a name for `exec_driver_sql` of this connection, for which psycopg2 needs each `%` twice.

    Pass the name first, then its schema; None is left out.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(part) for part in reversed(parts) if part is not None)


def quote_where_needed(connection: Connection, name: str) -> str:
    """Quote a name if the database of this connection needs it. `%` is not doubled."""
    if connection.dialect.name == "postgresql":
        return quote_if_needed(name)
    quoted: str = connection.dialect.identifier_preparer.quote(name)
    return quoted


def quote_for_setting(name: str) -> str:
    """Quote a name for the value of a PostgreSQL setting, in which a driver does not replace `%`."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Write a string as an SQL literal in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def quote_phrase(text: str) -> str:
    """Write a string as a phrase in the language of SQLite's FTS5."""
    return '"' + text.replace('"', '""') + '"'
