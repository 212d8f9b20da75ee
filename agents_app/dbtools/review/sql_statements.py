"""Reads statements about objects other than rows and ALTER TABLE: each becomes the operation that does the same."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.review.sql_columns import text_clause
from agents_app.dbtools.review.sql_maintenance import cluster, refresh, reindex, vacuum
from agents_app.dbtools.review.sql_objects import (
    alter_object,
    change_setting,
    copy,
    create_hook,
    drop_hook,
    explain,
    revoke,
)
from agents_app.dbtools.review.sql_operations import (
    AddPartitionOp,
    CreateObjectOp,
    CreateViewOp,
    DropObjectOp,
    DropTypeOp,
    LockTableOp,
    Mark,
    NotInTransactionOp,
    TransactionOp,
    TruncateOp,
    WideStatementOp,
    add_mark,
)
from agents_app.dbtools.review.sql_rows import read_rows_statement
from agents_app.dbtools.review.sql_sqlite import attach, pragma
from agents_app.dbtools.review.sql_tokens import Reader, Tokens, source_of, split_list
from agents_app.dbtools.review.sql_types import alter_type, create_type

Found = Iterator[MigrateOperation]
Read = Callable[[Reader, Tokens], Found]
DATA_CLAUSE = re.compile(r"\s+WITH\s+(NO\s+)?DATA$", re.IGNORECASE)
HARMLESS_LOCKS = ("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE")


def _nothing(_reader: Reader, _statement: Tokens) -> Found:
    yield from ()


def _create_table(reader: Reader, statement: Tokens) -> Found:
    # A temporary table may have the name of another one.
    keeps = reader.has("IF NOT EXISTS") or any(token.is_word("TEMP", "TEMPORARY") for token in statement[1:3])
    table = reader.qualified_name()
    if reader.has("PARTITION OF"):
        parent = reader.qualified_name()
        yield AddPartitionOp(parent.name, parent.schema, partition=table.name)
    yield ops.CreateTableOp(table.name, [], schema=table.schema, if_not_exists=keeps)
    reader.until("AS")
    if reader.has("AS") and not reader.is_done and not reader.rest[0].is_word("TABLE", "EXECUTE"):
        yield from read_rows_statement(_without_data_clause(reader), reader.dialect)


def _without_data_clause(reader: Reader) -> str:
    return DATA_CLAUSE.sub("", source_of(reader.rest))


def _create_view(reader: Reader, statement: Tokens) -> Found:
    replaces = reader.has("IF NOT EXISTS") or statement[1].is_word("OR")
    view = reader.qualified_name()
    yield CreateViewOp(view.name, view.schema, replaces=replaces)


def _create_object(_reader: Reader, _statement: Tokens) -> Found:
    yield CreateObjectOp()


def _create_index(reader: Reader, statement: Tokens) -> Found:
    options: dict[str, Any] = {"postgresql_concurrently": True} if reader.has("CONCURRENTLY") else {}
    keeps_present = reader.has("IF NOT EXISTS")
    name = None if reader.has("ON") else reader.qualified_name().name
    if name is not None:
        reader.require("ON")
    reader.has("ONLY")
    table = reader.qualified_name()
    if reader.has("USING"):
        options["postgresql_using"] = reader.name()
    columns = [_column(part, reader.dialect) for part in _list(reader)]
    reader.until("INCLUDE", "NULLS", "WHERE")
    if reader.has("INCLUDE"):
        options["postgresql_include"] = [Reader(part, reader.dialect).name() for part in _list(reader)]
    reader.until("NULLS", "WHERE")
    if reader.has("NULLS NOT DISTINCT"):
        options["postgresql_nulls_not_distinct"] = True
    reader.until("WHERE")
    if reader.has("WHERE"):
        options[f"{reader.dialect}_where"] = text_clause(source_of(reader.rest))
    options |= {"unique": statement[1].is_word("UNIQUE"), "if_not_exists": keeps_present}
    yield ops.CreateIndexOp(name, table.name, columns, schema=table.schema, **options)


def _list(reader: Reader) -> list[Tokens]:
    return split_list(reader.parentheses(), reader.dialect)


def _column(tokens: Tokens, dialect: str) -> Any:
    is_name = len(tokens) == 1 and tokens[0].kind in ("word", "name")
    return Reader(tokens, dialect).name() if is_name else text_clause(source_of(tokens))


def _drop_table(reader: Reader, statement: Tokens) -> Found:
    may_be_missing = reader.has("IF EXISTS")
    tables = list(reader.names())
    for table in tables:
        dropped = ops.DropTableOp(table.name, schema=table.schema, if_exists=may_be_missing)
        if len(tables) > 1 or _has_cascade(statement):
            add_mark(dropped, Mark.CASCADES)
        yield dropped
    yield from _cascade(statement)


def _drop_index(reader: Reader, statement: Tokens) -> Found:
    options: dict[str, Any] = {"postgresql_concurrently": True} if reader.has("CONCURRENTLY") else {}
    may_be_missing = reader.has("IF EXISTS")
    for index in reader.names():
        dropped = ops.DropIndexOp(index.name, schema=index.schema, if_exists=may_be_missing, **options)
        if _has_cascade(statement):
            add_mark(dropped, Mark.CASCADES)
        yield dropped
    yield from _cascade(statement)


def _drop_object(reader: Reader, statement: Tokens) -> Found:
    kind = source_of(statement[: len(statement) - len(reader.rest)]).upper().removeprefix("DROP ")
    reader.has("IF EXISTS")
    for found in reader.names():
        yield DropObjectOp(kind=kind, name=found.name, schema=found.schema)
        if not reader.is_done and reader.rest[0].text == "(":
            reader.parentheses()
    yield from _cascade(statement)


def _drop_type(reader: Reader, statement: Tokens) -> Found:
    may_be_missing = reader.has("IF EXISTS")
    for found in reader.names():
        dropped = DropTypeOp(name=f"{found.schema}.{found.name}" if found.schema else found.name)
        add_mark(dropped, Mark.IF_EXISTS if may_be_missing else Mark.NONE)
        add_mark(dropped, Mark.CASCADES if _has_cascade(statement) else Mark.NONE)
        yield dropped
    yield from _cascade(statement)


def _drop_other(_reader: Reader, statement: Tokens) -> Found:
    yield from _cascade(statement)


def _has_cascade(statement: Tokens) -> bool:
    return statement[-1].is_word("CASCADE")


def _cascade(statement: Tokens) -> Found:
    if _has_cascade(statement):
        yield WideStatementOp(statement=source_of(statement))


def _wide(_reader: Reader, statement: Tokens) -> Found:
    yield WideStatementOp(statement=source_of(statement))


def _truncate(reader: Reader, statement: Tokens) -> Found:
    reader.has("TABLE")
    for table in reader.names():
        yield TruncateOp(table.name, table.schema)
    yield from _cascade(statement)


def _lock(reader: Reader, _statement: Tokens) -> Found:
    reader.has("TABLE")
    tables = list(reader.names())
    mode = source_of(reader.until("MODE")).removeprefix("IN ").upper() if reader.has("IN") else "ACCESS EXCLUSIVE"
    if mode not in HARMLESS_LOCKS:
        for table in tables:
            yield LockTableOp(table.name, table.schema, mode=mode)


def _transaction(_reader: Reader, statement: Tokens) -> Found:
    yield TransactionOp(statement=source_of(statement))


def _not_in_transaction(_reader: Reader, statement: Tokens) -> Found:
    yield NotInTransactionOp(statement=source_of(statement))


def _prefixed(words: str, names: tuple[str, ...], read: Read) -> dict[str, Read]:
    return {f"{words} {name}".strip(): read for name in names}


TEMPORARY = ("TEMP TABLE", "TEMPORARY TABLE")
TEMPORARY_TRIGGERS = ("TEMP TRIGGER", "TEMPORARY TRIGGER")
TABLES = (
    *("TABLE", "UNLOGGED TABLE", "FOREIGN TABLE"),
    *(f"{scope}{kind}" for scope in ("", "LOCAL ", "GLOBAL ") for kind in TEMPORARY),
)
# By their first words; of two that fit, the first is taken.
STATEMENTS: dict[str, Read] = {
    **_prefixed("CREATE", TABLES, _create_table),
    **_prefixed("CREATE", ("INDEX", "UNIQUE INDEX"), _create_index),
    **_prefixed("CREATE", ("DATABASE", "TABLESPACE"), _not_in_transaction),
    **_prefixed("CREATE", ("VIEW", "OR REPLACE VIEW"), _create_view),
    "CREATE TYPE": create_type,
    **_prefixed("CREATE", ("TRIGGER", "OR REPLACE TRIGGER", "CONSTRAINT TRIGGER", *TEMPORARY_TRIGGERS), create_hook),
    **_prefixed("CREATE", ("RULE", "OR REPLACE RULE"), create_hook),
    "CREATE": _create_object,
    "DROP TABLE": _drop_table,
    "DROP FOREIGN TABLE": _drop_table,
    "DROP INDEX": _drop_index,
    **_prefixed("DROP", ("VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FUNCTION", "PROCEDURE"), _drop_object),
    **_prefixed("DROP", ("SCHEMA", "DATABASE", "TABLESPACE", "OWNED"), _wide),
    **_prefixed("DROP", ("TRIGGER", "RULE", "POLICY"), drop_hook),
    **_prefixed("DROP", ("TYPE", "DOMAIN"), _drop_type),
    "DROP": _drop_other,
    "TRUNCATE": _truncate,
    "LOCK": _lock,
    "VACUUM": vacuum,
    "CLUSTER": cluster,
    "REINDEX": reindex,
    "REFRESH MATERIALIZED VIEW": refresh,
    "ALTER TYPE": alter_type,
    "ALTER SYSTEM": _not_in_transaction,
    "ALTER": alter_object,
    **_prefixed("", ("ROLLBACK TO", "ROLLBACK WORK TO", "ROLLBACK TRANSACTION TO"), _nothing),
    **_prefixed("", ("BEGIN", "COMMIT", "START TRANSACTION", "ROLLBACK", "END", "ABORT"), _transaction),
    "PRAGMA": pragma,
    "ATTACH": attach,
    "REVOKE": revoke,
    "COPY": copy,
    "EXPLAIN": explain,
    **_prefixed("", ("SHOW", "COMMENT", "GRANT", "ANALYZE", "DETACH", "NOTIFY", "LISTEN", "UNLISTEN"), _nothing),
    **_prefixed("", ("SAVEPOINT", "RELEASE", "SECURITY LABEL", "CHECKPOINT", "SET CONSTRAINTS"), _nothing),
    **_prefixed("", ("TABLE", "FETCH", "CLOSE", "MOVE", "DEALLOCATE"), _nothing),
    **_prefixed("", ("SET", "RESET"), change_setting),
}
