"""Records the operations of a step: runs it with an `op` that changes nothing. `rules.py` judges them.

What a step sends to `op.get_bind()` is recorded too, and which operations are outside the step's transaction.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from traceback import walk_tb
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations, ops
from alembic.operations.base import BatchOperations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy.engine.mock import MockConnection

from agents_app.db import db
from agents_app.dbtools.marks import op_replaced
from agents_app.dbtools.operations.dangers import ReasonMissing
from agents_app.dbtools.operations.requirements import IncompleteRequirement
from agents_app.dbtools.review.sql_operations import Mark, add_mark
from agents_app.dbtools.review.sql_values import sets_of_values


@dataclass(frozen=True)
class RecordedStep:
    """The operations of one direction of a step up to `failure`: why the rest could not be recorded.

    It `raises` if the failure comes from the file itself, before it asked the database anything.
    """

    operations: tuple[MigrateOperation, ...]
    failure: str | None
    raises: bool = False


def record_step(script: Script, direction: str, dialect: str) -> RecordedStep:
    """The operations that `upgrade` or `downgrade` of a step calls on such a database. No database is needed."""
    recorder = _Recorder(_offline_context(dialect, StringIO()))
    failure, raises = None, False
    try:
        with op_replaced(script.module, recorder):
            getattr(script.module, direction)()
    except (ReasonMissing, IncompleteRequirement) as error:
        raise type(error)(f"{Path(script.path).name}: {error}") from error
    except Exception as error:  # A step is a program of its own: it may raise anything.
        failure = f"{type(error).__name__}: {error}".splitlines()[0]
        places = [frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__)]
        raises = places[-1:] == [script.module.__file__] and not recorder.has_asked
    return RecordedStep(tuple(recorder.recorded), failure, raises)


def step_sql(script: Script, direction: str, dialect: str) -> str | None:
    """The SQL of one direction of a step; None if it depends on the tables themselves."""
    output = StringIO()
    try:
        with op_replaced(script.module, Operations(_offline_context(dialect, output))):
            getattr(script.module, direction)()
    except Exception:  # A step is a program of its own: it may raise anything.
        return None
    return output.getvalue().strip()


class _Recorder(Operations):
    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self.recorded: list[MigrateOperation] = []
        self.has_asked = False
        self._is_in_autocommit = False
        # Those of the context write to a script.
        replaced: Any = context
        replaced.connection = replaced.impl.connection = _RecordingConnection(context.dialect, self.record_sql)
        replaced.autocommit_block = self._autocommit_block

    def record(self, operation: MigrateOperation) -> None:
        if self._is_in_autocommit:
            add_mark(operation, Mark.IN_AUTOCOMMIT)
        self.recorded.append(operation)

    def record_sql(self, statement: Any, parameters: Any = None) -> None:
        for values in sets_of_values(parameters):
            operation = ops.ExecuteSQLOp(statement)
            vars(operation)["values"] = values
            self.record(operation)

    def get_bind(self) -> Any:
        self.has_asked = True
        return super().get_bind()

    def get_context(self) -> MigrationContext:
        self.has_asked = True
        return super().get_context()

    @contextmanager
    def _autocommit_block(self) -> Iterator[None]:
        self._is_in_autocommit = True
        try:
            yield
        finally:
            self._is_in_autocommit = False

    def invoke(self, operation: MigrateOperation) -> Any:
        self.record(operation)
        return operation.to_table(self.migration_context) if isinstance(operation, ops.CreateTableOp) else None

    @contextmanager
    def batch_alter_table(
        self, table_name: str, schema: str | None = None, *_arguments: Any, **_options: Any
    ) -> Iterator[BatchOperations]:
        first = len(self.recorded)
        with super().batch_alter_table(table_name, schema) as unused:
            batch = _BatchRecorder(self.migration_context, impl=unused.impl)
            batch.record = self.record
            yield batch
        recorded = self.recorded[first:]
        if _options.get("recreate") == "always" or any(map(_rebuilds_table, recorded)):
            for operation in recorded:
                add_mark(operation, Mark.REBUILDS)


class _BatchRecorder(BatchOperations):
    record: Callable[[MigrateOperation], None]

    def invoke(self, operation: MigrateOperation) -> Any:
        self.record(operation)


def _rebuilds_table(operation: MigrateOperation) -> bool:
    # As Alembic decides it on SQLite.
    if isinstance(operation, ops.AddColumnOp):
        column = operation.column
        if column.unique or column.foreign_keys or column.constraints:
            return True
        return isinstance(getattr(column.server_default, "arg", None), sa.ClauseElement) or (
            column.computed is not None and bool(column.computed.persisted)
        )
    return not isinstance(operation, ops.CreateIndexOp | ops.DropIndexOp)


class _RecordingConnection(MockConnection):
    """The connection of `op.get_bind()`. What it returns has no rows, and fails when it is asked for one."""

    def exec_driver_sql(self, statement: str, *_arguments: Any, **_options: Any) -> None:
        self._execute_impl(sa.text(statement.replace(":", "\\:")))

    def scalar(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        return self.execute(statement, *arguments, **options).scalar()

    def scalars(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        return self.execute(statement, *arguments, **options).scalars()


def _offline_context(dialect: str, output: StringIO) -> MigrationContext:
    settings = {
        "as_sql": True,
        "literal_binds": True,
        "transactional_ddl": True,
        "output_buffer": output,
        "target_metadata": db.metadata,
    }
    return MigrationContext.configure(dialect_name=dialect, dialect_opts={"paramstyle": "named"}, opts=settings)
