"""Reads statements that change rows. sqlglot parses them, so that the rows they meet can be counted."""

import logging
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.review.sql_operations import (
    CallFunctionOp,
    ChangeRowsOp,
    EditCatalogOp,
    RiskyStatementOp,
    SettingOp,
    TouchTableOp,
)
from agents_app.dbtools.review.sql_tokens import NotUnderstood, QualifiedName, Reader, Tokens, split_statements

CONFLICTS = "which rows it meets is known when it runs"
REPLACE = re.compile(r"^REPLACE\s+INTO\b", re.IGNORECASE)
# To parse a longer statement takes seconds.
LONGEST = 60_000
CLAUSES = ("SELECT", "WITH", "ON", "RETURNING", "INSERT", "UPDATE", "DELETE")
CATALOG = "pg_catalog"
NUMBERS = (
    "The next numbers of the sequence can be those of rows that exist: an INSERT of the running release then fails."
)
KEEP_NUMBERS = "Set it to a number above all rows, as max(id) + 1, or leave it out."
LOCKED_ROWS = "Every row is locked: until the step ends, others that change one wait."
# The database's own tables that a migration may not change.
CATALOG_TABLES = {
    "postgresql": ("pg_enum", "pg_attribute", "pg_class", "pg_constraint", "pg_index", "pg_type", "pg_attrdef"),
    "sqlite": ("sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"),
}


def read_rows_statement(text: str, dialect: str) -> Iterator[MigrateOperation]:
    """The operations that a SELECT, INSERT, UPDATE, DELETE or MERGE runs, also in its WITH."""
    from sqlglot import exp

    tree = _parsed(REPLACE.sub("INSERT OR REPLACE INTO", text), dialect)
    for change in tree.find_all(exp.Update, exp.Delete, exp.Merge):
        # The UPDATE of an ON CONFLICT or a MERGE has no table of its own.
        if isinstance(change.this, exp.Table):
            yield from _read_change(change, dialect, text)
    for into in tree.find_all(exp.Into):
        if isinstance(into.this, exp.Table):
            yield ops.CreateTableOp(
                _name(into.this.this, dialect), [], schema=_name(into.this.args.get("db"), dialect) or None
            )
    for insert in tree.find_all(exp.Insert):
        if table := insert.this.find(exp.Table):
            yield from _read_insert(insert, table, dialect, text)
    yield from _read_locks(tree, dialect, text)
    for call in tree.find_all(exp.Anonymous):
        name = str(call.this).lower()
        if name == "setval":
            yield RiskyStatementOp(statement=text, why=NUMBERS, instead=KEEP_NUMBERS)
        yield SettingOp(name=_setting(call), statement=text) if name == "set_config" else CallFunctionOp(name=name)


def _read_locks(tree: Any, dialect: str, text: str) -> Iterator[MigrateOperation]:
    # FOR UPDATE of every row.
    from sqlglot import exp

    for select in tree.find_all(exp.Select):
        if select.args.get("locks") and not select.args.get("where") and not select.args.get("limit"):
            for table in (select.args.get("from_") or select).find_all(exp.Table):
                name, schema = _name(table.this, dialect), _name(table.args.get("db"), dialect) or None
                yield RiskyStatementOp(
                    name, schema, statement=text, why=LOCKED_ROWS, instead="Name the rows with WHERE."
                )


def _setting(call: Any) -> str:
    arguments = call.expressions
    return str(arguments[0].name).lower() if arguments and arguments[0].is_string else "all"


def _read_insert(insert: Any, table: Any, dialect: str, text: str) -> Iterator[MigrateOperation]:
    name, schema = _name(table.this, dialect), _name(table.args.get("db"), dialect) or None
    if _is_catalog(name, schema, dialect):
        yield EditCatalogOp(statement=text)
        return
    yield TouchTableOp(name, schema, adds_rows=True)
    conflict = insert.args.get("conflict")
    if conflict is not None and conflict.expressions:
        verb = "INSERT ... ON CONFLICT DO UPDATE"
        yield ChangeRowsOp(name, schema, verb=verb, has_condition=True, query=None, not_counted=CONFLICTS)
    elif insert.args.get("alternative") == "REPLACE" or insert.args.get("overwrite"):
        verb = "INSERT OR REPLACE, which does a DELETE,"
        yield ChangeRowsOp(name, schema, verb=verb, has_condition=True, query=None, not_counted=CONFLICTS)


def tables_read(text: str, dialect: str) -> list[tuple[str, str | None]] | None:
    """The tables, each with its schema if that is written, that a query reads; None if it cannot be read."""
    from sqlglot import exp

    try:
        tree = _parsed(text, dialect)
    except NotUnderstood:
        return None
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = [table for table in tree.find_all(exp.Table) if table.name not in named and table.name]
    return [(_name(table.this, dialect), _name(table.args.get("db"), dialect) or None) for table in tables]


def changes_rows(text: str, dialect: str) -> bool:
    """Whether a text has several statements, or one that changes rows; no if it cannot be read."""
    from sqlglot import exp

    try:
        if len(split_statements(text, dialect)) > 1:
            return True
        tree = _parsed(text, dialect)
    except NotUnderstood:
        return False
    return tree.find(exp.Update, exp.Delete, exp.Insert, exp.Merge, exp.Drop) is not None


