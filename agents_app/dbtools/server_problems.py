"""The problems of a database on PostgreSQL: rights, owners, indexes, constraints, and what prevents a backup."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.autogenerate.settings import console_tables
from agents_app.dbtools.backup.dump_scope import dump_scope
from agents_app.dbtools.backup.pg_programs import find_program
from agents_app.dbtools.database import leftovers, postgresql
from agents_app.dbtools.database.read_only import read_only_problem
from agents_app.dbtools.database.schema import current_schema, grant_sql, quote_with_schema
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp
from agents_app.dbtools.output import first_names
from agents_app.dbtools.position import Position
from agents_app.dbtools.problems import NO_BACKUP, WAIT, Problem
from agents_app.dbtools.records.tables import TABLES as RECORDS
from agents_app.dbtools.review.plan import Plan
from agents_app.dbtools.review.recorder import record_step
from agents_app.dbtools.version_table import VERSION_TABLE
from agents_app.paths import COMMAND

INVALID_INDEXES = """
SELECT index.relname, owner.relname,
    (SELECT max(pid) FROM pg_stat_progress_create_index WHERE index_relid = indexrelid) AS builder
FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS owner ON owner.oid = indrelid
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
# Every step writes to these tables, but changes nothing of the tables themselves.
WRITTEN_BY_STEPS = (VERSION_TABLE.name, *(table.name for table in RECORDS))
NOT_WRITABLE = """
SELECT tablename, tableowner FROM pg_tables, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
WHERE schemaname = current_schema() AND tablename = ANY(:tables)
AND NOT has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), needed)
GROUP BY 1, 2
"""
# pg_dump locks every table and reads every sequence, except those of extensions.
NOT_READABLE = """
SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'S') AND nspname = ANY(:schemas)
AND NOT (has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT'))
AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
ORDER BY 1
"""
MAY_CREATE = "SELECT has_schema_privilege(current_schema(), 'CREATE')"


