"""What an operation makes for a while in a transaction of its own, and how it goes where the step does not end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.dbtools.configuration import LockSettings
from agents_app.dbtools.database import postgresql
from agents_app.dbtools.database.quoting import NAMES
from agents_app.dbtools.output import print_progress

# The CHECK by which op.set_not_null lets PostgreSQL look at every row while others write.
HELPER = "ck_console_not_null"
HELPED = """
SELECT relname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE conname = :helper AND contype = 'c' AND relnamespace = to_regnamespace(quote_ident(current_schema()))
ORDER BY 1
"""
HELPER_IS_THERE = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :helper"
INDEX_IS_INVALID = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:index) AND NOT indisvalid"


@dataclass(frozen=True)
class Leftover:
    """A thing that may be left: what it is, what it does to others, how to see it, and how to remove it."""

    what: str
    harm: str
    query: sa.TextClause
    statement: str

    def is_there(self, connection: Connection) -> bool:
        """Whether it is left."""
        return connection.execute(self.query).first() is not None

    def __str__(self) -> str:
        return f"{self.what} may be left: it {self.harm}. To remove it at once: {self.statement}."


def helper_on(table: str) -> Leftover:
    """The CHECK of op.set_not_null on a table."""
    quoted = NAMES.quote(table)
    query = sa.text(HELPER_IS_THERE).bindparams(table=quoted, helper=HELPER)
    statement = f"ALTER TABLE {quoted} DROP CONSTRAINT IF EXISTS {HELPER}"
    return Leftover(f"The constraint {HELPER} on {table}", "refuses rows without a value", query, statement)


def invalid_index(name: str, table: str) -> Leftover:
    """An index that CONCURRENTLY did not make to its end."""
    quoted = NAMES.quote(name)
    query = sa.text(INDEX_IS_INVALID).bindparams(index=quoted)
    harm = "slows writers down, may refuse what is not unique, and helps no reader"
    return Leftover(f"The invalid index {name} on {table}", harm, query, f"DROP INDEX CONCURRENTLY IF EXISTS {quoted}")


def note(context: MigrationContext, leftover: Leftover) -> None:
    """Remember, until the step ends, what may be left of it."""
    if "steps" in context.opts:
        context.opts["steps"].leftovers[leftover.what] = leftover


def helpers(connection: Connection) -> list[Leftover]:
    """The CHECKs that runs of op.set_not_null left which could not clean up."""
    return [helper_on(table) for table in connection.scalars(sa.text(HELPED), {"helper": HELPER})]


def remove_helpers(connection: Connection) -> None:
    """Remove what runs before this one left. Raises DBAPIError where a lock cannot be had."""
    if connection.dialect.name != "postgresql":
        return
    for helper in helpers(connection):
        connection.exec_driver_sql(helper.statement)
        print_progress(f"Removed what an interrupted op.set_not_null left: {helper.what}.")
    # Alembic would take an open transaction for another caller's and never commit.
    connection.commit()


def clean_up(connection: Connection, noted: dict[str, Leftover], lock_settings: LockSettings) -> None:
    """Remove what is left of a step that failed; what cannot be removed now stays noted."""
    for left in reversed(range(lock_settings.attempts if noted else 0)):
        try:
            with _in_no_transaction(connection, lock_settings) as free:
                _remove(free, noted)
            return
        except (DBAPIError, CommandError) as error:
            if not left or not isinstance(error, DBAPIError) or not postgresql.is_locked_out(error):
                return
            time.sleep(lock_settings.retry_delay)


def _remove(connection: Connection, noted: dict[str, Leftover]) -> None:
    for key, leftover in list(noted.items()):
        if leftover.is_there(connection):
            connection.exec_driver_sql(leftover.statement)
        del noted[key]


@contextmanager
def _in_no_transaction(connection: Connection, lock_settings: LockSettings) -> Iterator[Connection]:
    with suppress(DBAPIError):
        connection.rollback()
    if connection.invalidated:
        # Another run that has its turn by now removes it first.
        with postgresql.alone(
            connection.engine, replace(lock_settings, migration_timeout=postgresql.OWN_END_S)
        ) as fresh:
            yield fresh.execution_options(isolation_level="AUTOCOMMIT")
    else:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")
