"""The status of a database: server, position, problems and what to do about them. Nothing is changed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.database.url import printable_url
from agents_app.dbtools.autogenerate.causes import remedy
from agents_app.dbtools.autogenerate.drift import find_drift
from agents_app.dbtools.autogenerate.names import SHORTEN, long_names
from agents_app.dbtools.autogenerate.settings import console_tables
from agents_app.dbtools.backup.pg_programs import find_program, program_version
from agents_app.dbtools.branches import two_heads
from agents_app.dbtools.database import postgresql, sqlite
from agents_app.dbtools.database.encoding import database_encoding, require_utf8
from agents_app.dbtools.database.schema import current_schema
from agents_app.dbtools.marks import unclear_mark
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.phases import pending_advice, position_as_data
from agents_app.dbtools.position import Position, table_conflict
from agents_app.dbtools.problems import CHANGED, PENDING, WAIT, Problem
from agents_app.dbtools.records.checksums import changed_steps
from agents_app.dbtools.records.history import KeptDeployment, deployment_as_data, read_deployments
from agents_app.dbtools.server_problems import major_version, postgresql_problems, unfinished_constraints
from agents_app.dbtools.serving_rights import serving_rights_problems
from agents_app.dbtools.version_table import OWN_PLACE
from agents_app.errors import Unavailable
from agents_app.paths import COMMAND

RESTORE_FILE = "Restore the file (git log -p migrations/versions), and write the change into a step of its own."

ORDER_FIRST = "Put the migrations in order first, then:"


@dataclass(frozen=True)
class Status:
    """The status of a database. `drift` is None while the database is not at head: it must differ then.

    `pg_dump` is the version of that program, None if it is missing or not needed. `migrating` describes the migration
    that is running. `last_deployment` is the newest run that the database keeps.
    """

    url: str
    server: str
    role: str | None
    driver: str
    pg_dump: str | None
    schema: str | None
    encoding: str
    position: Position
    drift: tuple[str, ...] | None
    migrating: str | None
    last_deployment: KeptDeployment | None
    problems: tuple[Problem, ...]


def read_status(
    connection: Connection, script: ScriptDirectory, metadata: sa.MetaData, position: Position, console: URL | None
) -> Status:
    """The status of the database of this connection, which is at `position`. The console itself uses `console`."""
    is_postgresql = connection.dialect.name == "postgresql"
    own_tables = console_tables(metadata, script.dir)
    names = long_names(metadata)
    drift = find_drift(connection, metadata, script.dir) if position.is_at_head and not names else None
    problems = [*_name_problems(names), *_encoding_problems(connection), *_head_problems(script)]
    problems += _schema_problems(connection, script, position, drift, own_tables)
    problems += changed_step_problems(connection, script, position)
    problems += (postgresql_problems if is_postgresql else _sqlite_problems)(connection, script.dir, own_tables)
    problems += unfinished_constraints(connection, script, position)
    problems += serving_rights_problems(connection, console, own_tables)
    # Problems that would stop the pending steps come before these.
    problems.sort(key=lambda problem: problem.code == PENDING)
    return Status(
        url=printable_url(connection.engine.url),
        server=_server(connection),
        role=connection.scalar(sa.text("SELECT current_user")) if is_postgresql else None,
        driver=_driver(connection),
        pg_dump=_dump_version(connection) if is_postgresql else None,
        schema=current_schema(connection) if is_postgresql else None,
        encoding=database_encoding(connection),
        position=position,
        drift=drift,
        migrating=postgresql.running_migration(connection) if is_postgresql else None,
        last_deployment=next(iter(read_deployments(connection, 1) or ()), None),
        problems=tuple(problems),
    )


def _name_problems(names: str | None) -> list[Problem]:
    return [Problem(names, SHORTEN, "models.names")] if names else []


def _server(connection: Connection) -> str:
    version = ".".join(str(part) for part in connection.dialect.server_version_info or ())
    return f"{'PostgreSQL' if connection.dialect.name == 'postgresql' else 'SQLite'} {version}"


def status_as_data(status: Status) -> dict[str, Any]:
    """A status as plain data, for JSON."""
    position = status.position
    data = {name: value for name, value in vars(status).items() if name != "position"}
    return {
        **data,
        "other_revisions": list(position.others),
        "head": position.head,
        "pending": [asdict(step) for step in position.pending],
        **position_as_data(position),
        "last_deployment": status.last_deployment and deployment_as_data(status.last_deployment),
        "problems": [asdict(problem) for problem in status.problems],
    }


def _encoding_problems(connection: Connection) -> Iterator[Problem]:
    try:
        require_utf8(connection)
    except Unavailable as refusal:
        what, _, do = refusal.detail.partition(". ")
        yield Problem(f"{what}.", do, "database.encoding")


def _head_problems(script: ScriptDirectory) -> Iterator[Problem]:
    if problem := two_heads(script):
        yield Problem(*problem, "migrations.heads")
    if problem := unclear_mark(script):
        yield Problem(*problem, "migrations.marks")


def _schema_problems(
    connection: Connection,
    script: ScriptDirectory,
    position: Position,
    drift: tuple[str, ...] | None,
    own_tables: frozenset[str],
) -> Iterator[Problem]:
    conflict = table_conflict(connection, script, position)
    present = sorted(own_tables & set(sa.inspect(connection).get_table_names())) if position.current is None else []
    if conflict:
        yield Problem(conflict, OWN_PLACE, "database.foreign_tables")
    elif present:
        what = f"These tables exist, but no migration created them here: {', '.join(present)}."
        do = f"If they match the models: {COMMAND} db stamp head, then {COMMAND} db check"
        yield Problem(what, do, "migrations.unstamped")
    elif advice := pending_advice(position):
        what, do = advice
        migrating = postgresql.running_migration(connection) if connection.dialect.name == "postgresql" else None
        if migrating:
            what, do = f"{what} A migration is running: {migrating}.", WAIT
        yield Problem(what, f"{ORDER_FIRST} {do}" if two_heads(script) else do, PENDING)
    for line in drift or ():
        yield Problem(f"The database differs from the models: {line}", remedy(line), "migrations.drift")


def changed_step_problems(connection: Connection, script: ScriptDirectory, position: Position) -> Iterator[Problem]:
    """A problem for each applied step whose file is not the one that was applied."""
    for step in changed_steps(connection, script, position):
        name = f", {step.name}" if step.name else ""
        do = f'{RESTORE_FILE} If it is right: {COMMAND} db accept-change {step.revision} --reason "why"'
        yield Problem(f"The step {step.revision}{name}: {step.what}.", do, CHANGED)


def _sqlite_problems(connection: Connection, _folder: str, _own_tables: frozenset[str]) -> Iterator[Problem]:
    damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if damage != "ok":
        what = f"The file is damaged: {' '.join(damage.split())}."
        yield Problem(what, f"Restore a backup into a new file: {COMMAND} db restore FILE", "database.rows")
    for (child, parent), count in sorted(sqlite.orphans(connection).items()):
        what = f"{pluralize(count, 'row')} of {child} without the row of {parent} to which it refers."
        do = f"Delete or repair them. To list them: PRAGMA foreign_key_check({quote_if_needed(child)})"
        yield Problem(what, do, "database.rows")


def _dump_version(connection: Connection) -> str | None:
    try:
        return program_version(find_program("pg_dump", major_version(connection)))
    except CommandError:
        return None


def _driver(connection: Connection) -> str:
    module = connection.dialect.loaded_dbapi
    version = getattr(module, "__version__", "").partition(" ")[0]
    return f"{connection.dialect.driver} {version}".rstrip()
