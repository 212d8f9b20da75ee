"""Pooled connections: which of them are pinged, and what becomes of a read on one that turns out to be dead.

A ping costs as much as a small read. A connection that was used a moment ago is rarely dead, so only one that was idle
is pinged, and one that is taken for a write.
"""

import time
from typing import Any

import psycopg2
import psycopg2.extensions
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, CursorResult, ScalarResult
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from agents_app.database.session import is_pooled

# Firewalls and servers close a connection after minutes.
IDLE_S = 5.0
# The option of a connection that says how its transactions begin. Reads have none: each SELECT is its own transaction.
BEGIN, NO_BEGIN = "console_begin", ""
# The option that says until when to wait for the lock of an SQLite file, as a moment of time.monotonic().
BEGIN_BY = "console_begin_by"
RETURNED_AT = "returned_at"
PING = sa.text("SELECT 1")


class ConsoleConnection(Connection):
    """A connection on which a read is done again, once, on a new one if it turns out to be dead. A write never is."""

    def start_block(self, begin: str, until: float | None = None) -> None:
        """Use this statement to begin transactions, until this moment. With NO_BEGIN, a statement commits by itself.

        That needs no BEGIN and no ROLLBACK, unless the connection goes through a pooler.
        """
        if until is not None:
            self.execution_options(**{BEGIN_BY: until})
        if self.get_execution_options().get(BEGIN) != begin:
            self.rollback()
            self.execution_options(**{BEGIN: begin})
            _set_autocommit(self, begin == NO_BEGIN)

    def replace_if_dead(self) -> None:
        """Make sure that a connection which was taken for a write works, since a write is never done again."""
        if self.dialect.name == "postgresql":
            self.start_block(NO_BEGIN)
            self.execute(PING)

    def end_block(self) -> None:
        """End the transaction, if there is one: other clients of a pooler can have the session then."""
        if self.get_execution_options().get(BEGIN) != NO_BEGIN or self.invalidated or is_pooled(self):
            self.rollback()

    def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> CursorResult[Any]:
        """As the method of Connection."""
        try:
            return super().execute(statement, parameters, execution_options=execution_options)
        except DBAPIError as error:
            if not error.connection_invalidated or self.get_execution_options().get(BEGIN) != NO_BEGIN:
                raise
        self.rollback()
        # This takes one from the pool, which has only new ones from now on.
        _set_autocommit(self, True)
        return super().execute(statement, parameters, execution_options=execution_options)

    def scalar(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        """As the method of Connection."""
        return self.execute(statement, parameters, execution_options=execution_options).scalar()

    def scalars(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> ScalarResult[Any]:
        """As the method of Connection."""
        return self.execute(statement, parameters, execution_options=execution_options).scalars()


def _set_autocommit(connection: Connection, is_on: bool) -> None:
    # SQLAlchemy's isolation level is not used. SQLAlchemy resets it with a query, and if the server is down by then,
    # the connection never returns to the pool. This costs no round trip.
    if connection.dialect.name != "postgresql" or is_pooled(connection):
        return
    driver: Any = connection.connection.dbapi_connection
    if not driver.closed:
        driver.autocommit = is_on


@event.listens_for(Pool, "checkin")
def _note_return(driver: Any, record: ConnectionPoolEntry) -> None:
    record.info[RETURNED_AT] = time.monotonic()
    if isinstance(driver, psycopg2.extensions.connection) and not driver.closed:
        driver.autocommit = False


@event.listens_for(Pool, "checkout")
def _ping_if_idle(driver: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    # A new connection was never returned.
    if time.monotonic() - record.info.get(RETURNED_AT, float("inf")) > IDLE_S and not _answers(driver):
        # The pool opens a new one, and does not use those that are as old.
        raise InvalidatePoolError


def _answers(driver: Any) -> bool:
    if not isinstance(driver, psycopg2.extensions.connection):
        # A file does not end connections.
        return True
    try:
        driver.autocommit = True
        with driver.cursor() as cursor:
            cursor.execute("SELECT 1")
        driver.autocommit = False
    except psycopg2.Error:
        return False
    return True
