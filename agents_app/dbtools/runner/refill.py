"""The second pass: runs fills of applied steps again, before marked steps need their values."""

import time
from collections.abc import Iterable, Sequence

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from agents_app.database.migration_limits import Limits
from agents_app.dbtools.database import postgresql
from agents_app.dbtools.database.connections import connect, migration_connection
from agents_app.dbtools.output import WaitingLines
from agents_app.dbtools.records.tables import APPLIED_STEPS
from agents_app.dbtools.review.refills import Fill
from agents_app.dbtools.runner.error_messages import cause_and_advice


class _Counter:
    """Counts the rows that fills report."""

    count = 0

    def note_filled_rows(self, count: int) -> None:
        """Add to the number of rows."""
        self.count += count


def refill(url: URL, fills: Sequence[Fill], limits: Limits) -> int:
    """Run fills again, and return how many rows they filled. On PostgreSQL each batch is committed.

    Raises CommandError if one fails. A second call continues.
    """
    if not fills:
        return 0
    counter = _Counter()
    try:
        with migration_connection(url, limits, verbose=False) as connection:
            for fill in fills:
                _run(connection, fill, counter, limits)
    except NoSuchTableError as error:
        raise CommandError(f"A fill of an applied step failed: the table {error} is missing.") from error
    except DBAPIError as error:
        raise CommandError(f"A fill of an applied step failed: {cause_and_advice(error, url)[0]}") from error
    return counter.count


def mark_refilled(url: URL, fills: Iterable[Fill]) -> None:
    """Keep that these steps need no second pass any more."""
    revisions = sorted({fill.step.revision for fill in fills})
    if not revisions:
        return
    with connect(url) as connection:
        done = APPLIED_STEPS.update().where(APPLIED_STEPS.c.revision.in_(revisions))
        connection.execute(done.values(is_refilled=True))
        connection.commit()


def _run(connection: Connection, fill: Fill, counter: _Counter, limits: Limits) -> None:
    options = {"transactional_ddl": True, "transaction_per_migration": True, "record": counter, "limits": limits}
    with WaitingLines() as waiting:
        for remaining in reversed(range(limits.attempts)):
            context = MigrationContext.configure(connection, opts=options)
            try:
                with context.begin_transaction(_per_migration=True):
                    Operations(context).invoke(fill.operation)
                return
            except DBAPIError as error:
                if not postgresql.is_lock_timeout(error):
                    raise
                holders = postgresql.table_lock_holders(connection)
                connection.rollback()
                if not remaining:
                    what = f"The fill of {fill.step.name} is blocked by {holders}. Run the same command again."
                    raise CommandError(what) from error
                waiting.add(f"Waiting for {holders} to release a lock.")
                time.sleep(limits.retry_delay)
