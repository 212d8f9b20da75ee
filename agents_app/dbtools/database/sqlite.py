"""Migrations on SQLite: one writer, one transaction for the whole run, and no new rows that refer to missing rows."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from agents_app.database.migration_limits import Limits
from agents_app.dbtools.output import print_progress

DRIVER_TIMEOUT_S = 1

# The number of rows by table (first) that refer to a missing row of another table (second).
Orphans = Counter[tuple[str, str]]


@contextmanager
def exclusive_connection(engine: Engine, limits: Limits) -> Iterator[Connection]:
    """Connect with SQLite's only write lock. Commits at the end of the block, rolls back on an exception.

    Raises CommandError, and changes nothing, if the block leaves rows that refer to missing rows.
    """
    event.listen(engine, "connect", _disable_foreign_keys)
    writer = engine.execution_options(console_begin="BEGIN IMMEDIATE")
    with closing(_wait_and_begin(writer, limits)) as connection:
        yield connection
        _refuse_new_orphans(engine, connection)
        connection.commit()


def commit_and_begin(connection: Connection, limits: Limits) -> None:
    """Commit, and take the write lock again. Other writers may come in between."""
    connection.commit()
    deadline = time.monotonic() + limits.migration_timeout
    while True:
        try:
            connection.begin()
            return
        except OperationalError as error:
            connection.rollback()
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise


def _disable_foreign_keys(raw: Any, _record: object) -> None:
    # Rebuilding a table drops it; with foreign keys enabled, that would delete the child rows.
    raw.execute("PRAGMA foreign_keys = OFF")


def _wait_and_begin(engine: Engine, limits: Limits) -> Connection:
    deadline = time.monotonic() + limits.migration_timeout
    is_waiting = False
    while True:
        try:
            return _begin(engine)
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
        if not is_waiting:
            print_progress("Waiting for another program that is writing to this database.")
            is_waiting = True


def _begin(engine: Engine) -> Connection:
    connection = engine.connect()
    try:
        connection.begin()
    except OperationalError:
        connection.close()
        raise
    return connection


def _refuse_new_orphans(engine: Engine, connection: Connection) -> None:
    after = orphans(connection)
    if not after:
        return
    with engine.connect() as other:
        # Nothing is committed yet, so this connection sees the state before the migration.
        new = after - orphans(other)
    if new:
        rows = ", ".join(f"{count:,} of {child} without {parent}" for (child, parent), count in sorted(new.items()))
        raise CommandError(f"This would leave rows that refer to missing rows: {rows}. Nothing was changed.")


def orphans(connection: Connection) -> Orphans:
    """Count the rows that refer to a missing row."""
    return Counter((row[0], row[2]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check"))
