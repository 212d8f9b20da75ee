"""Constraints on tables that are in use: every row is looked at while others go on reading and writing."""

from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError

from agents_app.dbtools.database import leftovers
from agents_app.dbtools.database.leftovers import NOT_NULL_CHECK
from agents_app.dbtools.operations.sql import execute
from agents_app.dbtools.output import pluralize

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
        """Set NOT NULL on a column of a table that may be large; rows without a value are refused.

        The release that is running must write the column already. On PostgreSQL the transaction so far is
        committed, so that nobody waits while every row is looked at: let such a step do nothing else.
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
    table, column = operation.table_name, operation.column_name
    if not context.as_sql:
        _refuse_rows_without_a_value(operations.get_bind(), table, column)
    if context.dialect.name != "postgresql":
        with operations.batch_alter_table(table) as batch:
            batch.alter_column(column, nullable=False)
        return
    # A try that was locked out at the end has looked at the rows already.
    if context.as_sql or not is_checked_not_null(operations.get_bind(), table, column):
        _check_not_null(operations, table, column)
    # With the step's own end, and in no time: a validated CHECK spares PostgreSQL another look at the rows.
    quote = operations.impl.dialect.identifier_preparer.quote
    execute(operations, f"ALTER TABLE {quote(table)} ALTER COLUMN {quote(column)} SET NOT NULL")
    execute(operations, f"ALTER TABLE {quote(table)} DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}")


def _refuse_rows_without_a_value(connection: sa.Connection, table: str, column: str) -> None:
    # First of all, so that the usual failure comes before anything is in the way of others.
    missing = sa.select(sa.func.count()).select_from(sa.table(table)).where(sa.column(column).is_(None))
    count = connection.scalar(missing)
    if count:
        rows = f"{pluralize(count, 'row')} of {table} without {column}"
        raise CommandError(f"{rows}: give each a value, then type the same command again.")


def _check_not_null(operations: Operations, table: str, column: str) -> None:
    context, quote = operations.migration_context, operations.impl.dialect.identifier_preparer.quote
    leftovers.register(context, leftovers.not_null_check(table))
    alter = f"ALTER TABLE {quote(table)}"
    with context.autocommit_block():
        execute(operations, f"{alter} DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}")
        execute(operations, f"{alter} ADD CONSTRAINT {NOT_NULL_CHECK} CHECK ({quote(column)} IS NOT NULL) NOT VALID")
        # Takes long, and is in the way of nobody who writes a value.
        execute(operations, f"{alter} VALIDATE CONSTRAINT {NOT_NULL_CHECK}")


def is_checked_not_null(connection: sa.Connection, table: str, column: str) -> bool:
    """Whether a validated CHECK says already that the column has a value: PostgreSQL then looks at no row."""
    query = sa.text(VALIDATED_CHECKS)
    quote: Any = connection.dialect.identifier_preparer.quote
    found = connection.scalars(query, {"table": quote(table)})
    return f"CHECK (({quote(column)} IS NOT NULL))" in found.all()
