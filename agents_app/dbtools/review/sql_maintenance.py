"""Reads VACUUM, CLUSTER, REINDEX and REFRESH MATERIALIZED VIEW."""

from collections.abc import Iterator

from alembic.operations import MigrateOperation

from agents_app.dbtools.review.sql_operations import NotInTransactionOp, RefreshViewOp, RewriteTableOp
from agents_app.dbtools.review.sql_tokens import Reader, Tokens, source_of, split_list

Found = Iterator[MigrateOperation]
OFF = ("FALSE", "OFF", "0")


def vacuum(reader: Reader, statement: Tokens) -> Found:
    """The operations of the rest of a VACUUM."""
    is_full = any(token.is_word("FULL") for token in statement)
    yield NotInTransactionOp(statement=source_of(statement))
    if reader.rest[:1] and reader.rest[0].text == "(":
        options = split_list(reader.parentheses(), reader.dialect)
        is_full = any(option[0].is_word("FULL") and option[-1].text.upper() not in OFF for option in options if option)
    while reader.has_one_of("FULL", "FREEZE", "VERBOSE", "ANALYZE"):
        pass
    if is_full:
        yield from _rewrite(reader, "VACUUM FULL", "VACUUM without FULL, which blocks no one.")


def cluster(reader: Reader, statement: Tokens) -> Found:
    """The operations of the rest of a CLUSTER."""
    reader.has("VERBOSE")
    if reader.is_done:
        yield NotInTransactionOp(statement=source_of(statement))
    old_form = Reader(reader.rest, reader.dialect)
    old_form.until("ON")
    yield from _rewrite(old_form if old_form.has("ON") else reader, "CLUSTER", "")


def _rewrite(reader: Reader, verb: str, instead: str) -> Found:
    if reader.is_done:
        yield RewriteTableOp(verb=verb, instead=instead)
        return
    while not reader.is_done:
        table = reader.qualified_name()
        yield RewriteTableOp(table.name, table.schema, verb=verb, instead=instead)
        reader.until(",")
        reader.has(",")


def reindex(reader: Reader, statement: Tokens) -> Found:
    """The operations of the rest of a REINDEX."""
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


def refresh(reader: Reader, _statement: Tokens) -> Found:
    """The operation of the rest of a REFRESH MATERIALIZED VIEW."""
    if not reader.has("CONCURRENTLY"):
        view = reader.qualified_name()
        yield RefreshViewOp(view.name, view.schema)
