"""The fills of applied steps that run again: rows that the release before wrote after a fill have no values yet.

Nothing shows which release wrote a row. A row without a value can also be one that this release has cleared.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from agents_app.dbtools.branches import ancestors
from agents_app.dbtools.operations.renames import SECOND_PASS, AnswerRenameOp, fill_of, undecided_rows
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp
from agents_app.dbtools.operations.table_fills import FillTableOp
from agents_app.dbtools.position import Position, Step
from agents_app.dbtools.records.tables import APPLIED_STEPS, has_records
from agents_app.dbtools.review.recorder import record_step

# The options of the context in which a fill runs again.
AGAIN = {SECOND_PASS: True}
COUNT_LIMIT = "SET LOCAL statement_timeout = '5s'"


@dataclass(frozen=True)
class Fill:
    """A fill of an applied step."""

    step: Step
    operation: FillRowsOp | FillTableOp | AnswerRenameOp

    def rows(self, operations: Operations) -> FillRowsOp | None:
        """The fill of rows, on the database of `operations`. None if only its code knows which rows it fills."""
        if isinstance(self.operation, FillTableOp):
            return None
        return fill_of(operations, self.operation) if isinstance(self.operation, AnswerRenameOp) else self.operation


@dataclass(frozen=True)
class Unfilled:
    """How many rows of a table a step would still fill; None if they cannot be counted in a few seconds."""

    step: str
    table: str
    rows: int | None


@dataclass(frozen=True)
class Undecided:
    """Rows that a second pass leaves: `new` has its default, and `old`, its name before, has another value."""

    step: str
    table: str
    old: str
    new: str
    rows: int


def find_fills(connection: Connection, script: ScriptDirectory, position: Position) -> list[Fill]:
    """The fills of the steps since the last finish, in their order.

    Steps that filled an empty database are left out, and those that an earlier release applied, which kept no record.
    """
    if position.is_ahead or not has_records(connection):
        return []
    unmarked = APPLIED_STEPS.c.is_refilled.is_(sa.false())
    waiting = set(connection.scalars(sa.select(APPLIED_STEPS.c.revision).where(unmarked)))
    return [
        fill
        for step in _since_last_finish(position)
        if step.revision in waiting
        for fill in _fills(connection, script, step)
    ]


def count_unfilled(connection: Connection, script: ScriptDirectory, position: Position) -> list[Unfilled]:
    """The fills that have rows left. Sends one query for each, of at most a few seconds on PostgreSQL."""
    operations = Operations(MigrationContext.configure(connection, opts={**AGAIN}))
    counted = [_count(connection, operations, fill) for fill in find_fills(connection, script, position)]
    return [found for found in counted if found.rows != 0]


def count_undecided(connection: Connection, script: ScriptDirectory, position: Position) -> list[Undecided]:
    """The rows of renames of which it is not known whether they have their value. Sends queries as `count_unfilled`."""
    operations = Operations(MigrationContext.configure(connection))
    found = [_undecided(connection, operations, fill) for fill in find_fills(connection, script, position)]
    return [undecided for undecided in found if undecided is not None and undecided.rows]


def _since_last_finish(position: Position) -> list[Step]:
    applied = position.steps[: position.applied_count]
    # A marked step of another branch says nothing about the fills of this one.
    finished = ancestors(position.parents, (step.revision for step in applied if step.after_release))
    return [step for step in applied if step.revision not in finished]


def _fills(connection: Connection, script: ScriptDirectory, step: Step) -> Iterator[Fill]:
    recorded: Any = record_step(script.get_revision(step.revision), "upgrade", connection.dialect.name)
    for operation in recorded.operations:
        is_copy = isinstance(operation, AnswerRenameOp) and operation.is_rename is True
        if is_copy or isinstance(operation, FillRowsOp | FillTableOp):
            yield Fill(step, operation)


def _undecided(connection: Connection, operations: Operations, fill: Fill) -> Undecided | None:
    found = fill.operation
    if not isinstance(found, AnswerRenameOp):
        return None
    with suppress(DBAPIError, NoSuchTableError, KeyError), connection.begin_nested():
        _limit(connection)
        count = undecided_rows(operations, found)
        rows = 0 if count is None else connection.scalar(count) or 0
        return Undecided(fill.step.name, found.table_name, found.old, found.new, rows)
    return None


def _limit(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(COUNT_LIMIT)


def _count(connection: Connection, operations: Operations, fill: Fill) -> Unfilled:
    table = fill.operation.table.name if isinstance(fill.operation, FillRowsOp) else fill.operation.table_name
    try:
        with connection.begin_nested():
            _limit(connection)
            found = fill.rows(operations)
            if found is None:
                return Unfilled(fill.step.name, table, None)
            count = sa.select(sa.func.count()).select_from(found.table).where(found.pending)
            return Unfilled(fill.step.name, table, connection.scalar(count))
    except (DBAPIError, NoSuchTableError, KeyError):
        return Unfilled(fill.step.name, table, None)
