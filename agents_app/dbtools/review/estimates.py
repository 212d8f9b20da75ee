"""How long the fills of a plan take, from the rows a second that this database has seen."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation
from sqlalchemy.sql.selectable import Select

from agents_app.dbtools.operations.renames import AnswerRenameOp
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.records.history import MEASURED_FROM, Measured, Speed, measured_speed
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.sql_operations import ChangeRowsOp, Mark, marks_of
from agents_app.wording import number_text

# A fill of fewer rows is short on any machine.
LONG_FROM = 10_000
MINUTE, HOUR = 60, 3_600


@dataclass(frozen=True)
class Estimate:
    """How long a step fills, or updates, rows of a table.

    `rows` is counted if `is_counted`; otherwise it is the rows of the table, of which the step changes at most all.
    Without `speed` no run has shown how fast this database is.
    """

    table: str
    verb: str
    rows: int
    is_counted: bool
    speed: Speed | None

    @property
    def seconds(self) -> float | None:
        """The time that it takes at that speed."""
        return self.rows / self.speed.rows_a_second if self.speed else None

    @property
    def time_text(self) -> str:
        """The time as a sentence without the number of rows."""
        if self.speed is None or self.seconds is None:
            return "how long it takes is not known: no run has shown the speed of this database yet"
        return f"{'about' if self.is_counted else 'at most about'} {duration_text(self.seconds)}"

    @property
    def text(self) -> str:
        """The whole estimate, for a person."""
        rows = f"{'' if self.is_counted else 'at most '}{pluralize(self.rows, 'row')} of {self.table}"
        if self.speed is None:
            return f"{self.verb} {rows}: {self.time_text}"
        seen = f"{number_text(round(self.speed.rows_a_second))} rows a second in deployment {self.speed.deployment}"
        return f"{self.verb} {rows}: {self.time_text}, as it was {seen}"


class Estimates:
    """The estimates of one plan. The speeds are read once, and only if a step changes many rows."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self._facts = facts
        self._speeds: dict[Measured, Speed | None] = {}

    def of_step(self, operations: Iterable[MigrateOperation]) -> tuple[Estimate, ...]:
        """The estimates of one step: of each fill, and of each UPDATE."""
        return tuple(found for operation in operations for found in self._of(operation))

    def _of(self, operation: Any) -> Iterator[Estimate]:
        if isinstance(operation, FillRowsOp):
            count = sa.select(sa.func.count()).select_from(operation.table).where(operation.pending)
            yield from self._long(operation.table.name, Measured.FILL, count)
        elif isinstance(operation, AnswerRenameOp) and operation.is_rename is True:
            yield from self._long(operation.table_name, Measured.FILL, None)
        elif isinstance(operation, ChangeRowsOp) and operation.verb == "UPDATE" and operation.table_name:
            in_block = Mark.IN_BLOCK in marks_of(operation)
            table = self._facts.qualified(operation.table_name, operation.schema)
            yield from self._long(table, Measured.UPDATE, None if in_block else operation.query)

    def _long(self, table: str, kind: Measured, query: str | Select[Any] | None) -> Iterator[Estimate]:
        size = self._facts.size(table).rows
        if size is None or size < MEASURED_FROM:
            return
        # A column that an earlier step makes cannot be counted: then it is empty in every row.
        count = self._facts.count(query) if query is not None else None
        rows = count if isinstance(count, int) else size
        if rows < MEASURED_FROM:
            return
        if kind not in self._speeds:
            self._speeds[kind] = measured_speed(self._facts.connection, kind)
        if self._speeds[kind] is not None or rows >= LONG_FROM:
            yield Estimate(table, kind.verb, rows, isinstance(count, int), self._speeds[kind])


def duration_text(seconds: float) -> str:
    """A time that is not known exactly."""
    if seconds < 1:
        return "1 s"
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def estimate_as_data(found: Estimate) -> dict[str, Any]:
    """An estimate as plain data, for JSON."""
    speed = found.speed
    return {
        "table": found.table,
        "verb": found.verb,
        "rows": found.rows,
        "is_counted": found.is_counted,
        "seconds": None if found.seconds is None else round(found.seconds, 1),
        "rows_a_second": speed and round(speed.rows_a_second, 1),
        "deployment": speed and speed.deployment,
    }
