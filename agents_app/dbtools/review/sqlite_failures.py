"""What SQLite's ALTER TABLE cannot do. A batch of Alembic makes a new table instead, which can."""

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from agents_app.dbtools.review.column_rules import text_of
from agents_app.dbtools.review.effects import table_name
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.sql_operations import Mark, marks_of

Causes = Iterator[tuple[str | None, str, str]]
BATCH = "Use a batch, which makes a new table: with op.batch_alter_table('{}') as batch: batch.{}"
LITERAL = re.compile(r"[-+]?\s*(\d[\w.]*|\.\d+|'([^']|'')*'|\"[^\"]*\"|x'[0-9a-f]*'|NULL|TRUE|FALSE)", re.IGNORECASE)


def causes(operation: Any, facts: DatabaseFacts) -> Causes:
    """Why SQLite refuses an operation; nothing if it does not, and for a batch that makes a new table."""
    table = table_name(operation, facts)
    if table is None:
        return
    if isinstance(operation, ops.AddColumnOp):
        yield from _add_identity(operation.column, table, facts)
    if Mark.REBUILDS in marks_of(operation):
        return
    if isinstance(operation, ops.AddColumnOp):
        yield from _add_column(operation, table, facts)
    elif isinstance(operation, ops.CreateIndexOp) and not operation.index_name and Mark.FROM_SQL in marks_of(operation):
        yield table, "SQLite has no index without a name", "Give the index a name."
    elif isinstance(operation, ops.AddConstraintOp):
        yield from _add_constraint(operation, table)
    elif isinstance(operation, ops.DropConstraintOp):
        yield table, "SQLite's ALTER TABLE cannot drop a constraint", BATCH.format(table, "drop_constraint(...)")
    elif isinstance(operation, ops.AlterColumnOp) and _changes_more_than_name(operation):
        yield table, "SQLite's ALTER TABLE cannot change a column", BATCH.format(table, "alter_column(...)")
    elif isinstance(operation, ops.DropColumnOp):
        yield from _drop_column(operation, table, facts)


def _add_column(operation: ops.AddColumnOp, table: str, facts: DatabaseFacts) -> Causes:
    column, batch = operation.column, BATCH.format(table, "add_column(...)")
    if column.computed is not None and column.computed.persisted:
        yield table, "SQLite's ALTER TABLE cannot add a stored generated column", batch
    if Mark.FROM_SQL not in marks_of(operation) and has_constraint(column):
        yield table, "SQLite's ALTER TABLE cannot add a constraint", batch
    default = getattr(column.server_default, "arg", None)
    is_constant = default is None or isinstance(default, str) or LITERAL.fullmatch(text_of(default).strip(" ()"))
    if not is_constant and column.computed is None and facts.rows(table) != 0:
        yield table, f"SQLite adds no column with the default {text_of(default)} to a table with rows", batch


def _add_identity(column: sa.Column[Any], table: str, facts: DatabaseFacts) -> Causes:
    if column.identity is not None and not column.nullable and facts.rows(table) != 0:
        what = f"SQLite has no identity, so the rows of {table} would have no value in {column.name}, which is NOT NULL"
        yield (
            table,
            what,
            f"Add {column.name} without NOT NULL, fill it with op.fill_rows, and set NOT NULL in a later step.",
        )


def has_constraint(column: sa.Column[Any]) -> bool:
    """Whether Alembic adds a constraint after it has added a column."""
    return bool(column.unique or column.foreign_keys)


def _add_constraint(operation: Any, table: str) -> Causes:
    do = BATCH.format(table, "create_...(...)")
    if Mark.OF_COLUMN not in marks_of(operation):
        yield table, "SQLite's ALTER TABLE cannot add a constraint", do
    elif isinstance(operation, ops.CreateUniqueConstraintOp | ops.CreatePrimaryKeyOp):
        kind = "UNIQUE" if isinstance(operation, ops.CreateUniqueConstraintOp) else "PRIMARY KEY"
        yield table, f"SQLite's ALTER TABLE cannot add a column that is {kind}", do


def _changes_more_than_name(operation: ops.AlterColumnOp) -> bool:
    changed = (operation.modify_type, operation.modify_nullable)
    return any(value is not None for value in changed) or operation.modify_server_default is not False


def _drop_column(operation: ops.DropColumnOp, table: str, facts: DatabaseFacts) -> Causes:
    inspector = sa.inspect(facts.connection)
    if table in facts.created or not inspector.has_table(table):
        return
    name = operation.column_name.lower()
    if name in map(str.lower, inspector.get_pk_constraint(table)["constrained_columns"]):
        yield (
            table,
            f"SQLite's ALTER TABLE cannot drop {operation.column_name}, which is in the primary key",
            (BATCH.format(table, "drop_column(...)")),
        )
