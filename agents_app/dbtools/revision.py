"""Steps, and the one a database is at."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

VERSION = sa.table("alembic_version", sa.column("version_num"))
EMPTY = "The revision is empty. Say head, base, -1, or one that `flask db history` shows."


@dataclass(frozen=True)
class Step:
    """One migration."""

    revision: str
    name: str


def current_revision(connection: Connection) -> str | None:
    """The revision this database is at; None before the first."""
    if not sa.inspect(connection).has_table(VERSION.name):
        return None
    return connection.scalar(sa.select(VERSION.c.version_num))


@compiles(CreateTable)
def _create_table(creation: Any, compiler: Any, **options: Any) -> Any:
    # `downgrade base` leaves this table behind, empty; a script from the first step on meets it again.
    if creation.element.name == VERSION.name:
        creation = CreateTable(creation.element, if_not_exists=True)
    return compiler.visit_create_table(creation, **options)