def postgresql_problems(connection: Connection, folder: str, own_tables: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with the server, the role's rights and the console's own tables. `folder` has the migrations."""
    yield from _dump_problems(connection, folder)
    yield from rights_problems(connection, own_tables)
    yield from _structure_problems(connection, own_tables)


def rights_problems(connection: Connection, own_tables: frozenset[str]) -> Iterator[Problem]:
    """Why this role, or no role, can apply steps: the database is read-only, or rights are missing. None on SQLite."""
    if connection.dialect.name != "postgresql":
        return
    if why := read_only_problem(connection):
        yield Problem(*why, "database.read_only")
    if not connection.scalar(sa.text(MAY_CREATE)):
        grant = grant_sql(connection, "CREATE", current_schema(connection))
        yield Problem("This role may not create tables here.", grant, "database.rights")
    yield from _owner_problems(connection, own_tables)


def stopping_problems(connection: Connection, folder: str, metadata: sa.MetaData, plan: Plan) -> list[Problem]:
    """The problems of rights that stop the steps of a plan."""
    changed = {table.name for step in plan.steps for table in step.tables}
    found = rights_problems(connection, console_tables(metadata, folder)) if plan.steps else ()
    return [problem for problem in found if problem.stops_steps(changed)]


def _owner_problems(connection: Connection, own_tables: frozenset[str]) -> Iterator[Problem]:
    tables_of: dict[str, list[str]] = {}
    for table, owner in _rows_about(own_tables, connection, OTHER_OWNERS, 0):
        tables_of.setdefault(owner, []).append(table)
    for owner, tables in sorted(tables_of.items()):
        names = first_names(tables)
        subject, it = (
            (f"The table {names} belongs", "it") if len(tables) == 1 else (f"The tables {names} belong", "them")
        )
        what = f"{subject} to {owner}, so that no step can change {it} as {_role(connection)}."
        yield Problem(what, _migrate_as(owner), "database.rights", tuple(tables))
    unwritable = connection.execute(sa.text(NOT_WRITABLE), {"tables": list(WRITTEN_BY_STEPS)}).all()
    if unwritable:
        names = first_names(sorted(table for table, _ in unwritable))
        what = f"{_role(connection)} may not write to {names}, to which every step writes."
        yield Problem(what, _migrate_as(unwritable[0][1]), "database.rights")


def _migrate_as(owner: str) -> str:
    then = f"Then {COMMAND} db status names the rights that the role of DATABASE_URL needs on new tables."
    return f"Migrate as {owner}: write its address into MIGRATION_DATABASE_URL. {then}"


def _role(connection: Connection) -> str:
    return str(connection.scalar(sa.text("SELECT current_user")))


def _structure_problems(connection: Connection, own_tables: frozenset[str]) -> Iterator[Problem]:
    migrating = postgresql.running_migration(connection)
    yield from _index_problems(connection, own_tables, migrating)
    # A migration that is running uses it.
    for helper in leftovers.not_null_checks(connection) if not migrating else ():
        what = f"{helper.description} was left by an op.set_not_null that was stopped: it {helper.effect}."
        yield Problem(what, f"{helper.remove_sql}; or {COMMAND} db upgrade, which removes it first.")
    for constraint, table in _rows_about(own_tables, connection, NOT_VALIDATED, 1):
        if constraint != leftovers.NOT_NULL_CHECK:
            what = f"The constraint {constraint} on {table} was never checked on the rows that are older than it."
            alter = f"ALTER TABLE {quote_with_schema(connection, table)}"
            validate = f"{alter} VALIDATE CONSTRAINT {quote_if_needed(constraint)}"
            yield Problem(what, WAIT if migrating else f"{validate}; or apply the step that does this.")


def _index_problems(connection: Connection, own_tables: frozenset[str], migrating: str | None) -> Iterator[Problem]:
    for index, table, process in sorted(connection.execute(sa.text(INVALID_INDEXES))):
        if table not in own_tables:
            continue
        if process or migrating:
            # Which index is built is not visible to every role.
            builder = f"process {process}" if process else migrating
            yield Problem(f"The index {index} on {table} is not complete: {builder} builds it.", WAIT)
        else:
            what = f"The index {index} on {table} is invalid: it {leftovers.invalid_index(index, table).effect}."
            drop = f"DROP INDEX CONCURRENTLY {quote_with_schema(connection, index)}"
            yield Problem(what, f"{drop}; or run the step that creates it again.")


def unfinished_constraints(connection: Connection, script: ScriptDirectory, position: Position) -> Iterator[Problem]:
    """A problem for each unique index of a pending step that was stopped before the index became a constraint."""
    if connection.dialect.name != "postgresql" or postgresql.running_migration(connection):
        return
    applied = {step.revision for step in position.steps[: position.applied_count]}
    for step in position.pending:
        if not applied.issuperset(step.after):
            continue
        for operation in record_step(script.get_revision(step.revision), "upgrade", "postgresql").operations:
            if isinstance(operation, AddUniqueConstraintOp):
                index, unusable = (
                    of(operation.name, operation.table_name) for of in (leftovers.unused_index, leftovers.invalid_index)
                )
                if index.exists(connection) and not unusable.exists(connection):
                    cause = "was left by an op.add_unique_constraint that was stopped"
                    what = f"{index.description} {cause}: it {index.effect}."
                    yield Problem(what, f"{index.remove_sql}; or apply the step {step.name} again, which completes it.")


def _rows_about(tables: frozenset[str], connection: Connection, query: str, column: int) -> list[tuple[str, str]]:
    # The rows whose value in this column is one of the tables.
    rows = connection.execute(sa.text(query))
    return sorted((str(row[0]), str(row[1])) for row in rows if row[column] in tables)


def _dump_problems(connection: Connection, folder: str) -> Iterator[Problem]:
    try:
        find_program("pg_dump", major_version(connection))
    except CommandError as refusal:
        what, _, advice = str(refusal).partition(". ")
        yield Problem(f"No backup can be taken: {what}.", advice, NO_BACKUP)
    dumped = dump_scope(connection, folder).schemas
    hidden = list(connection.scalars(sa.text(NOT_READABLE), {"schemas": dumped}))
    if hidden:
        more = f" and {len(hidden) - 1} more" if len(hidden) > 1 else ""
        what = f"No backup can be taken: this role may not read {hidden[0]}{more}."
        role = quote_if_needed(_role(connection))
        do = f"GRANT pg_read_all_data TO {role}; or take the backup with another role, and deploy --no-backup."
        yield Problem(what, do, NO_BACKUP)


def major_version(connection: Connection) -> int:
    """The first number of the server's version."""
    return int((connection.dialect.server_version_info or (0,))[0])
