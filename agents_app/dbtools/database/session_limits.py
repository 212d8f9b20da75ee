"""The time limits of the session of a migration on PostgreSQL, and which statements may wait for longer."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.migration_limits import STATEMENT_TIMEOUT, Limits
from agents_app.database.url import session_settings
from agents_app.dbtools.database.waiting import Waiting

QUERY_CANCELED = "57014"
# The state of a session, in `Connection.info`.
STATE = "migration_limits"
NOT_KNOWN = "a process that has ended since"
# What a role, a database or the server may end an idle session after: the session of a migration holds a lock.
KEEP_IDLE_SESSION = """
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
"""
COMMENTS = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
# They take SHARE UPDATE EXCLUSIVE, behind which no reader and no writer waits; and with CONCURRENTLY they wait for the
# transactions that began before them.
PATIENT = re.compile(
    r"""\s*(
        CREATE\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY\b.* | DROP\s+INDEX\s+CONCURRENTLY\b.* | REINDEX\b.*\bCONCURRENTLY\b.*
        | ALTER\s+TABLE\s+(IF\s+EXISTS\s+)?(ONLY\s+)?("[^"]+"|[\w$.])+
        \s+VALIDATE\s+CONSTRAINT\s+("[^"]+"|[\w$]+)\s*;?\s*
    )""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


class _SessionLimits:
    """The limits of one session. `statement` is that of statements in transactions, as the server writes it."""

    def __init__(self, connection: Connection, limits: Limits) -> None:
        # The URL counts more than a setting, and an option of the command more than the URL.
        of_url = session_settings(connection.engine.url).keys()
        self.is_statement_of_url = "statement_timeout" in of_url and "statement_timeout" not in limits.given
        self.is_lock_of_url = "lock_timeout" in of_url and "table_timeout" not in limits.given
        self.lock, self.patience = limits.table_timeout, max(limits.table_timeout, limits.migration_timeout)
        self.waited_patiently = False
        process: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        self.waiting = Waiting(connection.engine, process)
        if not self.is_lock_of_url:
            connection.exec_driver_sql(_lock_timeout(self.lock))
        if not self.is_statement_of_url:
            connection.exec_driver_sql(f"SET statement_timeout = {round(limits.statement_timeout * 1000)}")
        self.statement = connection.exec_driver_sql("SHOW statement_timeout").scalar_one()
        if not self.is_statement_of_url:
            # Blocks that commit by themselves, such as CREATE INDEX CONCURRENTLY, are slow on purpose and block no one.
            connection.exec_driver_sql("SET statement_timeout = 0")

    @contextmanager
    def of_statement(self, connection: Connection, statement: str) -> Iterator[None]:
        """Let the statement that is sent in this block wait for as long as it may."""
        self.waited_patiently = False
        if not (_is_autocommit(connection) and PATIENT.fullmatch(COMMENTS.sub(" ", statement))):
            yield
            return
        driver: Any = connection.connection.dbapi_connection
        if not self.is_lock_of_url:
            self.waited_patiently = self.patience > self.lock
            _send(driver, _lock_timeout(self.patience))
        try:
            with self.waiting.watch():
                yield
        finally:
            # If the connection is lost, there is nothing to set.
            with suppress(psycopg2.Error):
                if not self.is_lock_of_url:
                    _send(driver, _lock_timeout(self.lock))


def set_limits(connection: Connection, limits: Limits) -> None:
    """Set the limits of the statements that follow. They stay until the session ends."""
    connection.info[STATE] = _SessionLimits(connection, limits)
    event.listen(connection, "begin", _limit_statements)
    event.listen(connection.engine, "do_execute", _execute)
    event.listen(connection.engine, "do_execute_no_params", _execute_without_parameters)


def keep_idle_session(connection: Connection) -> None:
    """Let no limit of the server end this session while it waits, because it holds a lock."""
    connection.exec_driver_sql(KEEP_IDLE_SESSION)


def wait_shortly(connection: Connection) -> None:
    """From now on let no statement wait for longer than a lock may take."""
    if STATE in connection.info:
        connection.info[STATE].patience = connection.info[STATE].lock


def patient_wait(connection: Connection) -> str | None:
    """The sessions for which the last statement waited for minutes, so that another attempt is of no use, or None."""
    state: _SessionLimits = connection.info[STATE]
    return (state.waiting.holders or NOT_KNOWN) if state.waited_patiently else None


def is_statement_timeout(error: DBAPIError) -> bool:
    """Return whether a statement was ended by `statement_timeout`, not by a person."""
    return getattr(error.orig, "pgcode", None) == QUERY_CANCELED and "statement timeout" in str(error.orig)


def statement_limit_message(connection: Connection) -> str:
    """Say which limit has ended a statement, and where it can be changed."""
    state: _SessionLimits = connection.info[STATE]
    ended = f"A statement was ended after {state.statement}"
    if state.is_statement_of_url:
        other = f"For another limit: MIGRATION_DATABASE_URL without it, or {STATEMENT_TIMEOUT.flag} (0: none)."
        return f"{ended}, the statement_timeout in the options of the database's URL. {other}"
    return f"{ended}, because others may wait for its locks. For a higher limit (0: none): {STATEMENT_TIMEOUT.names}."


@contextmanager
def without_statement_limit(connection: Connection) -> Iterator[None]:
    """Let statements of this block run for any time: they only read, and block no one."""
    if STATE not in connection.info or connection.info[STATE].is_statement_of_url:
        yield
        return
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    yield
    _limit_statements(connection)


def _limit_statements(connection: Connection) -> None:
    if not _is_autocommit(connection):
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{connection.info[STATE].statement}'")


def _execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
    connection = context.root_connection
    if STATE not in connection.info:
        return False
    with connection.info[STATE].of_statement(connection, statement):
        cursor.execute(statement, parameters)
    return True


def _execute_without_parameters(cursor: Any, statement: str, context: Any) -> bool:
    connection = context.root_connection
    if STATE not in connection.info:
        return False
    with connection.info[STATE].of_statement(connection, statement):
        cursor.execute(statement)
    return True


def _send(driver: Any, statement: str) -> None:
    with driver.cursor() as cursor:
        cursor.execute(statement)


def _is_autocommit(connection: Connection) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _lock_timeout(seconds: float) -> str:
    return f"SET lock_timeout = {round(seconds * 1000)}"
