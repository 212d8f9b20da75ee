"""What an index is in a database, and what the models want it to be, in the same form for comparison."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import TextClause, UnaryExpression

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.autogenerate.expressions import expression_sql
from agents_app.dbtools.database.columns import column_collation
from agents_app.dbtools.database.sqlite_text import index_parts

POSTGRESQL = """
SELECT index.relname AS name, amname AS method, k <= indnkeyatts AS is_key, attname AS "column",
    pg_get_indexdef(indexrelid, k, false) AS expression, indoption[k - 1] AS options,
    CASE WHEN NOT opcdefault THEN opcname END AS operator_class, opcname AS any_class,
    CASE WHEN indcollation[k - 1] <> attcollation THEN collname END AS collation,
    pg_get_expr(indpred, indrelid) AS condition
FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_am ON pg_am.oid = index.relam
CROSS JOIN LATERAL generate_series(1, indnatts) AS k
LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[k - 1] AND attnum > 0
LEFT JOIN pg_opclass ON k <= indnkeyatts AND pg_opclass.oid = indclass[k - 1]
LEFT JOIN pg_collation ON k <= indnkeyatts AND pg_collation.oid = indcollation[k - 1]
WHERE indrelid = to_regclass(:table) ORDER BY index.relname, k
"""
SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL"
ORDER = re.compile(r"\s+(ASC|DESC)\s*$|\s+NULLS\s+(FIRST|LAST)\s*$", re.IGNORECASE)
COLLATE = re.compile(r"\s+COLLATE\s+\"?(\w+)\"?\s*$", re.IGNORECASE)
# Bits of pg_index.indoption.
DESCENDING, NULLS_FIRST = 1, 2


@dataclass(frozen=True)
class Key:
    """One key of an index. `operator_class` and `collation` are None where they are those of the column."""

    column: str | None
    expression: str
    is_descending: bool = False
    is_nulls_first: bool = False
    operator_class: str | None = None
    # The name of the class also if it is the default one.
    any_class: str | None = None
    collation: str | None = None


@dataclass(frozen=True)
class IndexFacts:
    """One index. `method` is such as `btree`; `condition` is that of a partial index."""

    name: str
    method: str
    keys: tuple[Key, ...]
    include: tuple[str, ...]
    condition: str | None


def present_indexes(connection: Connection, table: str) -> Iterator[IndexFacts]:
    """The indexes of a table of the database."""
    if connection.dialect.name != "postgresql":
        for name, sql in connection.execute(sa.text(SQLITE), {"table": table}):
            yield _sqlite_index(connection, table, name, sql)
        return
    rows = connection.execute(sa.text(POSTGRESQL), {"table": quote_if_needed(table)}).all()
    for name in dict.fromkeys(row.name for row in rows):
        own = [row for row in rows if row.name == name]
        keys = tuple(_postgresql_key(row) for row in own if row.is_key)
        include = tuple(row.column or "" for row in own if not row.is_key)
        yield IndexFacts(name, own[0].method, keys, include, own[0].condition)


def wanted_index(index: sa.Index, dialect: str) -> IndexFacts:
    """The index of a model."""
    options: Any = index.dialect_options[dialect]
    classes = (options.get("ops") or {}) if dialect == "postgresql" else {}
    keys = tuple(_wanted_key(expression, classes, dialect) for expression in index.expressions)
    include = tuple(str(getattr(column, "name", column)) for column in options.get("include") or ())
    condition = options.get("where")
    text = None if condition is None else expression_sql(condition, dialect)
    return IndexFacts(str(index.name), (options.get("using") or "btree").lower() or "btree", keys, include, text)


def _postgresql_key(row: Any) -> Key:
    is_descending, is_nulls_first = bool(row.options & DESCENDING), bool(row.options & NULLS_FIRST)
    return Key(
        row.column, row.expression, is_descending, is_nulls_first, row.operator_class, row.any_class, row.collation
    )


def _wanted_key(expression: Any, classes: dict[str, str], dialect: str) -> Key:
    key = getattr(expression, "key", None)
    operator_class = classes.get(key, "").partition("(")[0].strip() or None if key else None
    is_descending, nulls_first = False, None
    while isinstance(expression, UnaryExpression) and expression.modifier in ORDERS:
        is_descending = is_descending or expression.modifier is operators.desc_op
        if expression.modifier in (operators.nulls_first_op, operators.nulls_last_op):
            nulls_first = expression.modifier is operators.nulls_first_op
        expression = expression.element
    is_nulls_first = is_descending if nulls_first is None else nulls_first
    if isinstance(expression, sa.Column):
        return Key(expression.name, expression.name, is_descending, is_nulls_first, operator_class)
    if isinstance(expression, TextClause):
        return _key_of_text(expression.text, dialect, operator_class)
    return Key(None, expression_sql(expression, dialect), is_descending, is_nulls_first, operator_class)


def _key_of_text(text: str, dialect: str, operator_class: str | None = None) -> Key:
    found = {"order": "", "nulls": ""}
    while match := ORDER.search(text):
        found["order" if match[1] else "nulls"] = (match[1] or match[2]).upper()
        text = text[: match.start()]
    is_descending = found["order"] == "DESC"
    is_nulls_first = found["nulls"] == "FIRST" if found["nulls"] else is_descending
    collation = COLLATE.search(text) if dialect == "sqlite" else None
    text = text[: collation.start()] if collation else text
    column = re.fullmatch(r'"?(\w+)"?', text.strip())
    name = column[1] if column else None
    return Key(name, text.strip(), is_descending, is_nulls_first, operator_class, None, collation and collation[1])


def _sqlite_index(connection: Connection, table: str, name: str, sql: str) -> IndexFacts:
    texts, condition = index_parts(sql)
    keys = []
    for text in texts:
        key = _key_of_text(text, "sqlite")
        if key.column and (key.collation or "").upper() == column_collation(connection, table, key.column):
            key = Key(key.column, key.expression, key.is_descending, key.is_nulls_first)
        keys.append(key)
    return IndexFacts(name, "btree", tuple(keys), (), condition)


ORDERS = (operators.desc_op, operators.asc_op, operators.nulls_first_op, operators.nulls_last_op)
