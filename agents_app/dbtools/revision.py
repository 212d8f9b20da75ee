"""Steps, and the one a database is at."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

from agents_app.database_errors import is_missing_column
from agents_app.errors import Unavailable

VERSION = sa.table("alembic_version", sa.column("version_num"))
EMPTY = "The revision is empty. Say head, base, -1, or one that `flask db history` shows."
SEVERAL = "The table alembic_version has more than one row:"
SAY_WHERE = "Steps are in one line here; say where the database is: flask db stamp --purge REVISION"
OWN_PLACE = "Give the console a database of its own or, on PostgreSQL, a schema of its own: DATABASE_SCHEMA=console"
# Not `has_table`, which finds a table in every schema of the search path.
IN_OUR_SCHEMA = "SELECT relkind FROM pg_class WHERE oid = to_regclass(quote_ident(current_schema()) || '.' || :name)"
IN_OUR_FILE = "SELECT type FROM sqlite_master WHERE name = :name"
TABLE = ("r", "p", "table")


@dataclass(frozen=True)
class Step:
    """One migration."""

    revision: str
    name: str


def revisions(connection: Connection) -> list[str]:
    """The rows of the table alembic_version; none where it is not there or empty.

    Raises Unavailable where it is another program's.
    """
    is_postgresql = connection.dialect.name == "postgresql"
    kind = connection.scalar(sa.text(IN_OUR_SCHEMA if is_postgresql else IN_OUR_FILE), {"name": VERSION.name})
    if kind is None:
        return []
    if kind not in TABLE:
        raise another_programs("is not a table.")
    try:
        return sorted(connection.scalars(sa.select(VERSION.c.version_num)))
    except DBAPIError as error:
        if is_missing_column(error):
            raise another_programs("has no column version_num.") from error
        raise


def another_programs(what: str) -> Unavailable:
    """The refusal to touch a table of revisions that is not the console's."""
    return Unavailable(f"The table alembic_version is another program's: it {what} {OWN_PLACE}", code="schema_unclear")


@compiles(CreateTable)
def _create_table(creation: Any, compiler: Any, **options: Any) -> Any:
    # `downgrade base` leaves this table behind, empty; a script from the first step on meets it again.
    if creation.element.name == VERSION.name:
        creation = CreateTable(creation.element, if_not_exists=True)
    return compiler.visit_create_table(creation, **options)
