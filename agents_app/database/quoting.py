"""Quotes names and strings for the SQL of the console's own database. Nothing else in this program does."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

PREPARER = sa.make_url("postgresql+psycopg2://").get_dialect()().identifier_preparer


def quote_if_needed(name: str) -> str:
    """Quote a PostgreSQL name if it cannot be written without quotes. No connection is needed."""
    quoted: str = PREPARER.quote(name)
    return quoted


def quote_name(connection: Connection, *parts: str | None) -> str:
    """Quote a name for SQL that this connection sends. Pass the name first, then its schema; None is left out."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(part) for part in reversed(parts) if part is not None)


def quote_where_needed(connection: Connection, name: str) -> str:
    """Quote a name if the database of this connection needs it."""
    quoted: str = connection.dialect.identifier_preparer.quote(name)
    return quoted


def quote_for_setting(name: str) -> str:
    """Quote a name for the value of a PostgreSQL setting, in which a driver does not replace `%`."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Write a string as an SQL literal in single quotes."""
    return "'" + text.replace("'", "''") + "'"
