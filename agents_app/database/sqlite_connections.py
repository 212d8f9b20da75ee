"""Connections to an SQLite file: how they are prepared, and how its writers wait for each other.

The file has one write lock, and readers never wait for it. SQLite itself lets a writer sleep longer and longer between
two tries, up to 100 ms, and does not know who has waited for long: of many writers that find the lock taken again and
again, some give up. Here the threads of a process wait in a row, and only the first of the row tries, each millisecond.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, get_ident
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from agents_app.database.errors import busy
from agents_app.database.pool import BEGIN, BEGIN_BY

# How a transaction begins that writes, and one that fails if the lock is not free at once.
WRITE, WRITE_AT_ONCE = "BEGIN IMMEDIATE", "BEGIN IMMEDIATE -- at once"
TRY_EVERY_S = 0.001
# The lower bits of SQLite's codes for a lock that another connection has.
LOCKED, CODE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), 0xFF


class WriterRow:
    """The row in which the threads of a process wait to write. Who came first is first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._row: deque[Event] = deque()
        self._first: int | None = None

    @contextmanager
    def turn(self, wait_s: float) -> Iterator[float]:
        """Be the first of the row. Returns the moment until which to wait for SQLite's lock: one limit for both.

        Raises Unavailable if the row takes longer than that.
        """
        until = time.monotonic() + wait_s
        if self._first == get_ident():
            # What begins when the transaction around it has committed: SQLite's lock is free by then.
            yield until
            return
        mine = Event()
        with self._lock:
            self._row.append(mine)
            self._row[0].set()
        try:
            if not mine.wait(wait_s):
                raise busy()
            self._first = get_ident()
            yield until
        finally:
            with self._lock:
                self._first = None if self._row[0] is mine else self._first
                self._row.remove(mine)
                if self._row:
                    self._row[0].set()


@event.listens_for(Engine, "connect")
def _prepare(driver: Any, _record: object) -> None:
    if not isinstance(driver, sqlite3.Connection):
        return
    # `_begin` begins transactions, so the driver must not.
    driver.isolation_level = None
    # SQLite ignores foreign keys unless each connection enables them.
    driver.execute("PRAGMA foreign_keys = ON")
    driver.execute("PRAGMA journal_mode = WAL")


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    # A deferred transaction fails at its first write if another writer came first, so writers use BEGIN IMMEDIATE.
    statement = connection.get_execution_options().get(BEGIN, "BEGIN")
    if statement.startswith(WRITE):
        _begin_writing(connection, statement)
    elif statement:
        connection.exec_driver_sql(statement)


def _begin_writing(connection: Connection, statement: str) -> None:
    driver: Any = connection.connection.dbapi_connection
    (limit_ms,) = driver.execute("PRAGMA busy_timeout").fetchone()
    until = connection.get_execution_options().get(BEGIN_BY) or time.monotonic() + limit_ms / 1000
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while statement == WRITE and _is_locked(driver, statement) and time.monotonic() < until:
            time.sleep(TRY_EVERY_S)
        if not driver.in_transaction:
            # Through SQLAlchemy, for its exception.
            connection.exec_driver_sql(statement)
    finally:
        driver.execute(f"PRAGMA busy_timeout = {limit_ms}")


def _is_locked(driver: Any, statement: str) -> bool:
    """Begin the transaction, unless another connection has the lock, or something else is wrong."""
    try:
        driver.execute(statement)
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & CODE in LOCKED
    return False
