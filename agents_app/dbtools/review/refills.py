"""The fills of applied steps that run again: rows that the release before wrote after a fill have no values yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from agents_app.dbtools.branches import ancestors
from agents_app.dbtools.operations.renames import AnswerRenameOp, fill_of
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp
from agents_app.dbtools.operations.table_fills import FillTableOp
from agents_app.dbtools.position import Position, Step
from agents_app.dbtools.records.tables import APPLIED_STEPS, has_records
from agents_app.dbtools.review.recorder import record_step

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
    operations = Operations(MigrationContext.configure(connection))
    counted = [_count(connection, operations, fill) for fill in find_fills(connection, script, position)]
    return [found for found in counted if found.rows != 0]


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


def _count(connection: Connection, operations: Operations, fill: Fill) -> Unfilled:
    table = fill.operation.table.name if isinstance(fill.operation, FillRowsOp) else fill.operation.table_name
    try:
        with connection.begin_nested():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(COUNT_LIMIT)
            found = fill.rows(operations)
            if found is None:
                return Unfilled(fill.step.name, table, None)
            count = sa.select(sa.func.count()).select_from(found.table).where(found.pending)
            return Unfilled(fill.step.name, table, connection.scalar(count))
    except (DBAPIError, NoSuchTableError, KeyError):
        return Unfilled(fill.step.name, table, None)
