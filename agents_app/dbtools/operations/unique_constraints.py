"""UNIQUE constraints on tables in use: their index is created while others continue to write."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.database import leftovers
from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp
from agents_app.dbtools.operations.sql import execute, final_name

PRESENT = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name"


@Operations.register_operation("add_unique_constraint")
class AddUniqueConstraintOp(MigrateOperation):
    """Add a UNIQUE constraint without a long lock."""

    def __init__(self, name: str, table_name: str, columns: Sequence[str], **options: Any) -> None:
        self.name, self.table_name, self.columns, self.options = name, table_name, tuple(columns), options

    @classmethod
    def add_unique_constraint(
        cls, operations: Operations, name: str, table_name: str, columns: Sequence[str], **options: Any
    ) -> None:
        """Add a UNIQUE constraint to a table that may be large. It fails if rows have equal values.

        `options` are `deferrable`, `initially`, and those of its index, such as `postgresql_nulls_not_distinct`. On
        PostgreSQL the operations before this one are committed, so that others can write while the index is created:
        give this operation a step of its own.
        """
        operations.invoke(cls(name, table_name, columns, **options))


@Operations.implementation_for(AddUniqueConstraintOp)
def _add(operations: Operations, operation: AddUniqueConstraintOp) -> None:
    context = operations.migration_context
    name, table = final_name(operations, operation.name), operation.table_name
    if context.dialect.name != "postgresql":
        with operations.batch_alter_table(table) as batch:
            batch.create_unique_constraint(batch.f(name), list(operation.columns), **operation.options)
        return
    if not context.as_sql and operations.get_bind().scalar(
        sa.text(PRESENT), {"table": quote_if_needed(table), "name": name}
    ):
        raise CommandError(f"{table} has a constraint {name} already. Choose another name, or leave it out.")
    index_options = {key: value for key, value in operation.options.items() if key.startswith("postgresql_")}
    operations.invoke(CreateIndexConcurrentlyOp(name, table, operation.columns, unique=True, options=index_options))
    # A later failure must not leave an index that refuses rows.
    leftovers.register(context, leftovers.unused_index(name, table))
    quoted = quote_if_needed(name)
    statement = f"ALTER TABLE {quote_if_needed(table)} ADD CONSTRAINT {quoted} UNIQUE USING INDEX {quoted}"
    if operation.options.get("deferrable"):
        statement += " DEFERRABLE"
    if initially := operation.options.get("initially"):
        statement += f" INITIALLY {initially}"
    execute(operations, statement)
