"""What a step would do, found by running it with an `op` that only takes notes. Nothing is judged here."""

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
    """What one direction of a step asks for, up to `failure`: why it could not be followed to its end."""

    operations: tuple[MigrateOperation, ...]
    failure: str | None


def record_step(script: Script, direction: str, dialect: str) -> RecordedStep:
    """What `upgrade` or `downgrade` of a step asks for on such a database. The database itself is not needed."""
    spoken = StringIO()
    recorder = _Recorder(_offline(dialect, spoken))
    failure = None
    try:
        with _listening(script.module, recorder):
            getattr(script.module, direction)()
    except Exception as error:  # A step is somebody's program: it may fail in every way there is.
        failure = f"{type(error).__name__}: {error}".splitlines()[0]
    if spoken.getvalue().strip():
        # Sent past `op`, on its connection.
        recorder.noted.append(ops.ExecuteSQLOp(spoken.getvalue()))
    return RecordedStep(tuple(recorder.noted), failure)


def sql_of_step(script: Script, direction: str, dialect: str) -> str | None:
    """The SQL of one direction of a step; None where it cannot be said without the tables themselves."""
    written = StringIO()
    try:
        with _listening(script.module, Operations(_offline(dialect, written))):
            getattr(script.module, direction)()
    except (CommandError, NotImplementedError, AttributeError, TypeError):
        return None
    return written.getvalue().strip()


class _Recorder(Operations):
    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self.noted: list[MigrateOperation] = []

    def invoke(self, operation: MigrateOperation) -> Any:
        self.noted.append(operation)
        return operation.to_table(self.migration_context) if isinstance(operation, ops.CreateTableOp) else None

    @contextmanager
    def batch_alter_table(
        self, table_name: str, schema: str | None = None, *_arguments: Any, **_options: Any
    ) -> Iterator[BatchOperations]:
        with super().batch_alter_table(table_name, schema) as empty:
            batch = _RecordingBatch(self.migration_context, impl=empty.impl)
            batch.noted = self.noted
            yield batch


class _RecordingBatch(BatchOperations):
    noted: list[MigrateOperation]

    def invoke(self, operation: MigrateOperation) -> Any:
        self.noted.append(operation)


def _offline(dialect: str, written: StringIO) -> MigrationContext:
    settings = {
        "as_sql": True,
        "literal_binds": True,
        "transactional_ddl": True,
        "output_buffer": written,
        "target_metadata": db.metadata,
    }
    return MigrationContext.configure(dialect_name=dialect, dialect_opts={"paramstyle": "named"}, opts=settings)


@contextmanager
def _listening(module: ModuleType, operations: Operations) -> Iterator[None]:
    # Alembic's own way to say what `op` is holds for the whole process; this holds for one module, which nobody else
    # has: each ScriptDirectory loads its files anew.
    names = [name for name, value in vars(module).items() if value is alembic.op]
    for name in names:
        setattr(module, name, operations)
    try:
        yield
    finally:
        for name in names:
            setattr(module, name, alembic.op)
