"""Counts the rows on which a step would fail, before anything is touched."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.constraints import ValidateConstraintOp
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.review.earlier_steps import EarlierSteps
from agents_app.dbtools.review.effects import UNKNOWN, table_name
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.failures import Failures
from agents_app.dbtools.review.limit_queries import RowLimit
from agents_app.dbtools.review.row_limits import limits_of
from agents_app.dbtools.review.sql_operations import AddPartitionOp, AttachPartitionOp, CallFunctionOp, Mark, marks_of

SINGULAR = {"have": "has", "break": "breaks", "share": "shares", "hold": "holds", "refer": "refers", "are": "is"}
ADDS_ROWS = (ops.BulkInsertOp, ops.RenameTableOp, FillRowsOp, AttachPartitionOp, AddPartitionOp, CallFunctionOp)
NOT_FILLED = ", and no step fills it"
# CREATE TABLE ... AS and SELECT ... INTO.
WITH_ROWS = re.compile(r"\b(AS|INTO|OF)\b", re.IGNORECASE)
NOTHING = "this does not stop the deployment"


@dataclass(frozen=True)
class DataCheck:
    """The rows on which a step would fail. `count` is None if they were not counted; `query` lists them.

    `stops`: the step would fail. If not, although `count` is not 0, `note` says why; it also says why nothing was
    counted. `why` names the statement that fails, and `do` what helps; it is "" if nothing needs to be done.
    `is_unfilled`: the rows get no value, so that the step would fail although nothing was counted. `is_loss`: the step
    does not fail, but the rows lose the values that they have.
    """

    table: str | None
    what: str
    why: str
    do: str
    query: str
    count: int | None
    stops: bool
    note: str
    is_unfilled: bool = False
    is_loss: bool = False


class DataChecks:
    """The data checks of the steps of one plan, in their order: each step is judged with what those before it do."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self._facts = facts
        self.failures = Failures(facts)
        self._earlier = EarlierSteps(facts)
        self._not_valid: list[tuple[str, str, RowLimit]] = []

    def of_step(self, name: str, operations: Iterable[MigrateOperation], *, is_known: bool) -> tuple[DataCheck, ...]:
        """The data checks of one step. `is_known`: all of its operations are known."""
        found: dict[str, DataCheck] = {}
        # The tables that this step creates, and that have no rows yet.
        empty: set[str] = set()
        for operation in operations:
            for limit in self._limits(operation):
                if limit.tables[:1] and limit.tables[0] in empty and not limit.is_query:
                    continue
                found.setdefault(limit.query, self._checked(limit, is_sure=Mark.IN_BLOCK not in marks_of(operation)))
            self._earlier.note(name, operation)
            self._note_empty(operation, empty)
        if not is_known:
            self._earlier.note_anything(name)
        return tuple(found.values())

    def _note_empty(self, operation: MigrateOperation, empty: set[str]) -> None:
        name = table_name(operation, self._facts)
        source = str(getattr(operation, "source", ""))
        if isinstance(operation, UNKNOWN) or has_rows(operation):
            # Which tables get rows is not always named.
            empty.clear()
        elif name is not None and isinstance(operation, ops.CreateTableOp) and not WITH_ROWS.search(source):
            empty |= set() if self._facts.size(name).is_there else {name}

    def note_fill(self, name: str, operation: MigrateOperation) -> None:
        """Note a fill of an applied step that runs again before the next step."""
        self._earlier.note(name, operation)

    def _limits(self, operation: Any) -> Iterator[RowLimit]:
        if isinstance(operation, ValidateConstraintOp):
            # The name that the step wrote can have a prefix in the database.
            added = [
                limit
                for table, name, limit in self._not_valid
                if table == operation.table_name and (operation.name.endswith(name) or name.endswith(operation.name))
            ]
            yield from added[-1:] or limits_of(operation, self._facts)
            return
        for limit in limits_of(operation, self._facts):
            if limit.added_as is None:
                yield limit
            else:
                self._not_valid.append((limit.tables[0], limit.added_as, limit))

    def _checked(self, limit: RowLimit, *, is_sure: bool) -> DataCheck:
        if refused := self._mistake(limit, is_sure=is_sure):
            return refused
        if limit.not_counted:
            return _check(limit, None, note=f"not counted: {limit.not_counted}")
        if reason := self._left_out(limit, is_sure=is_sure):
            return reason
        count = self._facts.count(limit.count_query)
        if isinstance(count, str):
            return _check(limit, None, note=f"not counted: {count}")
        changing = self._earlier.that_may_repair(limit)
        if count and changing is not None:
            note = f"{NOTHING}: the step {changing} changes rows first"
            return _check(limit, count, note=note, do=_only_if(f"the step {changing} leaves rows", limit))
        if count and not is_sure:
            note = f"{NOTHING}: a DO block decides whether it is done"
            return _check(limit, count, note=note, do=_only_if("the block does it", limit))
        return _check(limit, count)

    def _mistake(self, limit: RowLimit, *, is_sure: bool) -> DataCheck | None:
        mistake = self._facts.mistake_in(limit.count_query) if limit.is_query and is_sure else None
        if mistake is None or not (mistake.is_syntax or self._earlier.is_refused(limit)):
            return None
        what, why = f"the query of op.require is wrong ({mistake.text})", "the database refuses it"
        return DataCheck(None, what, why, "Correct it in the file of the step.", limit.query, None, True, "")

    def _left_out(self, limit: RowLimit, *, is_sure: bool) -> DataCheck | None:
        if made := self._earlier.that_makes(limit):
            is_unfilled = self._earlier.leaves_empty(limit)
            note = f"not counted: {made}{NOT_FILLED if is_unfilled else ''}"
            do = limit.do if is_unfilled else ""
            return _check(limit, None, note=note, do=do, is_unfilled=is_unfilled and is_sure)
        for table in limit.tables:
            if not self._facts.size(table).is_there:
                return _check(limit, None, note=f"not counted: the table {table} is not there yet")
        missing = [name for name in limit.columns if not self._facts.has_column(limit.tables[0], name)]
        if missing:
            return _check(limit, None, note=f"not counted: the column {limit.tables[0]}.{missing[0]} is not there yet")
        return None


def _only_if(what: str, limit: RowLimit) -> str:
    return f"Nothing, unless {what}. Then: {limit.do}"


def has_rows(operation: MigrateOperation) -> bool:
    """Whether an operation gives rows to a table, or may do so."""
    return isinstance(operation, ADDS_ROWS) or bool(getattr(operation, "adds_rows", False))


def _check(
    limit: RowLimit, count: int | None, note: str = "", do: str | None = None, *, is_unfilled: bool = False
) -> DataCheck:
    table, verb, why = limit.tables[0] if limit.tables else None, limit.verb, limit.why
    if table is None or not verb:
        what = limit.rest
        why = f"{why}: its query finds {pluralize(count, 'row')}" if count else why
    elif count is None:
        what = f"rows of {table} that {verb} {limit.rest}"
    else:
        what = f"{pluralize(count, 'row')} of {table} {SINGULAR[verb] if count == 1 else verb} {limit.rest}"
    stops = bool(count) and not note and not limit.is_loss
    do = limit.do if do is None else do
    return DataCheck(table, what, why, do, limit.query, count, stops, note, is_unfilled, limit.is_loss)


def check_as_data(check: DataCheck) -> dict[str, Any]:
    """A data check as plain data, for JSON."""
    return vars(check).copy()
