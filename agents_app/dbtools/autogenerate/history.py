"""The tables as the migrations made them, with the types that they wrote.

A database returns only its own types: SQLite knows no time zone and no UUID. A way back that was written from those
would be wrong on the other database.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations, ops
from alembic.operations.base import BatchOperations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from agents_app.dbtools.autogenerate.table_history import CHANGES, Tables, created_table
from agents_app.dbtools.marks import op_replaced


@dataclass(frozen=True)
class History:
    """What the steps made. `unread` is plain SQL, and steps that could not be read whole: it may change more."""

    tables: Tables
    unread: str

    def labels(self, enum: str) -> list[str] | None:
        """The labels of an enum; None if no column has it."""
        types = (column.type for table in self.tables.values() for column in table.columns.values())
        return next((list(found.enums) for found in types if isinstance(found, sa.Enum) and found.name == enum), None)


def read_history(script: ScriptDirectory, metadata: sa.MetaData) -> Tables:
    """The tables after the upgrade of every step. A step that queries the database is read up to there."""
    return read_whole_history(script, metadata).tables


def read_whole_history(script: ScriptDirectory, metadata: sa.MetaData) -> History:
    """The tables after the upgrade of every step, and what could not be read."""
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={"as_sql": True, "output_buffer": StringIO(), "target_metadata": metadata},
    )
    replayer = _Replayer(context)
    for step in reversed(list(script.walk_revisions())):
        is_read = False
        # A step is a program of its own: it may raise anything.
        with suppress(Exception), op_replaced(step.module, replayer):
            step.module.upgrade()
            is_read = True
        if not is_read:
            replayer.unread.append(Path(step.path).read_text("utf-8-sig"))
    return History(replayer.tables, "\n".join(replayer.unread))


class _Replayer(Operations):
    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self.tables: Tables = {}
        self.unread: list[str] = []

    def invoke(self, operation: MigrateOperation) -> Any:
        if isinstance(operation, ops.ExecuteSQLOp):
            self.unread.append(str(operation.sqltext))
        table = operation.to_table(self.migration_context) if isinstance(operation, ops.CreateTableOp) else None
        if table is not None:
            self.tables[table.name] = created_table(table)
            return table
        if isinstance(operation, ops.AddConstraintOp):
            # The conventions of the models give it its whole name.
            operation.constraint_name = operation.to_constraint(self.migration_context).name  # type: ignore[attr-defined]
        if (apply := CHANGES.get(type(operation))) is not None:
            apply(self.tables, operation)
        return table

    @contextmanager
    def batch_alter_table(
        self, table_name: str, schema: str | None = None, *_arguments: Any, **_options: Any
    ) -> Iterator[BatchOperations]:
        with super().batch_alter_table(table_name, schema) as unused:
            batch = _BatchReplayer(self.migration_context, impl=unused.impl)
            batch.replayer = self
            yield batch


class _BatchReplayer(BatchOperations):
    replayer: _Replayer

    def invoke(self, operation: MigrateOperation) -> Any:
        self.replayer.invoke(operation)
