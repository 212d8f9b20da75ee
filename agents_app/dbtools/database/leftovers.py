"""Objects that an operation creates for a short time and commits; they are left over if its step fails."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.migration_limits import Limits
from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.database import postgresql, session_limits
from agents_app.dbtools.output import print_progress

# Without parameters, for which a % in a name would be a placeholder.
AS_IT_IS = {"no_parameters": True}
# op.set_not_null adds this CHECK, so that PostgreSQL can check every row while other sessions write.
NOT_NULL_CHECK = "ck_console_not_null"
TABLES_WITH_CHECK = """
SELECT relname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE conname = :name AND contype = 'c' AND relnamespace = to_regnamespace(quote_ident(current_schema()))
ORDER BY 1
"""
CHECK_EXISTS = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name"
INDEX_IS_UNUSED = """
SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:index)
AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
"""
INDEX_IS_INVALID = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:index) AND NOT indisvalid"


@dataclass(frozen=True)
class LeftoverObject:
    """A database object that may be left over, and what it does to other statements."""

    description: str
    effect: str
    exists_query: sa.TextClause
    remove_sql: str

    def exists(self, connection: Connection) -> bool:
        """Return whether it is still there."""
        return connection.execute(self.exists_query).first() is not None

    def __str__(self) -> str:
        return f"{self.description} may still exist: it {self.effect}. To remove it at once: {self.remove_sql}."


def not_null_check(table: str) -> LeftoverObject:
    """Return the CHECK of op.set_not_null on a table."""
    quoted = quote_if_needed(table)
    query = sa.text(CHECK_EXISTS).bindparams(table=quoted, name=NOT_NULL_CHECK)
    statement = f"ALTER TABLE {quoted} DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}"
    return LeftoverObject(
        f"The constraint {NOT_NULL_CHECK} on {table}", "rejects rows without a value", query, statement
    )


def invalid_index(name: str, table: str) -> LeftoverObject:
    """Return an index that CREATE INDEX CONCURRENTLY did not complete."""
    quoted = quote_if_needed(name)
    query = sa.text(INDEX_IS_INVALID).bindparams(index=quoted)
    harm = "slows down writes, may reject duplicate values, and is not used for reads"
    return LeftoverObject(
        f"The invalid index {name} on {table}", harm, query, f"DROP INDEX CONCURRENTLY IF EXISTS {quoted}"
    )


def unused_index(name: str, table: str) -> LeftoverObject:
    """Return a unique index that has not become a UNIQUE constraint."""
    quoted = quote_if_needed(name)
    query = sa.text(INDEX_IS_UNUSED).bindparams(index=quoted)
    remove = f"DROP INDEX CONCURRENTLY IF EXISTS {quoted}"
    return LeftoverObject(f"The unique index {name} on {table}", "rejects duplicate values", query, remove)


def register(context: MigrationContext, leftover: LeftoverObject) -> None:
    """Record, until the step ends, that this object may be left over."""
    if "steps" in context.opts:
        context.opts["steps"].leftovers[leftover.description] = leftover


def not_null_checks(connection: Connection) -> list[LeftoverObject]:
    """Return the CHECKs that earlier runs of op.set_not_null left over."""
    tables = connection.scalars(sa.text(TABLES_WITH_CHECK), {"name": NOT_NULL_CHECK})
    return [not_null_check(table) for table in tables]


def remove_not_null_checks(connection: Connection) -> None:
    """Remove the CHECKs that earlier runs left over. Raises DBAPIError if a table is locked."""
    if connection.dialect.name != "postgresql":
        return
    for check in not_null_checks(connection):
        connection.exec_driver_sql(check.remove_sql, execution_options=AS_IT_IS)
        print_progress(f"{check.description} was left by an interrupted op.set_not_null. It was removed.")
    # Alembic never commits a transaction that it finds open.
    connection.commit()


def remove_leftovers(connection: Connection, leftovers: dict[str, LeftoverObject], limits: Limits) -> None:
    """Remove what a failed step left over. An object that cannot be removed now stays in `leftovers`."""
    for remaining_attempts in reversed(range(limits.attempts if leftovers else 0)):
        try:
            with _autocommit(connection, limits) as usable:
                _remove(usable, leftovers)
            return
        except (DBAPIError, CommandError) as error:
            is_locked = isinstance(error, DBAPIError) and postgresql.is_lock_timeout(error)
            if not remaining_attempts or not is_locked:
                return
            time.sleep(limits.retry_delay)


def _remove(connection: Connection, leftovers: dict[str, LeftoverObject]) -> None:
    for key, leftover in list(leftovers.items()):
        if leftover.exists(connection):
            connection.exec_driver_sql(leftover.remove_sql, execution_options=AS_IT_IS)
        del leftovers[key]


@contextmanager
def _autocommit(connection: Connection, limits: Limits) -> Iterator[Connection]:
    with suppress(DBAPIError):
        connection.rollback()
    if not connection.invalidated:
        session_limits.wait_shortly(connection)
        yield connection.execution_options(isolation_level="AUTOCOMMIT")
        return
    # If another run has the lock by now, it removes the leftovers itself.
    short_wait = replace(limits, migration_timeout=postgresql.DISCONNECT_TIMEOUT_S)
    with postgresql.exclusive_connection(connection.engine, short_wait) as new_connection:
        yield new_connection.execution_options(isolation_level="AUTOCOMMIT")
