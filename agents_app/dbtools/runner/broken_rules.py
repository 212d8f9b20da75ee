"""Why a step failed if rows break the rule that it sets.

PostgreSQL names values in its detail, which are data: so only the table and the columns are named.
"""

from collections.abc import Callable, Sequence
from typing import Any

from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.constraints import SetNotNullOp, ValidateConstraintOp
from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp
from agents_app.dbtools.operations.search_indexes import CreateSearchIndexOp
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp
from agents_app.paths import COMMAND

WHAT_TO_DO = f"To list them: {COMMAND} db plan. Correct them, then run the same command again."


def broken_rule(operations: Sequence[MigrateOperation]) -> str | None:
    """Which rows break the rule that these operations of a step set, and what to do; None if it is not known.

    Known are steps whose one operation sets a rule: another one could have been refused too.
    """
    if len(operations) != 1:
        return None
    describe: Callable[[Any], str | None] | None = RULES.get(type(operations[0]))
    what = describe(operations[0]) if describe is not None else None
    return what and f"{what}. {WHAT_TO_DO}"


def _same_values(operation: Any) -> str | None:
    if not getattr(operation, "unique", True):
        return None
    columns = ", ".join(str(getattr(column, "name", column)) for column in operation.columns)
    return f"Rows of {operation.table_name} have the same values in {columns}"


def _missing_values(operation: SetNotNullOp) -> str:
    return f"Rows of {operation.table_name} have no value in {operation.column_name}"


def _against(operation: ValidateConstraintOp | ops.CreateCheckConstraintOp) -> str:
    name = operation.name if isinstance(operation, ValidateConstraintOp) else operation.constraint_name
    return f"Rows of {operation.table_name} break the rule {name}"


def _orphans(operation: ops.CreateForeignKeyOp) -> str:
    return f"Rows of {operation.source_table} refer to rows of {operation.referent_table} that are missing"


RULES: dict[type[MigrateOperation], Callable[[Any], str | None]] = {
    AddUniqueConstraintOp: _same_values,
    CreateIndexConcurrentlyOp: _same_values,
    ops.CreateIndexOp: _same_values,
    ops.CreateUniqueConstraintOp: _same_values,
    SetNotNullOp: _missing_values,
    ValidateConstraintOp: _against,
    ops.CreateCheckConstraintOp: _against,
    ops.CreateForeignKeyOp: _orphans,
}
# The rules that PostgreSQL sets in parts: what they leave over is removed.
LEAVES_NOTHING = (
    AddUniqueConstraintOp,
    CreateIndexConcurrentlyOp,
    CreateSearchIndexOp,
    SetNotNullOp,
    ValidateConstraintOp,
)
