"""Which operation of a step gets which warning. The rules about columns, tables and rows are in modules of their own.

They judge operations only: `sql.py` translates plain SQL into operations first.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations import MigrateOperation, ops

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.operations.constraints import SetNotNullOp, ValidateConstraintOp
from agents_app.dbtools.operations.dangers import AllowDangerOp
from agents_app.dbtools.operations.enum_values import AddEnumValueOp
from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp, DropIndexConcurrentlyOp
from agents_app.dbtools.operations.renames import AnswerRenameOp
from agents_app.dbtools.operations.requirements import RequireOp
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp, RequireTablesOp
from agents_app.dbtools.operations.search_indexes import CreateSearchIndexOp, DropSearchIndexOp
from agents_app.dbtools.operations.table_fills import FillTableOp
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp
from agents_app.dbtools.review import column_rules, object_rules, row_rules, table_rules, warnings
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.sql_operations import (
    CallFunctionOp,
    CreateViewOp,
    Mark,
    NotInTransactionOp,
    NotUnderstoodOp,
    TransactionOp,
    WideStatementOp,
    marks_of,
)
from agents_app.dbtools.review.warnings import StepWarning

# On PostgreSQL these commit the operations before them.
NEEDS_OWN_STEP: dict[type[MigrateOperation], str] = {
    CreateIndexConcurrentlyOp: "op.create_index_concurrently",
    DropIndexConcurrentlyOp: "op.drop_index_concurrently",
    CreateSearchIndexOp: "op.create_search_index",
    DropSearchIndexOp: "op.drop_search_index",
    FillRowsOp: "op.fill_rows",
    FillTableOp: "op.fill_table",
    SetNotNullOp: "op.set_not_null",
    ValidateConstraintOp: "op.validate_constraint",
    AddEnumValueOp: "op.add_enum_value",
    AddUniqueConstraintOp: "op.add_unique_constraint",
    AnswerRenameOp: "op.answer_rename",
}
AUTOCOMMIT_BLOCK = "op.get_context().autocommit_block()"
# They change nothing.
WITHOUT_EFFECT = (RequireTablesOp, RequireOp, AllowDangerOp)


def warnings_for_operation(operation: MigrateOperation, facts: DatabaseFacts) -> Iterator[StepWarning]:
    """The warnings about one operation; none about a table that this plan creates, but for what would fail."""
    table = table_of(operation, facts)
    if is_refused_in_transaction(operation):
        yield warnings.refused_in_transaction(_statement_of(operation), table)
        return
    if table in facts.created:
        return
    rule: Any = RULES.get(type(operation))
    if rule is not None:
        yield from rule(operation, table, facts)


def is_refused_in_transaction(operation: MigrateOperation) -> bool:
    """Whether the database refuses the operation where it is: inside a transaction."""
    # Statements that are sent together, or are in one block, are one transaction also in an autocommit block.
    together = Mark.IN_AUTOCOMMIT | Mark.IN_BLOCK | Mark.WITH_OTHERS
    is_outside = marks_of(operation) & together == Mark.IN_AUTOCOMMIT
    is_concurrent = isinstance(operation, ops.CreateIndexOp | ops.DropIndexOp) and bool(
        operation.kw.get("postgresql_concurrently")
    )
    if isinstance(operation, TransactionOp):
        return Mark.IN_BLOCK in marks_of(operation)
    return (is_concurrent or isinstance(operation, NotInTransactionOp)) and not is_outside


def _statement_of(operation: Any) -> str:
    if isinstance(operation, NotInTransactionOp | TransactionOp):
        return operation.statement
    verb = "CREATE" if isinstance(operation, ops.CreateIndexOp) else "DROP"
    name = "" if operation.index_name is None else f" {quote_if_needed(str(operation.index_name))}"
    return f"{verb} INDEX CONCURRENTLY{name}"


def warnings_for_shared_step(operations: Iterable[MigrateOperation], facts: DatabaseFacts) -> Iterator[StepWarning]:
    """The warnings about operations that need a step of their own and share it."""
    changing = [operation for operation in operations if not isinstance(operation, WITHOUT_EFFECT)]
    if not facts.has_locks:
        return
    if (named := operation_that_needs_own_step(changing)) is not None:
        yield warnings.shared_step(named)
    in_sql = [kept for kept in changing if isinstance(kept, ValidateConstraintOp) and Mark.FROM_SQL in marks_of(kept)]
    if any(Mark.IN_AUTOCOMMIT not in marks_of(operation) for operation in in_sql) and len(in_sql) < len(changing):
        yield warnings.validates_with_locks()


def operation_that_needs_own_step(operations: Iterable[MigrateOperation]) -> str | None:
    """The operation that commits in the middle and shares its step with others; None without one."""
    changing = [operation for operation in operations if not isinstance(operation, WITHOUT_EFFECT)]
    kinds = {type(operation) for operation in changing}
    # Plain SQL that does the same commits nothing.
    own = {type(operation) for operation in changing if Mark.FROM_SQL not in marks_of(operation)}
    named = next((name for kind, name in NEEDS_OWN_STEP.items() if kind in own and len(kinds) > 1), None)
    places = {Mark.IN_AUTOCOMMIT in marks_of(operation) for operation in changing}
    return named or (AUTOCOMMIT_BLOCK if len(places) > 1 else None)


def table_of(operation: MigrateOperation, facts: DatabaseFacts) -> str | None:
    """The table that an operation changes, with its schema unless that is the console's own."""
    if isinstance(operation, ops.CreateForeignKeyOp):
        return facts.qualified(operation.source_table, operation.kw.get("source_schema"))
    if isinstance(operation, FillRowsOp):
        return operation.table.name
    table: str | None = getattr(operation, "table_name", None)
    return None if table is None else facts.qualified(table, getattr(operation, "schema", None))


def tables_of(operation: MigrateOperation, facts: DatabaseFacts) -> Iterator[str]:
    """Every table that an operation changes or locks."""
    if not isinstance(operation, RequireTablesOp | CreateViewOp) and (table := table_of(operation, facts)):
        yield table
    if isinstance(operation, ops.DropIndexOp) and (
        table := facts.table_of_index(str(operation.index_name), operation.schema)
    ):
        yield table
    if isinstance(operation, ops.CreateForeignKeyOp):
        yield facts.qualified(operation.referent_table, operation.kw.get("referent_schema"))


def _not_understood(operation: NotUnderstoodOp, _table: Any, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.not_understood(operation.statement)


def _call(operation: CallFunctionOp, _table: Any, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.runs_unknown_statements(operation.name, may_be_keyword=operation.may_be_keyword):
        yield warnings.not_understood(f"what the function {operation.name} does")


def _wide(operation: WideStatementOp, _table: Any, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.wide_statement(operation.statement)


def _transaction(operation: TransactionOp, _table: Any, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.transaction_ended(operation.statement)


RULES: dict[type[MigrateOperation], Any] = {
    **column_rules.RULES,
    **table_rules.RULES,
    **row_rules.RULES,
    **object_rules.RULES,
    CallFunctionOp: _call,
    NotUnderstoodOp: _not_understood,
    WideStatementOp: _wide,
    TransactionOp: _transaction,
}
