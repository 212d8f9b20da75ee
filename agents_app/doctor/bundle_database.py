"""The parts of a bundle about the database: facts and numbers, no row."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.config import ENV_FILE, SettingErrors, Settings
from agents_app.database.session import is_pooled
from agents_app.dbtools import read_overview
from agents_app.dbtools.database.table_sizes import table_sizes
from agents_app.dbtools.records.history import KeptDeployment
from agents_app.dbtools.review.plan import PlannedStep
from agents_app.doctor.database import DATABASE_ERRORS, Unreachable, connect_or_problem
from agents_app.doctor.masking import names_of_server
from agents_app.models import Agent, EncryptionKey

# More rows are not counted.
COUNTED = 1_000_000
SERVER_SETTINGS = """
SELECT name, setting, unit, source FROM pg_settings WHERE name IN (
    'autovacuum', 'default_transaction_isolation', 'default_transaction_read_only',
    'idle_in_transaction_session_timeout', 'idle_session_timeout', 'lock_timeout', 'maintenance_work_mem',
    'max_connections', 'max_locks_per_transaction', 'server_encoding', 'server_version', 'shared_buffers',
    'standard_conforming_strings', 'statement_timeout', 'superuser_reserved_connections', 'synchronous_commit',
    'TimeZone', 'transaction_timeout', 'wal_level', 'work_mem'
) ORDER BY name
"""
SESSIONS = """
SELECT coalesce(state, 'other'), count(*), CAST(max(extract(epoch FROM now() - xact_start)) AS integer)
FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1 ORDER BY 1
"""
DATABASE_FACTS = """
SELECT datcollate, datctype, pg_is_in_recovery() AS is_standby, pg_database_size(oid) AS bytes
FROM pg_database WHERE datname = current_database()
"""
NAMES = """
SELECT rolname, 'role' FROM pg_roles UNION ALL SELECT datname, 'database' FROM pg_database
UNION ALL SELECT nspname, 'schema' FROM pg_namespace
"""
PRAGMAS = ("encoding", "journal_mode", "page_size", "page_count", "freelist_count", "user_version", "auto_vacuum")


def server_facts(settings: Settings, wrong: SettingErrors) -> dict[str, Any]:
    """The server, its settings that matter, and the tables with their sizes and numbers of rows."""
    with _connection(settings, wrong) as connection:
        if connection is None:
            return {"reachable": False}
        version = ".".join(map(str, connection.dialect.server_version_info or ()))
        facts = {"reachable": True, "type": connection.dialect.name, "version": version}
        own = _postgresql_facts if connection.dialect.name == "postgresql" else _sqlite_facts
        return {**facts, **own(connection), "tables": list(_tables(connection))}


def schema_facts(settings: Settings, wrong: SettingErrors) -> dict[str, Any]:
    """The position among the steps, what is pending, differences from the models, and the last deployments."""
    with _connection(settings, wrong) as connection:
        if connection is None:
            return {"reachable": False}
        found = read_overview(connection)
    return {
        "revision": found.position.current,
        "head": found.position.head,
        "is_ahead": found.position.is_ahead,
        "pending": [_step(step) for step in found.pending],
        "drift": found.drift,
        "changed_files": [one.what for one in found.changed],
        "fills_to_repeat": found.refills,
        "deployments": [_deployment(one) for one in found.deployments],
    }


def private_names(settings: Settings, wrong: SettingErrors) -> dict[str, str]:
    """The names of roles, databases, schemas and keys, which sentences can contain, with their labels."""
    found: dict[str, str] = {}
    with suppress(*DATABASE_ERRORS, Unreachable), _connection(settings, wrong) as connection:
        if connection is not None and connection.dialect.name == "postgresql":
            found |= {row[0]: row[1] for row in connection.execute(sa.text(NAMES))}
        if connection is not None:
            found |= dict.fromkeys(connection.scalars(sa.select(EncryptionKey.key_id)), "key")
    return names_of_server(found)


@contextmanager
def _connection(settings: Settings, wrong: SettingErrors) -> Iterator[Connection | None]:
    """A read-only connection; None if the database is unknown or cannot be reached, which `doctor.json` explains."""
    is_known = not wrong.keys() & {ENV_FILE, "DATABASE_URL", "DATABASE_SCHEMA"}
    with ExitStack() as stack:
        connection = None
        with suppress(Unreachable):
            if is_known:
                opened = connect_or_problem(settings.database_url, "DATABASE_URL", "database.reachable")
                connection = stack.enter_context(opened)
        yield connection


def _postgresql_facts(connection: Connection) -> dict[str, Any]:
    settings = {row.name: dict(row._mapping) for row in connection.execute(sa.text(SERVER_SETTINGS))}
    sessions = [
        {"state": state, "count": count, "oldest_s": age} for state, count, age in connection.execute(sa.text(SESSIONS))
    ]
    facts = dict(connection.execute(sa.text(DATABASE_FACTS)).mappings().one())
    return {**facts, "is_pooled": is_pooled(connection), "sessions": sessions, "settings": settings}


def _sqlite_facts(connection: Connection) -> dict[str, Any]:
    return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}


def _tables(connection: Connection) -> Iterator[dict[str, Any]]:
    tables = Agent.metadata.tables
    sizes = {one.name: one.bytes for one in table_sizes(connection, tables.keys())}
    present = set(sa.inspect(connection).get_table_names())
    for name, table in sorted(tables.items()):
        rows = None
        if name in present:
            some = sa.select(sa.literal(1)).select_from(table).limit(COUNTED).subquery()
            rows = connection.scalar(sa.select(sa.func.count()).select_from(some))
        yield {"name": name, "is_there": name in present, "rows": rows, "bytes": sizes.get(name)}


def _step(step: PlannedStep) -> dict[str, Any]:
    findings = [{"level": one.level, "what": one.what, "is_allowed": one.allowed is not None} for one in step.warnings]
    return {"revision": step.revision, "name": step.name, "after_release": step.after_release, "findings": findings}


def _deployment(found: KeptDeployment) -> dict[str, Any]:
    """A deployment without the names of people and machines, and without messages, which can quote rows."""
    steps = [
        {
            "revision": step.revision,
            "name": step.name,
            "direction": step.direction,
            "seconds": step.seconds,
            "filled_rows": step.filled_rows,
            "updated_rows": step.updated_rows,
            "has_error": step.error is not None,
        }
        for step in found.steps
    ]
    return {
        "id": found.short_id,
        "command": found.command.split()[0],
        "release": found.release,
        "from": found.from_revision,
        "to": found.to_revision,
        "started_at": found.started_at.isoformat(),
        "seconds": found.seconds,
        "outcome": found.outcome,
        "has_backup": found.backup is not None,
        "limits": found.limits,
        "steps": steps,
    }
