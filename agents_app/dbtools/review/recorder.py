"""Records the operations of a step: runs it with an `op` that changes nothing. `rules.py` judges them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from types import ModuleType
from typing import Any

import alembic
from alembic.operations import MigrateOperation, Operations, ops
from alembic.operations.base import BatchOperations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.util import CommandError

from agents_app.db import db


@dataclass(frozen=True)
class RecordedStep:
    """The operations of one direction of a step up to `failure`: why the rest could not be recorded."""

    operations: tuple[MigrateOperation, ...]
    failure: str | None


def record_step(script: Script, direction: str, dialect: str) -> RecordedStep:
    """The operations that `upgrade` or `downgrade` of a step calls on such a database. No database is needed."""
    output = StringIO()
    recorder = _Recorder(_offline_context(dialect, output))
    failure = None
    try:
        with _op_replaced(script.module, recorder):
            getattr(script.module, direction)()
    except Exception as error:  # A step is a program of its own: it may raise anything.
        failure = f"{type(error).__name__}: {error}".splitlines()[0]
    if output.getvalue().strip():
        # Sent to the connection of `op` directly.
        recorder.recorded.append(ops.ExecuteSQLOp(output.getvalue()))
    return RecordedStep(tuple(recorder.recorded), failure)


def step_sql(script: Script, direction: str, dialect: str) -> str | None:
    """The SQL of one direction of a step; None if it depends on the tables themselves."""
    output = StringIO()
    try:
        with _op_replaced(script.module, Operations(_offline_context(dialect, output))):
            getattr(script.module, direction)()
    except (CommandError, NotImplementedError, AttributeError, TypeError):
        return None
    return output.getvalue().strip()


class _Recorder(Operations):
    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self.recorded: list[MigrateOperation] = []

    def invoke(self, operation: MigrateOperation) -> Any:
        self.recorded.append(operation)
        return operation.to_table(self.migration_context) if isinstance(operation, ops.CreateTableOp) else None

    @contextmanager
    def batch_alter_table(
        self, table_name: str, schema: str | None = None, *_arguments: Any, **_options: Any
    ) -> Iterator[BatchOperations]:
        with super().batch_alter_table(table_name, schema) as unused:
            batch = _BatchRecorder(self.migration_context, impl=unused.impl)
            batch.recorded = self.recorded
            yield batch


class _BatchRecorder(BatchOperations):
    recorded: list[MigrateOperation]

    def invoke(self, operation: MigrateOperation) -> Any:
        self.recorded.append(operation)


def _offline_context(dialect: str, output: StringIO) -> MigrationContext:
    settings = {
        "as_sql": True,
        "literal_binds": True,
        "transactional_ddl": True,
        "output_buffer": output,
        "target_metadata": db.metadata,
    }
    return MigrationContext.configure(dialect_name=dialect, dialect_opts={"paramstyle": "named"}, opts=settings)


@contextmanager
def _op_replaced(module: ModuleType, operations: Operations) -> Iterator[None]:
    # Alembic's own way to replace `op` is global to the process. This replaces it in one module only, which no other
    # thread uses: each ScriptDirectory loads its files itself.
    names = [name for name, value in vars(module).items() if value is alembic.op]
    for name in names:
        setattr(module, name, operations)
    try:
        yield
    finally:
        for name in names:
            setattr(module, name, alembic.op)
