"""The status of a database: server, position, problems and what to do about them. Nothing is changed."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.database.url import printable_url
from agents_app.dbtools.autogenerate.drift import find_drift
from agents_app.dbtools.autogenerate.settings import console_tables
from agents_app.dbtools.backup import pg_programs
from agents_app.dbtools.backup.dump_scope import dump_scope
from agents_app.dbtools.database import leftovers, postgresql, sqlite
from agents_app.dbtools.database.encoding import database_encoding, require_utf8
from agents_app.dbtools.database.read_only import read_only_problem
from agents_app.dbtools.database.schema import current_schema, grant_sql
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.phases import pending_advice, position_as_data
from agents_app.dbtools.position import OWN_PLACE, Position, table_conflict
from agents_app.dbtools.records.checksums import changed_steps
from agents_app.errors import Unavailable

INVALID_INDEXES = """
SELECT index.relname, owner.relname FROM pg_index
JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS owner ON owner.oid = indrelid
WHERE NOT indisvalid AND owner.relnamespace = to_regnamespace(quote_ident(current_schema()))
"""
NOT_VALIDATED = """
SELECT conname, relname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE NOT convalidated AND relnamespace = to_regnamespace(quote_ident(current_schema()))
"""
OTHER_OWNERS = """
SELECT tablename, tableowner FROM pg_tables
WHERE schemaname = current_schema() AND NOT pg_has_role(tableowner, 'USAGE')
"""
# pg_dump locks every table and reads every sequence, except those of extensions.
NOT_READABLE = """
SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'S') AND nspname = ANY(:schemas)
AND NOT (has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT'))
AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
ORDER BY 1
"""
PENDING, NO_BACKUP = "migrations.pending", "backups.possible"
MAY_CREATE = "SELECT has_schema_privilege(current_schema(), 'CREATE')"


@dataclass(frozen=True)
class Problem:
    """What is wrong, and what to do about it. Programs read `code`, which does not change."""

    what: str
    do: str
    code: str = "database.structure"

    @property
    def only_prevents_backup(self) -> bool:
        return self.code == NO_BACKUP


@dataclass(frozen=True)
class Status:
    """The status of a database. `drift` is None while the database is not at head: it must differ then.

    `pg_dump` is the version of that program, None if it is missing or not needed. `migrating` describes the migration
    that is running.
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
    problems: tuple[Problem, ...]


def read_status(connection: Connection, script: ScriptDirectory, metadata: sa.MetaData, position: Position) -> Status:
    """The status of the database of this connection, which is at `position`."""
    is_postgresql = connection.dialect.name == "postgresql"
    own_tables = console_tables(metadata, script.dir)
    drift = find_drift(connection, metadata, script.dir) if position.is_at_head else None
    problems = [*_encoding_problems(connection), *_head_problems(script)]
    problems += _schema_problems(connection, script, position, drift, own_tables)
    problems += changed_step_problems(connection, script, position)
    problems += (_postgresql_problems if is_postgresql else _sqlite_problems)(connection, script.dir, own_tables)
    # Problems that would stop the pending steps come before these.
    problems.sort(key=lambda problem: problem.code == PENDING)
    version = ".".join(str(part) for part in connection.dialect.server_version_info or ())
    return Status(
        url=printable_url(connection.engine.url),
        server=f"{'PostgreSQL' if is_postgresql else 'SQLite'} {version}",
        role=connection.scalar(sa.text("SELECT current_user")) if is_postgresql else None,
        driver=_driver(connection),
        pg_dump=_dump_version(connection) if is_postgresql else None,
        schema=current_schema(connection) if is_postgresql else None,
        encoding=database_encoding(connection),
        position=position,
        drift=drift,
        migrating=postgresql.running_migration(connection) if is_postgresql else None,
        problems=tuple(problems),
    )


def status_as_data(status: Status) -> dict[str, Any]:
    """A status as plain data, for JSON."""
    position = status.position
    data = {name: value for name, value in vars(status).items() if name != "position"}
    return {
        **data,
        "head": position.head,
        "pending": [asdict(step) for step in position.pending],
        **position_as_data(position),
        "problems": [asdict(problem) for problem in status.problems],
    }


def _encoding_problems(connection: Connection) -> Iterator[Problem]:
    try:
        require_utf8(connection)
    except Unavailable as refusal:
        what, _, do = refusal.detail.partition(". ")
        yield Problem(f"{what}.", do, "database.encoding")


def _head_problems(script: ScriptDirectory) -> Iterator[Problem]:
    heads = script.get_heads()
    if len(heads) > 1:
        what = f"There are {len(heads)} last migrations, and only one is allowed: {', '.join(sorted(heads))}."
        do = "In the newer file, set down_revision to the revision of the older one. To list them: flask db heads"
        yield Problem(what, do, "migrations.heads")


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
        do = "If they match the models: flask db stamp head, then flask db check"
        yield Problem(what, do, "migrations.unstamped")
    elif advice := pending_advice(position):
        yield Problem(*advice, PENDING)
    for line in drift or ():
        do = "Write a step (flask db migrate -m ...) or undo the change."
        yield Problem(f"The database differs from the models: {line}", do, "migrations.drift")


def changed_step_problems(connection: Connection, script: ScriptDirectory, position: Position) -> Iterator[Problem]:
    """A problem for each applied step whose file is not the one that was applied."""
    for step, what in changed_steps(connection, script, position):
        do = "Restore the file (git log -p migrations/versions), and write the change into a step of its own."
        yield Problem(f"The step {step}: {what}.", do, "migrations.changed")


def _sqlite_problems(connection: Connection, _folder: str, _own_tables: frozenset[str]) -> Iterator[Problem]:
    damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if damage != "ok":
        what = f"The file is damaged: {' '.join(damage.split())}."
        yield Problem(what, "Restore a backup into a new file: flask db restore FILE", "database.rows")
    for (child, parent), count in sorted(sqlite.orphans(connection).items()):
        what = f"{pluralize(count, 'row')} of {child} without the row of {parent} to which it refers."
        do = f"Delete or repair them. To list them: PRAGMA foreign_key_check({quote_if_needed(child)})"
        yield Problem(what, do, "database.rows")


def _postgresql_problems(connection: Connection, folder: str, own_tables: frozenset[str]) -> Iterator[Problem]:
    if why := read_only_problem(connection):
        yield Problem(*why, "database.read_only")
    yield from _dump_problems(connection, folder)
    if not connection.scalar(sa.text(MAY_CREATE)):
        yield Problem("This role may not create tables here.", grant_sql(connection, "CREATE"), "database.rights")
    for table, owner in _rows_about(own_tables, connection, OTHER_OWNERS, 0):
        what = f"The table {table} belongs to {owner}, so that no step can change it."
        yield Problem(what, "Migrate with the role of its owner.", "database.rights")
    yield from _structure_problems(connection, own_tables)


def _structure_problems(connection: Connection, own_tables: frozenset[str]) -> Iterator[Problem]:
    for index, table in _rows_about(own_tables, connection, INVALID_INDEXES, 1):
        what = f"The index {index} on {table} is invalid: it {leftovers.invalid_index(index, table).effect}."
        yield Problem(what, f"DROP INDEX CONCURRENTLY {quote_if_needed(index)}; or run the step that creates it again.")
    # A migration that is running uses it.
    for helper in leftovers.not_null_checks(connection) if not postgresql.running_migration(connection) else ():
        what = f"{helper.description} was left by an op.set_not_null that was stopped: it {helper.effect}."
        yield Problem(what, f"{helper.remove_sql}; or flask db upgrade, which removes it first.")
    for constraint, table in _rows_about(own_tables, connection, NOT_VALIDATED, 1):
        if constraint != leftovers.NOT_NULL_CHECK:
            what = f"The constraint {constraint} on {table} was never checked on the rows that are older than it."
            validate = f"ALTER TABLE {quote_if_needed(table)} VALIDATE CONSTRAINT {quote_if_needed(constraint)}"
            yield Problem(what, f"{validate}; or apply the step that does this.")


def _rows_about(tables: frozenset[str], connection: Connection, query: str, column: int) -> list[tuple[str, str]]:
    # The rows whose value in this column is one of the tables.
    rows = connection.execute(sa.text(query))
    return sorted((str(row[0]), str(row[1])) for row in rows if row[column] in tables)


def _dump_problems(connection: Connection, folder: str) -> Iterator[Problem]:
    try:
        pg_programs.find_program("pg_dump", _major(connection))
    except CommandError as refusal:
        what, _, advice = str(refusal).partition(". ")
        yield Problem(f"No backup can be taken: {what}.", advice, NO_BACKUP)
    dumped = dump_scope(connection, folder).schemas
    hidden = list(connection.scalars(sa.text(NOT_READABLE), {"schemas": dumped}))
    if hidden:
        more = f" and {len(hidden) - 1} more" if len(hidden) > 1 else ""
        what = f"No backup can be taken: this role may not read {hidden[0]}{more}."
        role = quote_if_needed(str(connection.scalar(sa.text("SELECT current_user"))))
        do = f"GRANT pg_read_all_data TO {role}; or take the backup with another role, and deploy --no-backup."
        yield Problem(what, do, NO_BACKUP)


def _dump_version(connection: Connection) -> str | None:
    try:
        output = pg_programs.run_program([pg_programs.find_program("pg_dump", _major(connection)), "--version"])
    except CommandError:
        return None
    found = re.search(r"\d+(?:\.\d+)*", output)
    return found[0] if found else None


def _major(connection: Connection) -> int:
    return int((connection.dialect.server_version_info or (0,))[0])


def _driver(connection: Connection) -> str:
    module = connection.dialect.loaded_dbapi
    version = getattr(module, "__version__", "").partition(" ")[0]
    return f"{connection.dialect.driver} {version}".rstrip()
