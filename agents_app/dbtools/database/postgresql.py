"""Migrations on PostgreSQL: one at a time, and never long in the way of those who read and write."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from agents_app.database.session import dedicated_session
from agents_app.dbtools.configuration import LockSettings
from agents_app.dbtools.output import print_progress


class AdvisoryLock(NamedTuple):
    """What only one at a time does: an advisory lock, which belongs to one database, by two numbers all agree on."""

    action: str
    key: tuple[int, int]


MIGRATION_LOCK = AdvisoryLock("migration", (0x6167656E, 0x74732E6D))
DEPLOYMENT_LOCK = AdvisoryLock("deployment", (0x6167656E, 0x74732E64))

POLL_INTERVAL_S = 0.2
# So long the server may take to notice that a connection of this process is gone.
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
def exclusive_connection(engine: Engine, lock_settings: LockSettings) -> Iterator[Connection]:
    """A connection, in no transaction, that keeps other migrations of this database waiting until the block ends.

    The lock goes with the session, so nobody has to clean up after a migration that was killed.
    """
    with locked_connection(MIGRATION_LOCK, engine, lock_settings) as connection:
        connection.exec_driver_sql(f"SET lock_timeout = {int(lock_settings.table_timeout * 1000)}")
        connection.exec_driver_sql("SET statement_timeout = 0")
        # Alembic would take an open transaction for somebody else's and never commit.
        connection.commit()
        yield connection


@contextmanager
def locked_connection(lock: AdvisoryLock, engine: Engine, lock_settings: LockSettings) -> Iterator[Connection]:
    """A connection, in no transaction, that has its lock until the block ends. Raises CommandError when that is far."""
    with dedicated_session(engine) as connection:
        _notice_a_killed_client(connection)
        _wait_for(lock, connection, lock_settings)
        connection.commit()
        yield connection


def is_lock_timeout(error: DBAPIError) -> bool:
    """Whether a statement gave up because somebody else holds a lock it needs."""
    return getattr(error.orig, "pgcode", None) == LOCK_NOT_AVAILABLE


def table_lock_holders(connection: Connection) -> str:
    """Who holds locks on our tables, in words."""
    return _describe_processes(connection, TABLE_LOCK_HOLDERS) or "somebody who has gone since"


def running_migration(connection: Connection) -> str | None:
    """Who holds the lock of migrations, in words; None where nobody does."""
    return _holder(connection, MIGRATION_LOCK) or None


def _notice_a_killed_client(connection: Connection) -> None:
    # The server then frees a killed migration's lock within seconds; not every system can do it.
    with suppress(DBAPIError):
        connection.exec_driver_sql("SET client_connection_check_interval = 1000")
        connection.commit()
    connection.rollback()


def _wait_for(lock: AdvisoryLock, connection: Connection, lock_settings: LockSettings) -> None:
    ends = time.monotonic() + lock_settings.migration_timeout
    waits = False
    while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(*lock.key))):
        holder = _holder(connection, lock) or "it has just ended"
        # An open transaction would keep the other migration from making an index CONCURRENTLY.
        connection.commit()
        if time.monotonic() > ends:
            raise CommandError(f"Another {lock.action} is still running: {holder}. Try again when it has ended.")
        if not waits:
            print_progress(f"Another {lock.action} is running: {holder}. Waiting for it to end.")
            waits = True
        time.sleep(POLL_INTERVAL_S)


def _holder(connection: Connection, lock: AdvisoryLock) -> str:
    return _describe_processes(connection, ADVISORY_LOCK_HOLDER, first=lock.key[0], second=lock.key[1])


def _describe_processes(connection: Connection, query: str, **parameters: int) -> str:
    rows = connection.execute(sa.text(query), parameters)
    return ", ".join(
        f"process {row.pid} ({row.application_name or 'unnamed'} as {row.usename}, for {_seconds(row)} s)"
        for row in rows
    )


def _seconds(row: sa.Row[tuple[object, ...]]) -> str:
    return f"{row.since.total_seconds():.0f}" if row.since else "?"
