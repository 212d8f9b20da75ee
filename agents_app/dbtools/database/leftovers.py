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

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.configuration import LockSettings
from agents_app.dbtools.database import postgresql
from agents_app.dbtools.output import print_progress

# The CHECK by which op.set_not_null lets PostgreSQL look at every row while others write.
NOT_NULL_CHECK = "ck_console_not_null"
TABLES_WITH_CHECK = """
SELECT relname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE conname = :helper AND contype = 'c' AND relnamespace = to_regnamespace(quote_ident(current_schema()))
ORDER BY 1
"""
CHECK_EXISTS = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :helper"
INDEX_IS_INVALID = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:index) AND NOT indisvalid"


@dataclass(frozen=True)
class LeftoverObject:
    """A thing that may be left: what it is, what it does to others, how to see it, and how to remove it."""

    description: str
    effect: str
    exists_query: sa.TextClause
    remove_sql: str

    def exists(self, connection: Connection) -> bool:
        """Whether it is left."""
        return connection.execute(self.exists_query).first() is not None

    def __str__(self) -> str:
        return f"{self.description} may be left: it {self.effect}. To remove it at once: {self.remove_sql}."


def not_null_check(table: str) -> LeftoverObject:
    """The CHECK of op.set_not_null on a table."""
    quoted = quote_if_needed(table)
    query = sa.text(CHECK_EXISTS).bindparams(table=quoted, helper=NOT_NULL_CHECK)
    statement = f"ALTER TABLE {quoted} DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}"
    return LeftoverObject(
        f"The constraint {NOT_NULL_CHECK} on {table}", "refuses rows without a value", query, statement
    )


def invalid_index(name: str, table: str) -> LeftoverObject:
    """An index that CONCURRENTLY did not make to its end."""
    quoted = quote_if_needed(name)
    query = sa.text(INDEX_IS_INVALID).bindparams(index=quoted)
    harm = "slows writers down, may refuse what is not unique, and helps no reader"
    return LeftoverObject(
        f"The invalid index {name} on {table}", harm, query, f"DROP INDEX CONCURRENTLY IF EXISTS {quoted}"
    )


def register(context: MigrationContext, leftover: LeftoverObject) -> None:
    """Remember, until the step ends, what may be left of it."""
    if "steps" in context.opts:
        context.opts["steps"].leftovers[leftover.description] = leftover


def not_null_checks(connection: Connection) -> list[LeftoverObject]:
    """The CHECKs that runs of op.set_not_null left which could not clean up."""
    return [
        not_null_check(table) for table in connection.scalars(sa.text(TABLES_WITH_CHECK), {"helper": NOT_NULL_CHECK})
    ]


def remove_not_null_checks(connection: Connection) -> None:
    """Remove what runs before this one left. Raises DBAPIError where a lock cannot be had."""
    if connection.dialect.name != "postgresql":
        return
    for helper in not_null_checks(connection):
        connection.exec_driver_sql(helper.remove_sql)
        print_progress(f"Removed what an interrupted op.set_not_null left: {helper.description}.")
    # Alembic would take an open transaction for another caller's and never commit.
    connection.commit()


def remove_leftovers(connection: Connection, noted: dict[str, LeftoverObject], lock_settings: LockSettings) -> None:
    """Remove what is left of a step that failed; what cannot be removed now stays noted."""
    for left in reversed(range(lock_settings.attempts if noted else 0)):
        try:
            with _in_no_transaction(connection, lock_settings) as free:
                _remove(free, noted)
            return
        except (DBAPIError, CommandError) as error:
            if not left or not isinstance(error, DBAPIError) or not postgresql.is_lock_timeout(error):
                return
            time.sleep(lock_settings.retry_delay)


def _remove(connection: Connection, noted: dict[str, LeftoverObject]) -> None:
    for key, leftover in list(noted.items()):
        if leftover.exists(connection):
            connection.exec_driver_sql(leftover.remove_sql)
        del noted[key]


@contextmanager
def _in_no_transaction(connection: Connection, lock_settings: LockSettings) -> Iterator[Connection]:
    with suppress(DBAPIError):
        connection.rollback()
    if connection.invalidated:
        # Another run that has its turn by now removes it first.
        with postgresql.exclusive_connection(
            connection.engine, replace(lock_settings, migration_timeout=postgresql.DISCONNECT_TIMEOUT_S)
        ) as fresh:
            yield fresh.execution_options(isolation_level="AUTOCOMMIT")
    else:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")
