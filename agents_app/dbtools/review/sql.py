"""Translates plain SQL into the operations that do the same, so that one set of rules judges both."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from agents_app.dbtools.review.sql_alter import read_alter_table
from agents_app.dbtools.review.sql_blocks import functions_in, statements_of_block
from agents_app.dbtools.review.sql_operations import CallFunctionOp, Mark, NotUnderstoodOp, add_mark, marks_of
from agents_app.dbtools.review.sql_rows import read_rows_statement
from agents_app.dbtools.review.sql_statements import STATEMENTS
from agents_app.dbtools.review.sql_tokens import NotUnderstood, Reader, Tokens, source_of, split_statements

DIALECTS: dict[str, Any] = {"postgresql": postgresql.dialect, "sqlite": sqlite.dialect}
ROWS = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "REPLACE", "(")


def operations_of(operation: MigrateOperation, dialect: str) -> list[MigrateOperation]:
    """The operation itself, or those that its plain SQL runs."""
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


def _text_of(operation: ops.ExecuteSQLOp, dialect: str) -> str:
    source = operation.sqltext
    if not isinstance(source, sa.ClauseElement):
        return str(source)
    # Parameters remain `:name`, and `%` is not doubled.
    known = DIALECTS[dialect](paramstyle="named")
    try:
        return str(source.compile(dialect=known, compile_kwargs={"literal_binds": True}))
    except (SQLAlchemyError, NotImplementedError):
        return str(source.compile(dialect=known))


def _read(statement: Tokens, dialect: str) -> Iterator[MigrateOperation]:
    try:
        yield from _read_statement(statement, dialect)
    except NotUnderstood:
        yield NotUnderstoodOp(statement=source_of(statement))


def _read_statement(statement: Tokens, dialect: str) -> Iterator[MigrateOperation]:
    reader = Reader(statement, dialect)
    if statement[0].is_word(*ROWS) or statement[0].text == "(":
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
    bodies = [token.text for token in reader.rest if token.kind == "literal"]
    if not bodies:
        raise NotUnderstood("DO")
    if any(token.is_word("LANGUAGE") for token in reader.tokens) and not any(
        token.text.lower() == "plpgsql" for token in reader.tokens
    ):
        raise NotUnderstood("LANGUAGE")
    for name in functions_in(bodies[0], dialect):
        yield CallFunctionOp(name=name, may_be_keyword=True)
    for statement, executed in statements_of_block(bodies[0], dialect):
        parts = [statement] if executed is None else split_statements(executed, dialect)
        if executed == "":
            yield NotUnderstoodOp(statement=f"EXECUTE {source_of(statement)}")
        for part in parts:
            for read in _read(part, dialect):
                add_mark(read, Mark.IN_BLOCK)
                yield read
