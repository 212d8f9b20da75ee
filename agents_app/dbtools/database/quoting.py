"""How names and texts are written in SQL."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

# Writes names of PostgreSQL with quotes where they need some, without a connection.
NAMES = sa.make_url("postgresql+psycopg2://").get_dialect()().identifier_preparer


def quoted(connection: Connection, *parts: str | None) -> str:
    """A name as SQL writes it: the name first, what it lives in behind (left out where it is None)."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(part) for part in reversed(parts) if part is not None)


def literal(text: str) -> str:
    """A text as SQL writes it, in single quotes."""
    return "'" + text.replace("'", "''") + "'"
