"""Constraints on tables in use: every row is checked while others continue to read and write."""

import shlex
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.database import leftovers, session_limits
from agents_app.dbtools.database.leftovers import NOT_NULL_CHECK
from agents_app.dbtools.operations.sql import execute, final_name
from agents_app.dbtools.output import pluralize
from agents_app.paths import COMMAND

VALIDATED_CHECKS = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = to_regclass(:table) AND contype = 'c' AND convalidated
"""


@Operations.register_operation("validate_constraint")
class ValidateConstraintOp(MigrateOperation):
    """Check the rows that existed before a constraint that was added with `postgresql_not_valid=True`."""

    def __init__(self, name: str, table_name: str) -> None:
        self.name, self.table_name = name, table_name

    @classmethod
    def validate_constraint(cls, operations: Operations, name: str, table_name: str) -> None:
        """Validate a CHECK or FOREIGN KEY. SQLite did so when it added the constraint, and does nothing here.

        On PostgreSQL the operations before this one are committed, so that no lock of theirs is held while every row is
        checked: give this operation a step of its own. A second run does nothing.
        """
        operations.invoke(cls(name, table_name))

    def reverse(self) -> "ValidateConstraintOp":
        # No rule needs to be forgotten: a second run does nothing.
        return self


@Operations.register_operation("set_not_null")
class SetNotNullOp(MigrateOperation):
    """Set NOT NULL on a column without a long lock."""

    def __init__(self, table_name: str, column_name: str) -> None:
        self.table_name, self.column_name = table_name, column_name

    @classmethod
    def set_not_null(cls, operations: Operations, table_name: str, column_name: str) -> None:
        """Set NOT NULL on a column of a table that may be large. Rows without a value are refused.

        The running release must already write the column. On PostgreSQL the operations before this one are committed,
        so that no one waits while every row is checked: give this operation a step of its own.
        """
        operations.invoke(cls(table_name, column_name))


@Operations.implementation_for(ValidateConstraintOp)
def _validate(operations: Operations, operation: ValidateConstraintOp) -> None:
    if operations.migration_context.dialect.name == "postgresql":
        alter = f"ALTER TABLE {quote_if_needed(operation.table_name)}"
        with operations.migration_context.autocommit_block():
            name = quote_if_needed(final_name(operations, operation.name))
            execute(operations, f"{alter} VALIDATE CONSTRAINT {name}")


@Operations.implementation_for(SetNotNullOp)
def _set_not_null(operations: Operations, operation: SetNotNullOp) -> None:
    context = operations.migration_context
    table, column = operation.table_name, operation.column_name
    if not context.as_sql:
        _refuse_missing_values(operations, table, column)
    if context.dialect.name != "postgresql":
        with operations.batch_alter_table(table) as batch:
            batch.alter_column(column, nullable=False)
        return
    # An attempt that did not get the lock at the end has already checked the rows.
    if context.as_sql or not is_checked_not_null(operations.get_bind(), table, column):
        _check_not_null(operations, table, column)
    # Both are fast and are committed with the step: with a validated CHECK PostgreSQL does not check the rows again.
    alter = f"ALTER TABLE {quote_if_needed(table)}"
    execute(operations, f"{alter} ALTER COLUMN {quote_if_needed(column)} SET NOT NULL")
    execute(operations, f"{alter} DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}")


def _refuse_missing_values(operations: Operations, table: str, column: str) -> None:
    # Before anything else, so that the most frequent failure happens before a lock is taken.
    connection = operations.get_bind()
    missing = sa.select(sa.func.count()).select_from(sa.table(table)).where(sa.column(column).is_(None))
    with session_limits.without_statement_limit(connection):
        count = connection.scalar(missing)
    if count:
        rows = f"{pluralize(count, 'row')} of {table} without a value in {column}"
        raise CommandError(f"{rows}. {_how_to_fill(operations.migration_context, table, column)}")


def _how_to_fill(context: MigrationContext, table: str, column: str) -> str:
    steps: Any = context.opts.get("steps")
    undone = None if steps is None else steps.undone_revision
    if undone is None:
        revision = getattr(steps, "revision", None) or "REVISION"
        fill = f"{COMMAND} db revision -m {shlex.quote(f'fill_{table}_{column}')} --before {revision}"
        return f"Give each row a value, then run the command again. Or let a step do it: {fill}"
    # A way back adds a dropped column again, without its values. On SQLite that is undone with the failed step.
    first = "" if context.dialect.name == "postgresql" else f"{COMMAND} db downgrade {undone}, then "
    saved = "Restore the values that were saved when the column was dropped"
    return f"{saved}: {first}{COMMAND} db restore-rows FOLDER, then run the command again."


def _check_not_null(operations: Operations, table: str, column: str) -> None:
    context = operations.migration_context
    leftovers.register(context, leftovers.not_null_check(table))
    alter, quoted_column = f"ALTER TABLE {quote_if_needed(table)}", quote_if_needed(column)
    with context.autocommit_block():
        execute(operations, f"{alter} DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}")
        execute(operations, f"{alter} ADD CONSTRAINT {NOT_NULL_CHECK} CHECK ({quoted_column} IS NOT NULL) NOT VALID")
        # This is slow, and others can write while it runs.
        execute(operations, f"{alter} VALIDATE CONSTRAINT {NOT_NULL_CHECK}")


def is_checked_not_null(connection: sa.Connection, table: str, column: str) -> bool:
    """Whether a validated CHECK keeps the column from being NULL: PostgreSQL then does not check the rows again."""
    found = connection.scalars(sa.text(VALIDATED_CHECKS), {"table": quote_if_needed(table)})
    return f"CHECK (({quote_if_needed(column)} IS NOT NULL))" in found.all()
