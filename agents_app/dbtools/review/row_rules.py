"""The rules about statements that change or delete rows."""

from collections.abc import Iterator
from typing import Any

from agents_app.dbtools.operations.renames import AnswerRenameOp
from agents_app.dbtools.review import catalog, row_warnings
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.sql_operations import ChangeRowsOp, Mark, TruncateOp, marks_of
from agents_app.dbtools.review.warnings import StepWarning

NOT_COUNTED = "a value in it is computed when the step runs"


def _change(operation: ChangeRowsOp, table: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    size = facts.size(table)
    if size.rows == 0:
        return
    count: int | str | None = None
    if operation.has_condition:
        reason = operation.not_counted or NOT_COUNTED
        count = reason if operation.query is None else facts.count(operation.query)
        if isinstance(count, str) and Mark.IN_BLOCK in marks_of(operation):
            count = NOT_COUNTED
    met = row_warnings.met_rows(count, size.rows, is_estimate=size.is_estimate)
    if "DELETE" in operation.verb:
        others = sorted(catalog.tables_losing_rows(facts, table))
        yield row_warnings.rows_deleted(
            table, operation.verb, met, others, has_condition=operation.has_condition, meets_none=count == 0
        )
    else:
        yield row_warnings.rows_changed(table, operation.verb, met, has_condition=operation.has_condition)


def _truncate(_operation: TruncateOp, table: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    size = facts.size(table)
    if size.rows != 0:
        met = row_warnings.met_rows(None, size.rows, is_estimate=size.is_estimate)
        yield row_warnings.rows_deleted(table, "TRUNCATE", met, [], has_condition=False, meets_none=False)


def _answer(operation: AnswerRenameOp, table: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if operation.is_rename is False and facts.size(table).rows != 0:
        yield row_warnings.values_not_copied(table, operation.old, operation.new)


RULES: dict[Any, Any] = {AnswerRenameOp: _answer, ChangeRowsOp: _change, TruncateOp: _truncate}
