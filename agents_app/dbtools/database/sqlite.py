"""Migrations on SQLite: one writer, one transaction for the whole run, no row left without its parent."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from agents_app.dbtools.configuration import LockSettings
from agents_app.dbtools.output import print_progress

DRIVER_TIMEOUT_S = 1

# How many rows of a table (first) lack their row in another (second).
Orphans = Counter[tuple[str, str]]


@contextmanager
def exclusive_connection(engine: Engine, lock_settings: LockSettings) -> Iterator[Connection]:
    """A connection that holds SQLite's only write lock until the block ends, which commits; an exception rolls back.

    Raises CommandError, and changes nothing, when rows would be left without their parents.
    """
    event.listen(engine, "connect", _ignore_foreign_keys)
    with closing(_begin(engine.execution_options(console_begin="BEGIN IMMEDIATE"), lock_settings)) as connection:
        yield connection
        _refuse_new_orphans(engine, connection)
        connection.commit()


def _ignore_foreign_keys(raw: Any, _record: object) -> None:
    # A table that is rebuilt is dropped on the way; with foreign keys on, its child rows would go with it.
    raw.execute("PRAGMA foreign_keys = OFF")


def _begin(engine: Engine, lock_settings: LockSettings) -> Connection:
    ends = time.monotonic() + lock_settings.migration_timeout
    waits = False
    while True:
        try:
            return _begun(engine)
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > ends:
                raise
        if not waits:
            print_progress("Another program is writing to this database; waiting for it.")
            waits = True


def _begun(engine: Engine) -> Connection:
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
        # Nothing is committed yet, so this one sees the database as it was before.
        new = after - orphans(other)
    if new:
        rows = ", ".join(f"{count} of {child} without {parent}" for (child, parent), count in sorted(new.items()))
        raise CommandError(f"This would leave rows that point to nothing: {rows}. Nothing was changed.")


def orphans(connection: Connection) -> Orphans:
    """How many rows lack the row they point to."""
    return Counter((row[0], row[2]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check"))
