"""Counts the rows on which a step would fail, before anything is touched."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.constraints import ValidateConstraintOp
from agents_app.dbtools.operations.renames import AnswerRenameOp
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.review import catalog
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.limit_queries import RowLimit
from agents_app.dbtools.review.row_limits import limits_of
from agents_app.dbtools.review.sql_operations import (
    CallFunctionOp,
    ChangeRowsOp,
    Mark,
    NotUnderstoodOp,
    TruncateOp,
    marks_of,
)

SINGULAR = {"have": "has", "break": "breaks", "share": "shares", "hold": "holds", "refer": "refers", "are": "is"}
CHANGES = (FillRowsOp, AnswerRenameOp, ChangeRowsOp, TruncateOp, ops.BulkInsertOp)
ANY_TABLE = None
NOT_FILLED = ", and no step fills it"


@dataclass(frozen=True)
class DataCheck:
    """The rows on which a step would fail. `count` is None if they were not counted; `query` lists them.

    `stops`: the step would fail. If not, although `count` is not 0, `note` says why; it also says why nothing was
    counted. `why` names the statement that fails, and `do` what helps.
    """

    table: str | None
    what: str
    why: str
    do: str
    query: str
    count: int | None
    stops: bool
    note: str


class DataChecks:
    """The data checks of the steps of one plan, in their order: each step is judged with what those before it do."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self._facts = facts
        # The step that makes each table, or each column of a table, and those that change the rows of each table, with
        # the columns (None: all).
        self._made: dict[tuple[str, str | None], str] = {}
        self._changed: dict[str | None, dict[str, frozenset[str] | None]] = {}
        self._not_valid: list[tuple[str, str, RowLimit]] = []
        # The columns that a step adds without a value for the rows that exist.
        self._empty: set[tuple[str, str]] = set()

    def of_step(self, name: str, operations: Iterable[MigrateOperation], *, is_known: bool) -> tuple[DataCheck, ...]:
        """The data checks of one step. `is_known`: all of its operations are known."""
        found: dict[str, DataCheck] = {}
        for operation in operations:
            for limit in self._limits(operation):
                found.setdefault(limit.query, self._checked(limit, is_sure=Mark.IN_BLOCK not in marks_of(operation)))
            self._note(name, operation)
        if not is_known:
            self._note_rows(name, ANY_TABLE)
        return tuple(found.values())

    def note_fill(self, name: str, operation: MigrateOperation) -> None:
        """Note a fill of an applied step that runs again before the steps of the plan."""
        self._note(name, operation)

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
        if reason := limit.not_counted or self._left_out(limit):
            return _check(limit, None, note=f"not counted: {reason}")
        count = self._facts.count(limit.count_query)
        if isinstance(count, str):
            return _check(limit, None, note=f"not counted: {count}")
        changed = next(self._steps_that_change(limit), None)
        if count and changed is not None:
            return _check(
                limit, count, note=f"this does not stop the deployment: the step {changed} changes rows first"
            )
        if count and not is_sure:
            return _check(limit, count, note="this does not stop the deployment: a DO block decides whether it is done")
        return _check(limit, count)

    def _steps_that_change(self, limit: RowLimit) -> Iterator[str]:
        tables = self._changed.keys() if limit.reads_any_table else (*limit.tables, ANY_TABLE)
        for table in tables:
            for step, columns in self._changed.get(table, {}).items():
                is_own = table in limit.tables[:1] and columns is not None and bool(limit.columns)
                if not is_own or any(name in limit.columns or _names(limit.condition, name) for name in columns or ()):
                    yield step

    def _left_out(self, limit: RowLimit) -> str | None:
        for (table, column), step in self._made.items():
            if not (table in limit.tables or limit.reads_any_table):
                continue
            if column is None and (table in limit.tables or _names(limit.query, table)):
                return f"the step {step} makes the table {table}"
            if column is not None and (column in limit.columns or _names(limit.condition, column)):
                is_filled = (table, column) not in self._empty or {table, ANY_TABLE} & self._changed.keys()
                return f"the step {step} makes the column {table}.{column}{'' if is_filled else NOT_FILLED}"
        for table in limit.tables:
            if not self._facts.size(table).is_there:
                return f"the table {table} is not there yet"
        missing = [name for name in limit.columns if not self._facts.has_column(limit.tables[0], name)]
        return f"the column {limit.tables[0]}.{missing[0]} is not there yet" if missing else None

    def _note(self, step: str, operation: Any) -> None:
        facts = self._facts
        table = operation.table.name if isinstance(operation, FillRowsOp) else getattr(operation, "table_name", None)
        table = None if table is None else facts.qualified(str(table), getattr(operation, "schema", None))
        if isinstance(operation, ops.CreateTableOp) and table is not None:
            # CREATE TABLE IF NOT EXISTS keeps the rows of a table that is there.
            if not facts.size(table).is_there or (table, None) in self._made:
                self._made[table, None] = step
        elif isinstance(operation, ops.DropTableOp) and table is not None:
            self._made[table, None] = step
        elif isinstance(operation, ops.RenameTableOp) and table is not None:
            self._made[table, None] = self._made[str(operation.new_table_name), None] = step
        elif isinstance(operation, ops.AddColumnOp) and table is not None:
            self._note_new_column(step, table, operation.column)
        elif isinstance(operation, ops.AlterColumnOp) and table is not None:
            self._note_column(step, table, operation)
        elif isinstance(operation, ops.BulkInsertOp):
            self._note_rows(step, facts.qualified(operation.table.name, operation.table.schema))
        elif isinstance(operation, CHANGES) or getattr(operation, "adds_rows", False):
            self._note_rows(step, table, getattr(operation, "columns", None))
        elif isinstance(operation, NotUnderstoodOp) or _calls_own_function(operation, facts):
            self._note_rows(step, ANY_TABLE)

    def _note_new_column(self, step: str, table: str, column: sa.Column[Any]) -> None:
        self._made[table, column.name] = step
        if column.server_default is None and column.computed is None and column.identity is None:
            self._empty.add((table, column.name))

    def _note_column(self, step: str, table: str, operation: ops.AlterColumnOp) -> None:
        if operation.modify_name is not None and operation.modify_name != operation.column_name:
            self._made[table, operation.column_name] = self._made[table, operation.modify_name] = step
        if operation.modify_type is not None:
            self._note_rows(step, table)

    def _note_rows(self, step: str, table: str | None, columns: frozenset[str] | None = None) -> None:
        steps = self._changed.setdefault(table, {})
        known = steps.get(step, frozenset())
        steps[step] = None if columns is None or known is None else known | columns
        # Deleted rows can take rows of other tables with them.
        if table is not None and columns is None:
            for referring in catalog.tables_losing_rows(self._facts, table):
                self._changed.setdefault(referring, {})[step] = None


def _calls_own_function(operation: Any, facts: DatabaseFacts) -> bool:
    return isinstance(operation, CallFunctionOp) and facts.runs_unknown_statements(
        operation.name, may_be_keyword=operation.may_be_keyword
    )


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", text, re.IGNORECASE) is not None


def _check(limit: RowLimit, count: int | None, note: str = "") -> DataCheck:
    table, verb = limit.tables[0] if limit.tables else None, limit.verb
    if table is None or not verb:
        what = limit.rest
    elif count is None:
        what = f"rows of {table} that {verb} {limit.rest}"
    else:
        what = f"{pluralize(count, 'row')} of {table} {SINGULAR[verb] if count == 1 else verb} {limit.rest}"
    return DataCheck(table, what, limit.why, limit.do, limit.query, count, bool(count) and not note, note)


def check_as_data(check: DataCheck) -> dict[str, Any]:
    """A data check as plain data, for JSON."""
    return vars(check).copy()
