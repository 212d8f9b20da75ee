"""Reads ALTER TABLE: each of its actions becomes the operation that does the same."""

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.operations.constraints import ValidateConstraintOp
from agents_app.dbtools.review.sql_columns import constraint_operations, new_column, read_constraint
from agents_app.dbtools.review.sql_objects import row_security
from agents_app.dbtools.review.sql_operations import (
    AddPartitionOp,
    AttachPartitionOp,
    DetachPartitionOp,
    Mark,
    NotInTransactionOp,
    NotUnderstoodOp,
    RewriteTableOp,
    SqlType,
    TouchTableOp,
    WideStatementOp,
    add_mark,
)
from agents_app.dbtools.review.sql_tokens import NotUnderstood, QualifiedName, Reader, Tokens, source_of

Found = Iterator[MigrateOperation]
CONSTRAINTS = ("CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE")
REWRITES = ("SET LOGGED", "SET UNLOGGED", "SET TABLESPACE", "SET ACCESS METHOD", "SET WITHOUT OIDS")
SWITCHES = (
    *("ENABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY"),
    *("DISABLE TRIGGER", "DISABLE RULE"),
)
# They change the catalogue only, under a short lock.
SHORT = (
    *("OWNER TO", "CLUSTER ON", "SET WITHOUT CLUSTER", "RESET", "INHERIT", "REPLICA IDENTITY"),
    *("ENABLE", "NO FORCE ROW", "OF", "NOT OF", "ALTER CONSTRAINT", "SET ("),
)


def read_alter_table(reader: Reader, statement: Tokens) -> Found:
    """The operations of the rest of an ALTER TABLE."""
    marks = Mark.IF_EXISTS if reader.has("IF EXISTS") else Mark.NONE
    marks |= Mark.CASCADES if statement[-1].is_word("CASCADE") else Mark.NONE
    reader.has("ONLY")
    table = reader.qualified_name()
    reader.has("*")
    for action in reader.split_rest():
        part = Reader(action, reader.dialect)
        try:
            for read in _read_action(part, table):
                add_mark(read, marks)
                yield read
        except NotUnderstood:
            text = f"ALTER TABLE {quote_if_needed(table.name)} {source_of(action)}"
            yield NotUnderstoodOp(table.name, table.schema, statement=text)
        if action and action[-1].is_word("CASCADE"):
            yield WideStatementOp(statement=source_of(statement))


def _read_action(part: Reader, table: QualifiedName) -> Found:
    if verb := part.has_one_of(*REWRITES):
        yield RewriteTableOp(table.name, table.schema, verb=f"ALTER TABLE ... {verb}", instead="")
    elif verb := part.has_one_of(*SWITCHES):
        yield row_security(table, verb)
    elif part.has_one_of(*SHORT):
        yield TouchTableOp(table.name, table.schema)
    elif verb := part.has_one_of(*ACTIONS):
        yield from ACTIONS[verb](part, table)
    else:
        raise NotUnderstood(source_of(part.tokens))


def _validate(part: Reader, table: QualifiedName) -> Found:
    yield ValidateConstraintOp(part.name(), table.name)


def _attach(part: Reader, table: QualifiedName) -> Found:
    partition = part.qualified_name()
    yield AddPartitionOp(table.name, table.schema, partition=partition.name)
    yield AttachPartitionOp(partition.name, partition.schema, partition=partition.name)


def _detach(part: Reader, table: QualifiedName) -> Found:
    if part.rest[-1:] and part.rest[-1].is_word("CONCURRENTLY"):
        yield NotInTransactionOp(table.name, table.schema, statement="DETACH PARTITION ... CONCURRENTLY")
    yield DetachPartitionOp(table.name, table.schema, partition=part.qualified_name().name)


def _no_inherit(part: Reader, table: QualifiedName) -> Found:
    parent = part.qualified_name()
    yield DetachPartitionOp(parent.name, parent.schema, partition=table.name)


