"""Reads statements about objects other than rows and ALTER TABLE: each becomes the operation that does the same."""

from collections.abc import Callable, Iterator
from typing import Any

from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.review.sql_columns import text_clause
from agents_app.dbtools.review.sql_operations import (
    CreateViewOp,
    DropObjectOp,
    LockTableOp,
    NotInTransactionOp,
    RefreshViewOp,
    RenameObjectOp,
    RewriteTableOp,
    TransactionOp,
    TruncateOp,
    WideStatementOp,
)
from agents_app.dbtools.review.sql_tokens import NotUnderstood, Reader, Tokens, source_of, split_list
from agents_app.dbtools.review.sql_types import alter_type, create_type

Found = Iterator[MigrateOperation]
Read = Callable[[Reader, Tokens], Found]
HARMLESS_LOCKS = ("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE")
BREAKS_WHEN_RENAMED = ("TYPE", "SCHEMA", "DOMAIN", "FUNCTION", "PROCEDURE", "SEQUENCE")


def _nothing(_reader: Reader, _statement: Tokens) -> Found:
    yield from ()


def _create_table(reader: Reader, _statement: Tokens) -> Found:
    reader.has("IF NOT EXISTS")
    table = reader.qualified_name()
    yield ops.CreateTableOp(table.name, [], schema=table.schema)


def _create_view(reader: Reader, _statement: Tokens) -> Found:
    reader.has("IF NOT EXISTS")
    view = reader.qualified_name()
    yield CreateViewOp(view.name, view.schema)


def _create_index(reader: Reader, statement: Tokens) -> Found:
    options: dict[str, Any] = {"postgresql_concurrently": True} if reader.has("CONCURRENTLY") else {}
    reader.has("IF NOT EXISTS")
    name = None if reader.has("ON") else reader.qualified_name().name
    if name is not None:
        reader.require("ON")
    reader.has("ONLY")
    table = reader.qualified_name()
    if reader.has("USING"):
        reader.name()
    columns = [_column(part, reader.dialect) for part in split_list(reader.parentheses(), reader.dialect)]
    reader.until("NULLS", "WHERE")
    if reader.has("NULLS NOT DISTINCT"):
        options["postgresql_nulls_not_distinct"] = True
    reader.until("WHERE")
    if reader.has("WHERE"):
        options[f"{reader.dialect}_where"] = text_clause(source_of(reader.rest))
    yield ops.CreateIndexOp(
        name, table.name, columns, schema=table.schema, unique=statement[1].is_word("UNIQUE"), **options
    )


def _column(tokens: Tokens, dialect: str) -> Any:
    is_name = len(tokens) == 1 and tokens[0].kind in ("word", "name")
    return Reader(tokens, dialect).name() if is_name else text_clause(source_of(tokens))


def _drop_table(reader: Reader, statement: Tokens) -> Found:
    reader.has("IF EXISTS")
    for table in reader.names():
        yield ops.DropTableOp(table.name, schema=table.schema)
    yield from _cascade(statement)


def _drop_index(reader: Reader, statement: Tokens) -> Found:
    options: dict[str, Any] = {"postgresql_concurrently": True} if reader.has("CONCURRENTLY") else {}
    reader.has("IF EXISTS")
    for index in reader.names():
        yield ops.DropIndexOp(index.name, schema=index.schema, **options)
    yield from _cascade(statement)


def _drop_object(reader: Reader, statement: Tokens) -> Found:
    kind = source_of(statement[: len(statement) - len(reader.rest)]).removeprefix("DROP ").upper()
    reader.has("IF EXISTS")
    for found in reader.names():
        yield DropObjectOp(kind=kind, name=found.name, schema=found.schema)
        if not reader.is_done and reader.rest[0].text == "(":
            reader.parentheses()
    yield from _cascade(statement)


def _drop_other(_reader: Reader, statement: Tokens) -> Found:
    yield from _cascade(statement)


def _cascade(statement: Tokens) -> Found:
    if statement[-1].is_word("CASCADE"):
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


def _vacuum(reader: Reader, statement: Tokens) -> Found:
    is_full = any(token.is_word("FULL") for token in statement)
    yield NotInTransactionOp(statement=source_of(statement))
    if reader.rest[:1] and reader.rest[0].text == "(":
        reader.parentheses()
    while reader.has_one_of("FULL", "FREEZE", "VERBOSE", "ANALYZE"):
        pass
    if is_full:
        yield from _rewrite(reader, "VACUUM FULL", "VACUUM without FULL, which blocks no one.")


def _cluster(reader: Reader, statement: Tokens) -> Found:
    reader.has("VERBOSE")
    if reader.is_done:
        yield NotInTransactionOp(statement=source_of(statement))
    yield from _rewrite(reader, "CLUSTER", "")


