"""The second pass: runs fills of applied steps again, before marked steps need their values."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, NoSuchTableError

from agents_app.database.migration_limits import Limits
from agents_app.dbtools.backup.signals import cancellable_queries, interrupt_on_signals
from agents_app.dbtools.database import postgresql
from agents_app.dbtools.database.connections import connect, migration_connection
from agents_app.dbtools.output import WaitingLines
from agents_app.dbtools.records.run import RunRecord
from agents_app.dbtools.records.steps import FILL, StepRecord
from agents_app.dbtools.records.tables import APPLIED_STEPS
from agents_app.dbtools.review.refills import AGAIN, Fill
from agents_app.dbtools.runner import keeping
from agents_app.dbtools.runner.error_messages import cause_and_advice, original_error

BREAKS_RULE = (
    " Rows without this value have another one to copy or compute that breaks the rule. Correct it in these rows, then "
    + "run the same command again."
)
CONTINUE = "The rows that were filled remain. To continue, run the same command again."


def refill(url: URL, fills: Sequence[Fill], revision: str | None, attributes: dict[str, Any], limits: Limits) -> int:
    """Run fills again, and return how many rows they filled. On PostgreSQL each batch is committed.

    The database is at `revision`. Each fill is kept as a step of the deployment in `attributes`, those of the
    configuration. Raises CommandError if one fails. A second call continues.
    """
    record = keeping.new_record({**attributes, "limits": limits}, lambda *_: (), list)
    steps = [StepRecord(fill.step.revision, fill.step.name, FILL) for fill in fills]
    try:
        with (
            interrupt_on_signals(),
            cancellable_queries(),
            keeping.keep_failure(url, record, lambda: sum(step.seconds is not None for step in steps)),
            original_error(),
        ):
            _refill(url, fills, steps, revision, record, limits)
    except NoSuchTableError as error:
        raise CommandError(f"A fill of an applied step failed: the table {error} is missing.") from error
    except KeyboardInterrupt as error:
        raise CommandError(f"Interrupted during the fill of an applied step. {CONTINUE}") from error
    except DBAPIError as error:
        (name, *_), cause = [step.name for step in steps if step.seconds is None], cause_and_advice(error, url)[0]
        advice = BREAKS_RULE if isinstance(error, IntegrityError) else ""
        raise CommandError(f"A fill of an applied step failed, that of {name}: {cause}{advice}") from error
    return sum(step.filled_rows for step in steps)


def _refill(
    url: URL, fills: Sequence[Fill], steps: list[StepRecord], revision: str | None, record: RunRecord, limits: Limits
) -> None:
    with migration_connection(url, limits, verbose=False) as connection:
        is_written = record.begin_steps(connection, steps, revision)
        keeping.commit_begin(connection, is_written=is_written, limits=limits)
        for number, fill in enumerate(fills):
            _run(connection, fill, number, record, limits)
            record.keep_step(connection)
            if connection.dialect.name == "postgresql":
                connection.commit()


def mark_refilled(url: URL, fills: Iterable[Fill]) -> None:
    """Keep that these steps need no second pass any more."""
    revisions = sorted({fill.step.revision for fill in fills})
    if not revisions:
        return
    with connect(url) as connection:
        done = APPLIED_STEPS.update().where(APPLIED_STEPS.c.revision.in_(revisions))
        connection.execute(done.values(is_refilled=True))
        connection.commit()


def _run(connection: Connection, fill: Fill, number: int, record: RunRecord, limits: Limits) -> None:
    options = {"transactional_ddl": True, "transaction_per_migration": True, "record": record, "limits": limits}
    options |= AGAIN
    with WaitingLines() as waiting:
        for remaining in reversed(range(limits.attempts)):
            record.begin_attempt(number)
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