def _set_schema(part: Reader, table: QualifiedName) -> Found:
    yield ops.RenameTableOp(table.name, f"{part.name()}.{table.name}", schema=table.schema)


def _rename(part: Reader, table: QualifiedName) -> Found:
    if part.has("CONSTRAINT"):
        constraint = part.name()
        part.require("TO")
        yield TouchTableOp(table.name, table.schema, renamed=(constraint, part.name()))
        return
    if part.has("TO"):
        yield ops.RenameTableOp(table.name, part.name(), schema=table.schema)
        return
    part.has("COLUMN")
    column = part.name()
    part.require("TO")
    yield ops.AlterColumnOp(table.name, column, modify_name=part.name(), schema=table.schema)


def _drop(part: Reader, table: QualifiedName) -> Found:
    if part.has("CONSTRAINT"):
        may_be_missing = part.has("IF EXISTS")
        yield ops.DropConstraintOp(part.name(), table.name, schema=table.schema, if_exists=may_be_missing)
        return
    part.has("COLUMN")
    may_be_missing = part.has("IF EXISTS")
    yield ops.DropColumnOp(table.name, part.name(), schema=table.schema, if_exists=may_be_missing)


def _add(part: Reader, table: QualifiedName) -> Found:
    if part.rest and part.rest[0].is_word(*CONSTRAINTS):
        name = part.name() if part.has("CONSTRAINT") else None
        yield from constraint_operations(table, read_constraint(part, name))
        return
    part.has("COLUMN")
    keeps_present = part.has("IF NOT EXISTS")
    name = part.name()
    yield from new_column(part, table, name, keeps_present=keeps_present)


def _alter(part: Reader, table: QualifiedName) -> Found:
    part.has("COLUMN")
    column = part.name()
    where: dict[str, Any] = {"schema": table.schema}
    if part.has("SET NOT NULL"):
        yield ops.AlterColumnOp(table.name, column, modify_nullable=False, **where)
    elif part.has("DROP NOT NULL"):
        yield ops.AlterColumnOp(table.name, column, modify_nullable=True, **where)
    elif part.has_one_of("DROP DEFAULT", "DROP IDENTITY", "DROP EXPRESSION", "SET DEFAULT NULL"):
        yield ops.AlterColumnOp(table.name, column, modify_server_default=None, **where)
    elif part.has("SET DEFAULT"):
        default = sa.text(source_of(part.rest).replace(":", "\\:"))
        yield ops.AlterColumnOp(table.name, column, modify_server_default=default, **where)
    elif part.has_one_of("TYPE", "SET DATA TYPE"):
        kind = source_of(part.until("USING"))
        using = source_of(part.rest) if part.has("USING") else None
        yield ops.AlterColumnOp(table.name, column, modify_type=SqlType(kind), postgresql_using=using, **where)
    elif part.has("SET EXPRESSION"):
        yield RewriteTableOp(table.name, table.schema, verb="ALTER TABLE ... SET EXPRESSION", instead="")
    elif part.has_one_of("ADD GENERATED ALWAYS", "SET GENERATED ALWAYS"):
        yield ops.AlterColumnOp(table.name, column, modify_server_default=sa.Identity(always=True), **where)
    elif part.has_one_of("SET", "RESET", "ADD GENERATED", "RESTART"):
        yield TouchTableOp(table.name, table.schema)
    else:
        raise NotUnderstood(source_of(part.tokens))


ACTIONS: dict[str, Callable[[Reader, QualifiedName], Found]] = {
    "RENAME": _rename,
    "DROP": _drop,
    "ADD": _add,
    "ALTER": _alter,
    "VALIDATE CONSTRAINT": _validate,
    "ATTACH PARTITION": _attach,
    "DETACH PARTITION": _detach,
    "NO INHERIT": _no_inherit,
    "SET SCHEMA": _set_schema,
}