def _rewrite(reader: Reader, verb: str, instead: str) -> Found:
    if reader.is_done:
        yield RewriteTableOp(verb=verb, instead=instead)
        return
    while not reader.is_done:
        table = reader.qualified_name()
        yield RewriteTableOp(table.name, table.schema, verb=verb, instead=instead)
        reader.until(",")
        reader.has(",")


def _reindex(reader: Reader, statement: Tokens) -> Found:
    if any(token.is_word("CONCURRENTLY") for token in statement):
        yield NotInTransactionOp(statement=source_of(statement))
        return
    if reader.rest[:1] and reader.rest[0].text == "(":
        reader.parentheses()
    kind = reader.has_one_of("INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM")
    instead = "REINDEX ... CONCURRENTLY, outside a migration or in op.get_context().autocommit_block()"
    if kind == "TABLE":
        yield from _rewrite(reader, "REINDEX", instead)
        return
    if kind in ("SCHEMA", "DATABASE", "SYSTEM"):
        yield NotInTransactionOp(statement=source_of(statement))
    index = reader.qualified_name().name if kind == "INDEX" else None
    yield RewriteTableOp(verb="REINDEX", instead=instead, index_name=index)


def _refresh(reader: Reader, _statement: Tokens) -> Found:
    if not reader.has("CONCURRENTLY"):
        view = reader.qualified_name()
        yield RefreshViewOp(view.name, view.schema)


def _alter_object(reader: Reader, statement: Tokens) -> Found:
    kind = reader.next().text.upper()
    if kind in ("VIEW", "MATERIALIZED"):
        reader.has("VIEW")
        reader.has("IF EXISTS")
        view = reader.qualified_name()
        if reader.has("RENAME TO"):
            yield ops.RenameTableOp(view.name, reader.name(), schema=view.schema)
        return
    renamed = Reader(reader.rest, reader.dialect)
    renamed.until("RENAME")
    if renamed.has("RENAME TO") and kind in BREAKS_WHEN_RENAMED:
        yield RenameObjectOp(kind=kind.lower(), name=reader.qualified_name().name, new_name=renamed.name())
    elif kind == "DOMAIN" and any(token.is_word("ADD", "SET") for token in reader.rest[1:2]):
        raise NotUnderstood(source_of(statement))


def _transaction(_reader: Reader, statement: Tokens) -> Found:
    yield TransactionOp(statement=source_of(statement))


def _not_in_transaction(_reader: Reader, statement: Tokens) -> Found:
    yield NotInTransactionOp(statement=source_of(statement))


def _prefixed(words: str, names: tuple[str, ...], read: Read) -> dict[str, Read]:
    return {f"{words} {name}".strip(): read for name in names}


# By their first words; of two that fit, the first is taken.
STATEMENTS: dict[str, Read] = {
    **_prefixed("CREATE", ("TABLE", "TEMP TABLE", "TEMPORARY TABLE", "UNLOGGED TABLE", "FOREIGN TABLE"), _create_table),
    **_prefixed("CREATE", ("INDEX", "UNIQUE INDEX"), _create_index),
    **_prefixed("CREATE", ("DATABASE", "TABLESPACE"), _not_in_transaction),
    **_prefixed("CREATE", ("VIEW", "OR REPLACE VIEW"), _create_view),
    "CREATE TYPE": create_type,
    "CREATE": _nothing,
    "DROP TABLE": _drop_table,
    "DROP FOREIGN TABLE": _drop_table,
    "DROP INDEX": _drop_index,
    **_prefixed("DROP", ("VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FUNCTION", "PROCEDURE"), _drop_object),
    **_prefixed("DROP", ("SCHEMA", "DATABASE", "TABLESPACE", "OWNED"), _wide),
    "DROP": _drop_other,
    "TRUNCATE": _truncate,
    "LOCK": _lock,
    "VACUUM": _vacuum,
    "CLUSTER": _cluster,
    "REINDEX": _reindex,
    "REFRESH MATERIALIZED VIEW": _refresh,
    "ALTER TYPE": alter_type,
    "ALTER SYSTEM": _not_in_transaction,
    "ALTER": _alter_object,
    **_prefixed("", ("BEGIN", "COMMIT", "ROLLBACK TO", "START TRANSACTION", "ROLLBACK", "END", "ABORT"), _transaction),
    **_prefixed("", ("SHOW", "SET", "RESET", "COMMENT", "GRANT", "REVOKE", "ANALYZE", "PRAGMA", "NOTIFY"), _nothing),
    **_prefixed("", ("SAVEPOINT", "RELEASE", "LISTEN", "SECURITY LABEL", "COPY", "CHECKPOINT"), _nothing),
}
