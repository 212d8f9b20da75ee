"""Where a database is on the way from the first migration to the last."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

from agents_app.database.errors import is_missing_column
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.own_tables import complete_tables, incomplete_tables, tables_created_in, tables_of_migrations
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
# Another program may have a table or two that look like ours.
ENOUGH = 3


@dataclass(frozen=True)
class Step:
    """One migration."""

    revision: str
    name: str


@dataclass(frozen=True)
class SchemaState:
    """The revision of a database, the newest one this code knows, and the steps between.

    `is_ahead` means that a newer release has migrated the database, which this code can live with.
    """

    current: str | None
    head: str
    pending: tuple[Step, ...]
    is_ahead: bool

    @property
    def is_at_head(self) -> bool:
        return self.current == self.head


def schema_state(connection: Connection) -> SchemaState:
    """Where the database of this connection is; one small query and a half.

    Raises Unavailable where that cannot be said, or where the table of revisions is another program's.
    """
    steps, folder = _all_steps()
    return _state(connection, steps, folder)


def state_among(connection: Connection, script: ScriptDirectory) -> SchemaState:
    """The same among the steps of this folder."""
    return _state(connection, _steps_of(script), script.dir)


def require_own_revisions(connection: Connection, script: ScriptDirectory) -> None:
    """Raise Unavailable where the table of revisions is another program's."""
    _own_revisions(connection, _steps_of(script), script.dir)


def _state(connection: Connection, steps: tuple[Step, ...], folder: str) -> SchemaState:
    known = [step.revision for step in steps]
    found = _own_revisions(connection, steps, folder)
    if len(found) > 1:
        raise Unavailable(f"{SEVERAL} {', '.join(found)}. {SAY_WHERE}", code="schema_unclear")
    current = found[0] if found else None
    if current and current not in known:
        return SchemaState(current, known[-1], (), is_ahead=True)
    done = known.index(current) + 1 if current else 0
    return SchemaState(current, known[-1], steps[done:], is_ahead=False)


def _own_revisions(connection: Connection, steps: tuple[Step, ...], folder: str) -> list[str]:
    found = revisions(connection)
    unknown = [revision for revision in found if revision not in {step.revision for step in steps}]
    if unknown and len(unknown) < len(found):
        raise other_program_error(f"holds {', '.join(unknown)} too.")
    if unknown and not _has_tables_of_ours(connection, folder):
        raise other_program_error(f"holds {', '.join(unknown)}, and the console's tables are not there.")
    return found


def _has_tables_of_ours(connection: Connection, folder: str) -> bool:
    # What a newer release changed, it changed in some of them.
    made = tables_of_migrations(folder)
    return len(complete_tables(connection, made)) >= min(ENOUGH, len(made))


def in_the_way(connection: Connection, script: ScriptDirectory) -> str | None:
    """A sentence about the tables of another program whose names pending steps need; None where there are none."""
    pending = state_among(connection, script).pending
    paths = [Path(script.get_revision(step.revision).path) for step in pending]
    made = {name: columns for path in paths for name, columns in tables_created_in(path).items()}
    found = incomplete_tables(connection, made)
    if not found:
        return None
    lacks = "; ".join(f"{name} lacks {', '.join(columns)}" for name, columns in found.items())
    return f"Tables of another program have the names of the console's: {lacks}."


def require_own_tables(connection: Connection, script: ScriptDirectory) -> None:
    """Raise Unavailable where tables of another program have names that pending steps need."""
    if foreign := in_the_way(connection, script):
        raise Unavailable(f"{foreign} {OWN_PLACE}. Nothing was changed.", code="schema_unclear")


def migrations_folder() -> str:
    """The folder of the steps."""
    return _all_steps()[1]


@cache
def _all_steps() -> tuple[tuple[Step, ...], str]:
    # The files of a release do not change while it runs, and reading them takes a while.
    script = ScriptDirectory.from_config(alembic_config(sa.make_url("sqlite://")))
    return _steps_of(script), script.dir


def _steps_of(script: ScriptDirectory) -> tuple[Step, ...]:
    return tuple(Step(found.revision, found.doc) for found in reversed(list(script.walk_revisions())))


def revisions(connection: Connection) -> list[str]:
    """The rows of the table alembic_version; none where it is not there or empty.

    Raises Unavailable where it is another program's.
    """
    is_postgresql = connection.dialect.name == "postgresql"
    kind = connection.scalar(sa.text(IN_OUR_SCHEMA if is_postgresql else IN_OUR_FILE), {"name": VERSION.name})
    if kind is None:
        return []
    if kind not in TABLE:
        raise other_program_error("is not a table.")
    try:
        return sorted(connection.scalars(sa.select(VERSION.c.version_num)))
    except DBAPIError as error:
        if is_missing_column(error):
            raise other_program_error("has no column version_num.") from error
        raise


def other_program_error(what: str) -> Unavailable:
    """The refusal to touch a table of revisions that is not the console's."""
    return Unavailable(f"The table alembic_version is another program's: it {what} {OWN_PLACE}", code="schema_unclear")


@compiles(CreateTable)
def _create_table(creation: Any, compiler: Any, **options: Any) -> Any:
    # `downgrade base` leaves this table behind, empty; a script from the first step on meets it again.
    if creation.element.name == VERSION.name:
        creation = CreateTable(creation.element, if_not_exists=True)
    return compiler.visit_create_table(creation, **options)
