"""Locks of migrations on PostgreSQL: only one migration runs at a time, and it never blocks other sessions for long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from agents_app.database.migration_limits import Limits
from agents_app.database.session import dedicated_session
from agents_app.dbtools.database import session_limits
from agents_app.dbtools.database.waiting import describe_processes
from agents_app.dbtools.output import print_progress


class AdvisoryLock(NamedTuple):
    """An advisory lock of one database. Only one process at a time does this action. The key is the same everywhere."""

    action: str
    key: tuple[int, int]


MIGRATION_LOCK = AdvisoryLock("migration", (0x6167656E, 0x74732E6D))
DEPLOYMENT_LOCK = AdvisoryLock("deployment", (0x6167656E, 0x74732E64))

POLL_INTERVAL_S = 0.2
# The server may need this long to notice that a connection of this process is closed.
DISCONNECT_TIMEOUT_S = 10
BATCH_SIZE = 100
LOCK_NOT_AVAILABLE = "55P03"

ADVISORY_LOCK_HOLDER = """
SELECT pid, application_name, usename, now() - backend_start AS since
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = :first AND objid = :second AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

TABLE_LOCK_HOLDERS = """
SELECT pid, application_name, usename, now() - xact_start AS since
FROM pg_stat_activity AS activity
WHERE pid <> pg_backend_pid() AND datname = current_database() AND EXISTS (
    SELECT FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE pg_locks.pid = activity.pid AND granted AND relnamespace = to_regnamespace(quote_ident(current_schema()))
)
ORDER BY xact_start
LIMIT 3
"""


@contextmanager
def exclusive_connection(engine: Engine, limits: Limits) -> Iterator[Connection]:
    """Connect with the lock of migrations, which other migrations of this database wait for. In no transaction.

    The lock ends with the session, so a killed migration leaves no lock behind.
    """
    with locked_connection(MIGRATION_LOCK, engine, limits) as connection:
        session_limits.set_limits(connection, limits)
        # Alembic never commits a transaction that it finds open.
        connection.commit()
        yield connection


@contextmanager
def locked_connection(lock: AdvisoryLock, engine: Engine, limits: Limits) -> Iterator[Connection]:
    """Connect and hold an advisory lock until the block ends. In no transaction.

    Raises CommandError if another process holds the lock for too long.
    """
    with dedicated_session(engine) as connection:
        _detect_killed_client(connection)
        session_limits.keep_idle_session(connection)
        _acquire(lock, connection, limits)
        connection.commit()
        yield connection


def is_lock_timeout(error: DBAPIError) -> bool:
    """Return whether a statement failed because another session holds a lock."""
    return getattr(error.orig, "pgcode", None) == LOCK_NOT_AVAILABLE


def table_lock_holders(connection: Connection) -> str:
    """Describe the processes that hold locks on the console's tables."""
    return _describe_processes(connection, TABLE_LOCK_HOLDERS) or session_limits.NOT_KNOWN


def running_migration(connection: Connection) -> str | None:
    """Describe the process that runs a migration; None if no migration runs."""
    return _describe_holder(connection, MIGRATION_LOCK) or None


def _detect_killed_client(connection: Connection) -> None:
    # The server then releases the lock of a killed migration within seconds. Not every operating system supports this.
    with suppress(DBAPIError):
        connection.exec_driver_sql("SET client_connection_check_interval = 1000")
        connection.commit()
    connection.rollback()


def _acquire(lock: AdvisoryLock, connection: Connection, limits: Limits) -> None:
    deadline = time.monotonic() + limits.migration_timeout
    is_waiting = False
    while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(*lock.key))):
        # Empty where it has just ended: then the next attempt succeeds.
        holder = _describe_holder(connection, lock)
        # CREATE INDEX CONCURRENTLY in the other migration would wait for an open transaction.
        connection.commit()
        if time.monotonic() > deadline:
            who = holder or "its process is not known"
            raise CommandError(f"Another {lock.action} is still running: {who}. Try again when it has ended.")
        if holder and not is_waiting:
            print_progress(f"Another {lock.action} is running: {holder}. Waiting for it to end.")
            is_waiting = True
        time.sleep(POLL_INTERVAL_S)


def _describe_holder(connection: Connection, lock: AdvisoryLock) -> str:
    return _describe_processes(connection, ADVISORY_LOCK_HOLDER, first=lock.key[0], second=lock.key[1])


def _describe_processes(connection: Connection, query: str, **parameters: int) -> str:
    return describe_processes(connection.execute(sa.text(query), parameters))
