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
from agents_app.db import CONNECT_TIMEOUT_S, LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS
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
    engine = _engine(url)
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
    with postgresql.taking(postgresql.DEPLOYMENT, _engine(url), patience):
        yield


def _engine(url: URL) -> Engine:
    options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        return sa.create_engine(url, connect_args={"timeout": sqlite.DRIVER_WAITS_S}, **options)
    # Updates of many rows go a hundred to a message, which is one transaction where each statement commits.
    options |= {"executemany_mode": "values_plus_batch", "executemany_batch_page_size": postgresql.BATCH}
    connect = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": APPLICATION}
    return sa.create_engine(url, connect_args=connect, **options)


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
