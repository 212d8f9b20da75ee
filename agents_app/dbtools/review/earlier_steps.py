"""What the steps of a plan do before the present one: tables and columns that they make, and rows that they change."""

from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.enum_values import AddEnumValueOp
from agents_app.dbtools.operations.enums import CreateEnumOp
from agents_app.dbtools.operations.extensions import CreateExtensionOp
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp
from agents_app.dbtools.operations.search_indexes import CreateSearchIndexOp
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.limit_queries import RowLimit, is_named
from agents_app.dbtools.review.row_changes import RowChanges
from agents_app.dbtools.review.sql_operations import (
    CallFunctionOp,
    CreateObjectOp,
    CreateViewOp,
    EditCatalogOp,
    NotUnderstoodOp,
    RenameLabelOp,
    RenameObjectOp,
    SettingOp,
)

# After these a query can mean something else.
MAKE_NAMES = (
    AddEnumValueOp,
    CreateEnumOp,
    CreateExtensionOp,
    CreateSearchIndexOp,
    CreateObjectOp,
    CreateViewOp,
    RenameLabelOp,
    RenameObjectOp,
    SettingOp,
)
WITH_TABLE = (FillRowsOp, ops.BulkInsertOp)


class EarlierSteps:
    """What the steps of one plan have done so far."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self._facts = facts
        self._changes = RowChanges(facts)
        # The step that makes each table, or each column of a table.
        self._made: dict[tuple[str, str | None], str] = {}
        # The columns that a step adds without a value for the rows that exist.
        self._empty: set[tuple[str, str]] = set()
        self._makes_names = False

    def that_may_repair(self, limit: RowLimit) -> str | None:
        """The first step that may repair rows beyond a limit."""
        return next(self._changes.that_may_repair(limit), None)

    def is_refused(self, limit: RowLimit) -> bool:
        """Whether the database refuses the query of a limit also after these steps, if it does so now."""
        return not self._makes_names and self.that_makes(limit) is None

    def leaves_empty(self, limit: RowLimit) -> bool:
        """Whether a limit needs values in a column that the steps add, and do not fill, in a table that has rows."""
        table = limit.tables[0] if limit.tables else ""
        is_empty = limit.is_missing and any((table, column) in self._empty for column in limit.columns)
        has_rows = (table, None) not in self._made and self._facts.rows(table) != 0
        return is_empty and has_rows and self.that_may_repair(limit) is None

    def that_makes(self, limit: RowLimit) -> str | None:
        """Which step makes a table or a column on which a limit depends, as a sentence."""
        for (table, column), step in self._made.items():
            if not (table in limit.tables or limit.reads_any_table):
                continue
            if column is None and (table in limit.tables or is_named(limit.query, table)):
                return f"the step {step} makes the table {table}"
            if column is not None and limit.names(table, column):
                return f"the step {step} makes the column {table}.{column}"
        return None

    def note_anything(self, step: str) -> None:
        """Note that it is not known what a step does."""
        self._makes_names = True
        self._changes.note_anything(step)

    def note(self, step: str, operation: MigrateOperation) -> None:
        """Note one operation of a step."""
        named: Any = operation.table if isinstance(operation, WITH_TABLE) else operation
        name = getattr(named, "name" if isinstance(operation, WITH_TABLE) else "table_name", None)
        table = None if name is None else self._facts.qualified(str(name), getattr(named, "schema", None))
        self._makes_names |= isinstance(operation, MAKE_NAMES)
        if isinstance(operation, NotUnderstoodOp | EditCatalogOp) or _calls_own_function(operation, self._facts):
            self.note_anything(step)
        elif table is not None:
            self._note_made(step, operation, table)
            self._changes.note(step, operation, table)

    def _note_made(self, step: str, operation: MigrateOperation, table: str) -> None:
        if isinstance(operation, ops.CreateTableOp):
            # CREATE TABLE IF NOT EXISTS keeps the rows of a table that is there.
            if not self._facts.size(table).is_there or (table, None) in self._made:
                self._made[table, None] = step
        elif isinstance(operation, ops.DropTableOp):
            self._made[table, None] = step
        elif isinstance(operation, ops.RenameTableOp):
            self._made[table, None] = self._made[str(operation.new_table_name), None] = step
        elif isinstance(operation, ops.DropColumnOp):
            self._made[table, str(operation.column_name)] = step
        elif isinstance(operation, ops.AddColumnOp):
            self._note_new_column(step, table, operation.column)
        elif isinstance(operation, ops.AlterColumnOp):
            old, new = str(operation.column_name), operation.modify_name
            if new is not None and str(new) != old:
                self._made[table, old] = self._made[table, str(new)] = step

    def _note_new_column(self, step: str, table: str, column: sa.Column[Any]) -> None:
        if self._facts.has_column(table, column.name) and (table, column.name) not in self._made:
            return
        self._made[table, column.name] = step
        if column.server_default is None and column.computed is None and column.identity is None:
            self._empty.add((table, column.name))


def _calls_own_function(operation: MigrateOperation, facts: DatabaseFacts) -> bool:
    return isinstance(operation, CallFunctionOp) and facts.runs_unknown_statements(
        operation.name, may_be_keyword=operation.may_be_keyword
    )
