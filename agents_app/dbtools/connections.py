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

from agents_app.database_errors import NO_FILE
from agents_app.database_session import OpenSession, is_pooled, own_session
from agents_app.db import LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS
from agents_app.dbtools import postgresql, sqlite
from agents_app.dbtools.patience import Patience
from agents_app.dbtools.say import say

APPLICATION = "agent-console migration"


@contextmanager
def looking(url: URL) -> Iterator[Connection]:
    """A connection for commands that only look. Raises SQLAlchemy's errors, also where an SQLite file is not there."""
    with _engine(url).connect() as connection:
        yield connection


@contextmanager
def observing(url: URL) -> Iterator[Connection]:
    """A connection that can change nothing and waits for nobody long; no file is made beside one of SQLite.

    Raises SQLAlchemy's errors, and OSError where this user may not read an SQLite file.
    """
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        engine = sa.create_engine(url, poolclass=NullPool, hide_parameters=True, creator=lambda: _read_only(path))
    else:
        engine = _engine(url).execution_options(postgresql_readonly=True)
        event.listen(engine, "begin", _limit)
    with engine.connect() as connection:
        yield connection


@contextmanager
def migrating(url: URL, patience: Patience, *, verbose: bool) -> Iterator[Connection]:
    """The connection of the only migration that runs on this database.

    On SQLite it is inside one transaction that ends with the block; on PostgreSQL it is in none.
    """
    engine = _engine(url, keeps_session=True)
    if verbose:
        event.listen(engine, "before_cursor_execute", lambda *call: say(call[2].strip()))
    alone = sqlite.alone if engine.dialect.name == "sqlite" else postgresql.alone
    with alone(engine, patience) as connection:
        yield connection


@contextmanager
def deploying(url: URL, patience: Patience) -> Iterator[None]:
    """Keep other deployments of this database waiting until the block ends: one's backup locks out the other's steps.

    On SQLite, where a backup is in nobody's way, nobody waits.
    """
    if url.get_backend_name() == "sqlite":
        yield
        return
    with postgresql.taking(postgresql.DEPLOYMENT, _engine(url, keeps_session=True), patience):
        yield


@contextmanager
def outside_transactions(url: URL) -> Iterator[Connection]:
    """A connection each of whose statements is carried out at once, as databases are made and dropped."""
    with own_session(_engine(url, keeps_session=True)) as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def url_for_programs(url: URL) -> URL:
    """The URL for a program of PostgreSQL that works on this database: without `options` where they cannot be sent.

    Raises Unavailable for a pooler in transaction mode, where such a program would work on several sessions.
    """
    with own_session(_engine(url, keeps_session=True)) as connection:
        return url.difference_update_query(["options"]) if is_pooled(connection) else url


def _engine(url: URL, *, keeps_session: bool = False) -> Engine:
    options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        return sa.create_engine(url, connect_args={"timeout": sqlite.DRIVER_WAITS_S}, **options)
    # Updates of many rows go a hundred to a message, which is one transaction where each statement commits.
    options |= {"executemany_mode": "values_plus_batch", "executemany_batch_page_size": postgresql.BATCH}
    return sa.create_engine(url, creator=OpenSession(url, APPLICATION, keeps_session=keeps_session), **options)


def _read_only(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise sqlite3.OperationalError(NO_FILE)
    # SQLite says of whatever it may not read that it cannot be opened.
    path.open("rb").close()
    # Where nobody uses the file, all of it is in it; a reader of a file in use needs those beside it, which are there.
    is_in_use = any(path.with_name(path.name + tail).exists() for tail in ("-wal", "-journal"))
    how = "mode=ro" if is_in_use else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=sqlite.DRIVER_WAITS_S)


def _limit(connection: Connection) -> None:
    # For this transaction alone: behind a pooler the next one belongs to another program.
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
