"""Constraints on tables that are in use: every row is looked at while others go on reading and writing."""

from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations

from agents_app.dbtools.sql import execute

# Only there while a step runs.
HELPER = "ck_console_not_null"
VALIDATED_CHECKS = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = to_regclass(:table) AND contype = 'c' AND convalidated
"""


@Operations.register_operation("validate_constraint")
class ValidateConstraintOp(MigrateOperation):
    """Look at the rows that were there before a constraint that was added with `postgresql_not_valid=True`."""

    def __init__(self, name: str, table_name: str) -> None:
        self.name, self.table_name = name, table_name

    @classmethod
    def validate_constraint(cls, operations: Operations, name: str, table_name: str) -> None:
        """Validate a CHECK or FOREIGN KEY. SQLite, which looked at every row when it came, does nothing."""
        operations.invoke(cls(name, table_name))


@Operations.register_operation("set_not_null")
class SetNotNullOp(MigrateOperation):
    """Let a column always have a value."""

    def __init__(self, table_name: str, column_name: str) -> None:
        self.table_name, self.column_name = table_name, column_name

    @classmethod
    def set_not_null(cls, operations: Operations, table_name: str, column_name: str) -> None:
        """Set NOT NULL on a column of a table that may be large; rows without a value make it fail.

        On PostgreSQL the transaction so far is committed, so that nobody waits while every row is looked at; it can be
        run again after a failure: let such a step do nothing else.
        """
        operations.invoke(cls(table_name, column_name))


@Operations.implementation_for(ValidateConstraintOp)
def _validate(operations: Operations, operation: ValidateConstraintOp) -> None:
    if operations.migration_context.dialect.name == "postgresql":
        quote = operations.impl.dialect.identifier_preparer.quote
        execute(operations, f"ALTER TABLE {quote(operation.table_name)} VALIDATE CONSTRAINT {quote(operation.name)}")


@Operations.implementation_for(SetNotNullOp)
def _set_not_null(operations: Operations, operation: SetNotNullOp) -> None:
    context = operations.migration_context
    if context.dialect.name != "postgresql":
        with operations.batch_alter_table(operation.table_name) as batch:
            batch.alter_column(operation.column_name, nullable=False)
        return
    quote = operations.impl.dialect.identifier_preparer.quote
    table, column = quote(operation.table_name), quote(operation.column_name)
    with context.autocommit_block():
        execute(operations, f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {HELPER}")
        execute(operations, f"ALTER TABLE {table} ADD CONSTRAINT {HELPER} CHECK ({column} IS NOT NULL) NOT VALID")
        # Takes long and is in nobody's way; the two that follow take no time.
        execute(operations, f"ALTER TABLE {table} VALIDATE CONSTRAINT {HELPER}")
        execute(operations, f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
        execute(operations, f"ALTER TABLE {table} DROP CONSTRAINT {HELPER}")


def is_checked_not_null(connection: sa.Connection, table: str, column: str) -> bool:
    """Whether a validated CHECK says already that the column has a value: PostgreSQL then looks at no row."""
    query = sa.text(VALIDATED_CHECKS)
    quote: Any = connection.dialect.identifier_preparer.quote
    found = connection.scalars(query, {"table": quote(table)})
    return any(f"({quote(column)} IS NOT NULL)" in text for text in found)
