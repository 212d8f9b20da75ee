"""Translates plain SQL into the operations that do the same, so that one set of rules judges both."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.review.sql_alter import read_alter_table
from agents_app.dbtools.review.sql_blocks import functions_in, statements_of_block
from agents_app.dbtools.review.sql_operations import (
    CallFunctionOp,
    Mark,
    NotUnderstoodOp,
    TouchTableOp,
    add_mark,
    marks_of,
)
from agents_app.dbtools.review.sql_rows import long_insert, read_rows_statement
from agents_app.dbtools.review.sql_statements import STATEMENTS
from agents_app.dbtools.review.sql_tokens import NotUnderstood, Reader, Tokens, source_of, split_statements
from agents_app.dbtools.review.sql_values import text_of_expression

# Tokens of a statement that the rules look at.
LONGEST_SOURCE = 2000
ROWS = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "REPLACE", "(")


def operations_of(operation: MigrateOperation, dialect: str) -> list[MigrateOperation]:
    """The operation itself, or those that its plain SQL runs."""
    if isinstance(operation, ops.AddColumnOp):
        return [operation, *_checks_of(operation)]
    if not isinstance(operation, ops.ExecuteSQLOp):
        return [operation]
    text = _text_of(operation, dialect)
    try:
        statements = split_statements(text, dialect)
    except NotUnderstood:
        found: list[MigrateOperation] = [NotUnderstoodOp(statement=" ".join(text.split()))]
    else:
        found = [read for tokens in statements for read in _read(tokens, dialect)]
        # Several statements that are sent at once are one transaction.
        if len(statements) > 1:
            for read in found:
                add_mark(read, Mark.WITH_OTHERS)
    for read in found:
        add_mark(read, marks_of(operation) | Mark.FROM_SQL)
    return found


def _checks_of(operation: ops.AddColumnOp) -> Iterator[MigrateOperation]:
    for check in operation.column.constraints:
        if isinstance(check, sa.CheckConstraint):
            name: Any = check.name
            added = ops.CreateCheckConstraintOp(name, operation.table_name, check.sqltext, schema=operation.schema)
            add_mark(added, marks_of(operation) | Mark.OF_COLUMN)
            yield added


def _text_of(operation: ops.ExecuteSQLOp, dialect: str) -> str:
    source = operation.sqltext
    if not isinstance(source, sa.ClauseElement):
        return str(source)
    return text_of_expression(source, dialect, getattr(operation, "values", {}))


def _read(statement: Tokens, dialect: str) -> Iterator[MigrateOperation]:
    try:
        for read in _read_statement(statement, dialect):
            vars(read)["source"] = source_of(statement[:LONGEST_SOURCE])
            yield read
    except NotUnderstood:
        yield NotUnderstoodOp(statement=source_of(statement))


def _read_statement(statement: Tokens, dialect: str) -> Iterator[MigrateOperation]:
    reader = Reader(statement, dialect)
    if (table := long_insert(statement, dialect)) is not None:
        yield TouchTableOp(table.name, table.schema, adds_rows=True)
    elif statement[0].is_word(*ROWS) or statement[0].text == "(":
        yield from read_rows_statement(source_of(statement), dialect)
    elif reader.has("ALTER TABLE") or reader.has("ALTER FOREIGN TABLE"):
        yield from read_alter_table(reader, statement)
    elif reader.has("DO"):
        yield from _read_block(reader, dialect)
    else:
        words = reader.has_one_of(*STATEMENTS)
        if words is None:
            raise NotUnderstood(source_of(statement))
        yield from STATEMENTS[words](reader, statement)


def _read_block(reader: Reader, dialect: str) -> Iterator[MigrateOperation]:
    body = _body_of_block(reader)
    for name in functions_in(body, dialect):
        yield CallFunctionOp(name=name, may_be_keyword=True)
    for statement, executed in statements_of_block(body, dialect):
        parts = [statement] if executed is None else split_statements(executed, dialect)
        if executed == "":
            yield NotUnderstoodOp(statement=f"EXECUTE {source_of(statement)}")
        for read in (read for part in parts for read in _read(part, dialect)):
            # In a block, SELECT ... INTO sets a variable.
            if executed is not None or not isinstance(read, ops.CreateTableOp) or statement[0].is_word("CREATE"):
                add_mark(read, Mark.IN_BLOCK)
                yield read


def _body_of_block(reader: Reader) -> str:
    bodies = []
    while not reader.is_done:
        if not reader.has("LANGUAGE"):
            bodies.append(reader.next())
        elif reader.next().text.lower() != "plpgsql":
            raise NotUnderstood("LANGUAGE")
    if len(bodies) != 1 or bodies[0].kind != "literal":
        raise NotUnderstood("DO")
    return bodies[0].text