def always_finds_a_row(text: str, dialect: str) -> bool:
    """Whether a query returns one row whatever it counts, as SELECT count(*); no if it cannot be read."""
    from sqlglot import exp

    try:
        tree = _parsed(text, dialect)
    except NotUnderstood:
        return False
    is_whole = isinstance(tree, exp.Select) and not any(map(tree.args.get, ("group", "having", "limit", "offset")))
    return is_whole and all(isinstance(found.unalias(), exp.AggFunc) for found in tree.expressions)


def long_insert(statement: Tokens, dialect: str) -> QualifiedName | None:
    """The table of an INSERT of values that is too long to parse, and that only adds rows; None of another one."""
    reader = Reader(statement, dialect)
    if sum(len(token.source) for token in statement) < LONGEST or not reader.has("INSERT INTO"):
        return None
    table = reader.qualified_name()
    reader.until("VALUES")
    if _is_catalog(table.name, table.schema, dialect) or not reader.has("VALUES"):
        return None
    calls = (token.kind != "symbol" and following.text == "(" for token, following in pairwise(reader.rest))
    return None if any(token.is_word(*CLAUSES) for token in reader.rest) or any(calls) else table


def _parsed(text: str, dialect: str) -> Any:
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    if len(text) > LONGEST:
        raise NotUnderstood(text)
    # It would print what it cannot parse.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        tree = parse_one(text, read="postgres" if dialect == "postgresql" else dialect)
    except (SqlglotError, RecursionError) as error:
        raise NotUnderstood(text) from error
    if isinstance(tree, exp.Command):
        raise NotUnderstood(text)
    return tree


def _read_change(change: Any, dialect: str, text: str) -> Iterator[MigrateOperation]:
    table = change.this
    name, schema = _name(table.this, dialect), _name(table.args.get("db"), dialect) or None
    if _is_catalog(name, schema, dialect):
        yield EditCatalogOp(statement=text)
        return
    verb, condition = type(change).__name__.upper(), change.args.get("where")
    if verb == "MERGE":
        matched = [when for when in change.args["whens"].expressions if when.args.get("matched")]
        if not matched:
            yield TouchTableOp(name, schema, adds_rows=True)
            return
        condition = _merge_condition(change.args["on"], matched)
        deletes = any(str(when.args["then"]).upper() == "DELETE" for when in matched)
        verb = "MERGE with DELETE" if deletes else verb
    query = None if condition is None else _count(change, condition, dialect)
    yield ChangeRowsOp(
        name,
        schema,
        verb=verb,
        has_condition=condition is not None,
        query=query,
        columns=_set_columns(change, dialect) if verb == "UPDATE" else None,
    )


def _merge_condition(on: Any, matched: list[Any]) -> Any:
    # A matched row is changed only if it meets the condition of one of the clauses.
    limits = [when.args.get("condition") for when in matched if str(when.args["then"]).upper() != "DO NOTHING"]
    return on.and_(limits[0].or_(*limits[1:])) if limits and all(limits) else on


def _is_catalog(name: str, schema: str | None, dialect: str) -> bool:
    known = CATALOG_TABLES[dialect]
    return (name.lower() if dialect == "sqlite" else name) in known or schema == CATALOG


def _set_columns(update: Any, dialect: str) -> frozenset[str] | None:
    from sqlglot import exp

    targets = [assignment.this for assignment in update.expressions]
    if not all(isinstance(target, exp.Column) for target in targets):
        return None
    return frozenset(_name(target.this, dialect) for target in targets)


def _name(identifier: Any, dialect: str) -> str:
    if identifier is None:
        return ""
    is_folded = dialect == "postgresql" and not identifier.args.get("quoted")
    return str(identifier.name).lower() if is_folded else str(identifier.name)


def _count(change: Any, condition: Any, dialect: str) -> str | None:
    # A query of the same rows. None if it needs a value that is not in the statement, or another changing statement.
    from sqlglot import exp

    others, inner = _other_tables(change), (condition.this if isinstance(condition, exp.Where) else condition).copy()
    parts = [inner, *others]
    outside = change.find_ancestor(exp.With)
    named = {cte.alias for cte in outside.expressions} if outside else set()
    if any(part.find(exp.Placeholder, exp.Parameter) for part in parts):
        return None
    if any(table.name in named for part in parts for table in part.find_all(exp.Table)):
        return None
    ctes = change.args.get("with_")
    if ctes is not None and ctes.find(exp.Update, exp.Delete, exp.Insert):
        return None
    if others:
        among = exp.Select(expressions=[exp.Literal.number(1)]).from_(others[0].copy()).where(inner)
        for other in others[1:]:
            among.append("joins", other.copy() if isinstance(other, exp.Join) else exp.Join(this=other.copy()))
        inner = exp.Exists(this=among)
    query = exp.select(exp.Count(this=exp.Star())).from_(change.this.copy()).where(inner)
    if ctes is not None:
        query.set("with_", ctes.copy())
    return str(query.sql(dialect="postgres" if dialect == "postgresql" else dialect))


def _other_tables(change: Any) -> list[Any]:
    # Those of UPDATE ... FROM, DELETE ... USING and MERGE ... USING.
    using = change.args.get("using") or []
    if not isinstance(using, list):
        return [using]
    source = change.args.get("from_")
    return using if source is None else [source.this, *source.args.get("joins", [])]
