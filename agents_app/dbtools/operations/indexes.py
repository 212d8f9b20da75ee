"""Indexes on tables in use: created and dropped while others continue to write."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations, ops
from alembic.util import CommandError

from agents_app.dbtools.database import leftovers
from agents_app.dbtools.operations.present_indexes import present_name
from agents_app.dbtools.operations.sql import final_name

ANOTHER_NAME = "Choose another name, or drop the present one in a step before this one."


@Operations.register_operation("create_index_concurrently")
class CreateIndexConcurrentlyOp(MigrateOperation):
    """Create an index while others write."""

    def __init__(
        self,
        name: str,
        table_name: str,
        columns: Sequence[Any],
        unique: bool,
        condition: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.table_name, self.columns, self.unique = name, table_name, columns, unique
        self.condition, self.options = condition, dict(options or {})

    @classmethod
    def create_index_concurrently(
        cls,
        operations: Operations,
        name: str,
        table_name: str,
        columns: Sequence[Any],
        *,
        unique: bool = False,
        where: str | None = None,
        **options: Any,
    ) -> None:
        """Create an index, on PostgreSQL with CONCURRENTLY. With `where` it has only the rows that meet that condition.

        `columns` are names, or `sa.text` for an expression. `options` are those of one database, such as
        `postgresql_using="gin"`.

        On PostgreSQL the operations before this one are committed: give this operation a step of its own. An invalid
        index that an earlier attempt left is removed first, so that the step can be run again. If the index is there
        already, nothing is done.

        Raises CommandError if the name is that of another index, or of a table.
        """
        operations.invoke(cls(name, table_name, columns, unique, where, options))


def wanted_index(operation: CreateIndexConcurrentlyOp, name: str) -> ops.CreateIndexOp:
    """The index that an operation creates, with its final name."""
    options = {**operation.options, "unique": operation.unique}
    if operation.condition is not None:
        condition: Any = sa.text(operation.condition)
        options |= {"postgresql_where": condition, "sqlite_where": condition}
    return ops.CreateIndexOp(name, operation.table_name, list(operation.columns), **options)


@Operations.register_operation("drop_index_concurrently")
class DropIndexConcurrentlyOp(MigrateOperation):
    """Drop an index while others write."""

    def __init__(self, name: str, table_name: str) -> None:
        self.name, self.table_name = name, table_name

    @classmethod
    def drop_index_concurrently(cls, operations: Operations, name: str, table_name: str) -> None:
        """Drop an index, on PostgreSQL with CONCURRENTLY and only if it still exists."""
        operations.invoke(cls(name, table_name))


@Operations.implementation_for(CreateIndexConcurrentlyOp)
def _create(operations: Operations, operation: CreateIndexConcurrentlyOp) -> None:
    name, table = final_name(operations, operation.name), operation.table_name
    wanted = wanted_index(operation, name)
    context = operations.migration_context
    present = None if context.as_sql else present_name(operations.get_bind(), wanted)
    if present is not None and present.cause is not None:
        raise CommandError(f"{present.cause}. {ANOTHER_NAME}")
    if present is not None and not present.is_leftover:
        return
    options = {**wanted.kw, "unique": wanted.unique, "schema": wanted.schema}
    create = partial(operations.create_index, name, table, wanted.columns, **options)
    if context.dialect.name != "postgresql":
        create()
        return
    leftover = leftovers.invalid_index(name, table)
    leftovers.register(context, leftover)
    with context.autocommit_block():
        if not context.as_sql and leftover.exists(operations.get_bind()):
            operations.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
        create(postgresql_concurrently=True, if_not_exists=True)


@Operations.implementation_for(DropIndexConcurrentlyOp)
def _drop(operations: Operations, operation: DropIndexConcurrentlyOp) -> None:
    context = operations.migration_context
    name = final_name(operations, operation.name)
    if context.dialect.name != "postgresql":
        operations.drop_index(name, operation.table_name)
        return
    with context.autocommit_block():
        operations.drop_index(name, operation.table_name, postgresql_concurrently=True, if_exists=True)
