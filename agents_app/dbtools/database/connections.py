"""The connections of migration commands; those of a running console are in `db.py`."""

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
from agents_app.database.session import SessionCreator, dedicated_session, is_pooled
from agents_app.database.url import schema_of
from agents_app.db import LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS, create_sqlite_file
from agents_app.dbtools.configuration import LockSettings
from agents_app.dbtools.database import postgresql, schema, sqlite
from agents_app.dbtools.output import print_progress

APPLICATION = "agent-console migration"


@contextmanager
def connect(url: URL) -> Iterator[Connection]:
    """A connection for commands that only look. Raises SQLAlchemy's errors, also where an SQLite file is not there.

    Raises CommandError where there is no schema to look into.
    """
    with connect_without_schema(url) as connection:
        _require_schema(connection)
        # Who looks says in which transaction.
        connection.rollback()
        yield connection


@contextmanager
def connect_without_schema(url: URL) -> Iterator[Connection]:
    """The same where the schema need not be there."""
    with _engine(url).connect() as connection:
        yield connection


def create_file_or_schema(url: URL) -> bool:
    """Make what the tables of a URL are to stand in, where it is missing: an SQLite file, or the schema that it names.

    Answers whether a schema was made. Raises OSError, CommandError and SQLAlchemy's errors where that cannot be.
    """
    create_sqlite_file(url)
    if schema_of(url) is None:
        return False
    with connect_without_schema(url) as connection:
        return schema.create_schema(connection)


@contextmanager
def read_only_connection(url: URL) -> Iterator[Connection]:
    """A connection that can change nothing and waits for nobody long; no file is made beside one of SQLite.

    Raises SQLAlchemy's errors, and OSError where this user may not read an SQLite file.
    """
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        engine = sa.create_engine(
            url, poolclass=NullPool, hide_parameters=True, creator=lambda: _connect_read_only(path)
        )
    else:
        engine = _engine(url).execution_options(postgresql_readonly=True)
        event.listen(engine, "begin", _set_transaction_limits)
    with engine.connect() as connection:
        yield connection


@contextmanager
def migration_connection(url: URL, lock_settings: LockSettings, *, verbose: bool) -> Iterator[Connection]:
    """The connection of the only migration that runs on this database.

    On SQLite it is inside one transaction that ends with the block; on PostgreSQL it is in none.
    """
    engine = _engine(url, keeps_session=True)
    if verbose:
        event.listen(engine, "before_cursor_execute", lambda *call: print_progress(call[2].strip()))
    alone = sqlite.exclusive_connection if engine.dialect.name == "sqlite" else postgresql.exclusive_connection
    with alone(engine, lock_settings) as connection:
        if connection.dialect.name == "postgresql":
            _require_schema(connection)
            connection.commit()
        yield connection


@contextmanager
def deployment_lock(url: URL, lock_settings: LockSettings) -> Iterator[None]:
    """Keep other deployments of this database waiting until the block ends: one's backup locks out the other's steps.

    On SQLite, where a backup is in nobody's way, nobody waits.
    """
    if url.get_backend_name() == "sqlite":
        yield
        return
    with postgresql.locked_connection(postgresql.DEPLOYMENT_LOCK, _engine(url, keeps_session=True), lock_settings):
        yield


@contextmanager
def autocommit_connection(url: URL) -> Iterator[Connection]:
    """A connection each of whose statements is carried out at once, as databases are made and dropped."""
    with dedicated_session(_engine(url, keeps_session=True)) as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def url_for_programs(url: URL) -> URL:
    """The URL for a program of PostgreSQL that works on this database: without `options` where they cannot be sent.

    Raises Unavailable for a pooler in transaction mode, where such a program would work on several sessions.
    """
    with dedicated_session(_engine(url, keeps_session=True)) as connection:
        return url.difference_update_query(["options"]) if is_pooled(connection) else url


def _engine(url: URL, *, keeps_session: bool = False) -> Engine:
    options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        return sa.create_engine(url, connect_args={"timeout": sqlite.DRIVER_TIMEOUT_S}, **options)
    # Updates of many rows go a hundred to a message, which is one transaction where each statement commits.
    options |= {"executemany_mode": "values_plus_batch", "executemany_batch_page_size": postgresql.BATCH_SIZE}
    engine = sa.create_engine(url, creator=SessionCreator(url, APPLICATION, keeps_session=keeps_session), **options)
    if keeps_session:
        event.listen(engine, "connect", _keep_to_one_schema)
    else:
        # What only looks may be behind a pooler, where nothing is set for longer than a transaction.
        event.listen(engine, "begin", schema.restrict_search_path)
    return engine


def _require_schema(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        schema.current_schema(connection)


def _keep_to_one_schema(raw: Any, _record: object) -> None:
    with raw.cursor() as cursor:
        cursor.execute(schema.RESTRICT_SEARCH_PATH, (False,))
    raw.commit()


def _connect_read_only(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise sqlite3.OperationalError(MISSING_FILE)
    # SQLite says of whatever it may not read that it cannot be opened.
    path.open("rb").close()
    # Where nobody uses the file, all of it is in it; a reader of a file in use needs those beside it, which are there.
    is_in_use = any(path.with_name(path.name + tail).exists() for tail in ("-wal", "-journal"))
    how = "mode=ro" if is_in_use else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=sqlite.DRIVER_TIMEOUT_S)


def _set_transaction_limits(connection: Connection) -> None:
    # For this transaction alone: behind a pooler the next one belongs to another program.
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
