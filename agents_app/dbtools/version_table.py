"""The table of Alembic that has the revision of the database."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

from agents_app.database.errors import is_missing_column
from agents_app.errors import Unavailable

VERSION_TABLE = sa.table("alembic_version", sa.column("version_num"))
OWN_PLACE = "Give the console a database of its own or, on PostgreSQL, a schema of its own: DATABASE_SCHEMA=console"
# Not `has_table`, which finds a table in every schema of the search path.
POSTGRESQL_KIND = "SELECT relkind FROM pg_class WHERE oid = to_regclass(quote_ident(current_schema()) || '.' || :name)"
SQLITE_KIND = "SELECT type FROM sqlite_master WHERE name = :name"
TABLE_KINDS = ("r", "p", "table")


def read_revisions(connection: Connection) -> list[str]:
    """The revisions in the table, in order; none without a table. Raises Unavailable if it is another program's."""
    is_postgresql = connection.dialect.name == "postgresql"
    kind = connection.scalar(sa.text(POSTGRESQL_KIND if is_postgresql else SQLITE_KIND), {"name": VERSION_TABLE.name})
    if kind is None:
        return []
    if kind not in TABLE_KINDS:
        raise other_program("is not a table.")
    try:
        return sorted(connection.scalars(sa.select(VERSION_TABLE.c.version_num)))
    except DBAPIError as error:
        if is_missing_column(error):
            raise other_program("has no column version_num.") from error
        raise


def other_program(what: str) -> Unavailable:
    """The error that the table is another program's: `it {what}`."""
    return Unavailable(f"The table alembic_version is another program's: it {what} {OWN_PLACE}", code="schema_unclear")


@compiles(CreateTable)
def _create_table(creation: Any, compiler: Any, **options: Any) -> Any:
    # `downgrade base` leaves this table in place, empty. A script that starts at the first step meets it again.
    if creation.element.name == VERSION_TABLE.name:
        creation = CreateTable(creation.element, if_not_exists=True)
    return compiler.visit_create_table(creation, **options)
