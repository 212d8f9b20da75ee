"""Connections for migration commands. The console's own connections are in `db.py`."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import NullPool

from agents_app.database.errors import MISSING_FILE
from agents_app.database.migration_limits import Limits
from agents_app.database.session import SessionCreator, dedicated_session, is_pooled
from agents_app.database.url import schema_of
from agents_app.db import LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS, create_sqlite_file
from agents_app.dbtools.database import postgresql, schema, sqlite
from agents_app.dbtools.output import print_progress

APPLICATION = "agent-console migration"
NO_TIME_LIMITS = """
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
"""


@contextmanager
def connect(url: URL) -> Iterator[Connection]:
    """Connect to a database whose schema exists. Migrations use `migration_connection`.

    Raises CommandError if there is no schema, and SQLAlchemy's errors, also if an SQLite file does not exist.
    """
    with connect_without_schema(url) as connection:
        _require_schema(connection)
        # The caller begins its own transaction.
        connection.rollback()
        yield connection


@contextmanager
def connect_without_schema(url: URL) -> Iterator[Connection]:
    """Connect to a database whose schema may not exist yet."""
    with _create_engine(url).connect() as connection:
        yield connection


def create_file_or_schema(url: URL) -> bool:
    """Create the SQLite file or the schema of a URL if it does not exist. Return whether a schema was created.

    Raises OSError, CommandError or SQLAlchemy's errors if this fails.
    """
    create_sqlite_file(url)
    if schema_of(url) is None:
        return False
    with connect_without_schema(url) as connection:
        return schema.create_schema(connection)


@contextmanager
def read_only_connection(url: URL) -> Iterator[Connection]:
    """Connect read-only and with short time limits. On SQLite no file is created next to the database.

    Raises SQLAlchemy's errors, and OSError if the user may not read the SQLite file.
    """
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        engine = sa.create_engine(
            url, poolclass=NullPool, hide_parameters=True, creator=lambda: _connect_read_only(path)
        )
    else:
        engine = _create_engine(url).execution_options(postgresql_readonly=True)
        event.listen(engine, "begin", _set_transaction_limits)
    with engine.connect() as connection:
        yield connection


@contextmanager
def snapshot_connection(url: URL) -> Iterator[Connection]:
    """Connect read-only, without a limit of time. Everything that is read is as it was at the first query.

    A rollback begins a new snapshot. Raises CommandError or SQLAlchemy's errors as `connect` does.
    """
    engine = _create_engine(url)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA query_only = ON"))
    else:
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(NO_TIME_LIMITS))
    with engine.connect() as connection:
        _require_schema(connection)
        yield connection


@contextmanager
def migration_connection(url: URL, limits: Limits, *, verbose: bool) -> Iterator[Connection]:
    """Connect for a migration, and wait until no other migration of this database runs.

    On SQLite the block is one transaction; on PostgreSQL the connection is in no transaction.
    """
    engine = _create_engine(url, limits, keeps_session=True)
    if verbose:
        event.listen(engine, "before_cursor_execute", lambda *call: print_progress(call[2].strip()))
    backend = sqlite if engine.dialect.name == "sqlite" else postgresql
    with backend.exclusive_connection(engine, limits) as connection:
        if connection.dialect.name == "postgresql":
            _require_schema(connection)
            connection.commit()
        yield connection


@contextmanager
def deployment_lock(url: URL, limits: Limits) -> Iterator[None]:
    """Make other deployments of this database wait until the block ends, because a backup blocks their steps.

    On SQLite a backup blocks nothing, so there is no lock.
    """
    if url.get_backend_name() == "sqlite":
        yield
        return
    with postgresql.locked_connection(postgresql.DEPLOYMENT_LOCK, _create_engine(url, keeps_session=True), limits):
        yield


@contextmanager
def autocommit_connection(url: URL) -> Iterator[Connection]:
    """Connect outside transactions, as CREATE DATABASE and DROP DATABASE require."""
    with dedicated_session(_create_engine(url, keeps_session=True)) as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def url_for_programs(url: URL) -> URL:
    """Return the URL for a PostgreSQL program such as pg_dump, without `options` if a pooler does not accept them.

    Raises Unavailable for a pooler in transaction mode, where the program's statements would reach several sessions.
    """
    with dedicated_session(_create_engine(url, keeps_session=True)) as connection:
        return url.difference_update_query(["options"]) if is_pooled(connection) else url


def _create_engine(url: URL, limits: Limits | None = None, *, keeps_session: bool = False) -> Engine:
    options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        timeout = limits.table_timeout if limits else sqlite.DRIVER_TIMEOUT_S
        return sa.create_engine(url, connect_args={"timeout": timeout}, **options)
    # Updates of many rows are sent in batches. In autocommit mode each batch is one transaction.
    batch = limits.batch if limits else postgresql.BATCH_SIZE
    options |= {"executemany_mode": "values_plus_batch", "executemany_batch_page_size": batch}
    engine = sa.create_engine(url, creator=SessionCreator(url, APPLICATION, keeps_session=keeps_session), **options)
    if keeps_session:
        event.listen(engine, "connect", _restrict_search_path_of_session)
    else:
        # Through a pooler a setting lasts only for a transaction.
        event.listen(engine, "begin", schema.restrict_search_path)
    return engine


def _require_schema(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        schema.current_schema(connection)


def _restrict_search_path_of_session(raw: Any, _record: object) -> None:
    with raw.cursor() as cursor:
        cursor.execute(schema.RESTRICT_SEARCH_PATH, (False,))
    raw.commit()


def _connect_read_only(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise sqlite3.OperationalError(MISSING_FILE)
    # Raises an OSError with the cause if the file cannot be read. SQLite would only say that it cannot open it.
    path.open("rb").close()
    # While the file is in use, a reader needs the files next to it too. Otherwise the file is complete.
    is_in_use = any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal"))
    parameter = "mode=ro" if is_in_use else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{parameter}", uri=True, timeout=sqlite.DRIVER_TIMEOUT_S)


def _set_transaction_limits(connection: Connection) -> None:
    # SET LOCAL, because through a pooler the session's next transaction may belong to another program.
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
