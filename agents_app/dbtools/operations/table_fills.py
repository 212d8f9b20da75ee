"""The operation that fills a table with code of its own."""

from collections.abc import Callable
from contextlib import nullcontext

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations

from agents_app.dbtools.database.notes import note_filled_rows
from agents_app.dbtools.operations.sql import execute


@Operations.register_operation("fill_table")
class FillTableOp(MigrateOperation):
    """Fill a table from other tables, where `op.fill_rows` cannot."""

    def __init__(self, table_name: str, fill: Callable[[sa.Connection], int], script: str) -> None:
        self.table_name, self.fill, self.script = table_name, fill, script

    @classmethod
    def fill_table(
        cls, operations: Operations, table_name: str, fill: Callable[[sa.Connection], int], script: str
    ) -> None:
        """Call `fill`, which writes what rows of the table lack, or rows that are missing, and returns their number.

        `flask db deploy --finish` calls it again, so it must leave what is there already as it is. On PostgreSQL each
        of its statements is committed: give this operation a step of its own. `--sql` writes `script`.
        """
        operations.invoke(cls(table_name, fill, script))


@Operations.implementation_for(FillTableOp)
def _fill_table(operations: Operations, operation: FillTableOp) -> None:
    context = operations.migration_context
    if context.as_sql:
        execute(operations, operation.script)
        return
    with context.autocommit_block() if context.dialect.name == "postgresql" else nullcontext():
        note_filled_rows(context, operation.fill(operations.get_bind()))
