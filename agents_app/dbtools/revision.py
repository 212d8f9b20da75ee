"""Steps, and the one a database is at."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

from agents_app.errors import Unavailable

VERSION = sa.table("alembic_version", sa.column("version_num"))
EMPTY = "The revision is empty. Say head, base, -1, or one that `flask db history` shows."
SEVERAL = "The table alembic_version has more than one row:"
SAY_WHERE = "Steps are in one line here; say where the database is: flask db stamp --purge REVISION"


@dataclass(frozen=True)
class Step:
    """One migration."""

    revision: str
    name: str


def current_revision(connection: Connection) -> str | None:
    """The revision this database is at; None before the first. Raises Unavailable where it names more than one."""
    if not sa.inspect(connection).has_table(VERSION.name):
        return None
    found = sorted(connection.scalars(sa.select(VERSION.c.version_num)))
    if len(found) > 1:
        raise Unavailable(f"{SEVERAL} {', '.join(found)}. {SAY_WHERE}", code="schema_unclear")
    return found[0] if found else None


@compiles(CreateTable)
def _create_table(creation: Any, compiler: Any, **options: Any) -> Any:
    # `downgrade base` leaves this table behind, empty; a script from the first step on meets it again.
    if creation.element.name == VERSION.name:
        creation = CreateTable(creation.element, if_not_exists=True)
    return compiler.visit_create_table(creation, **options)
