"""Whether an index that is there is the one that an operation would create."""

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

from agents_app.database.quoting import quote_if_needed

PRESENT = """
SELECT pg_index.indexrelid IS NOT NULL AS is_index, indisvalid AS is_valid, indisunique AS is_unique,
    indrelid = to_regclass(:table) AS is_of_table, indpred IS NULL AS is_whole,
    pg_get_indexdef(indexrelid) AS definition,
    ARRAY(SELECT attname::text FROM generate_series(0, indnkeyatts - 1) AS place
        LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[place] ORDER BY place) AS columns
FROM pg_class LEFT JOIN pg_index ON indexrelid = pg_class.oid
WHERE relname = :name AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(:table))
"""
SQLITE = "SELECT type, sql FROM sqlite_master WHERE lower(name) = lower(:name) AND type <> 'trigger'"
# PostgreSQL writes each expression in its own way: an index on an empty copy shows how.
COPY = "console_index_copy"
COPIED = f"SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass('pg_temp.{COPY}')"  # noqa: S608
SPACE = re.compile(r"[\s\"`]+")


@dataclass(frozen=True)
class PresentName:
    """What has the name of an index that is to be created. `cause` says what it is, if it is another one.

    `is_leftover`: an index of the same table that CREATE INDEX CONCURRENTLY did not complete.
    """

    cause: str | None
    is_leftover: bool = False


def present_name(connection: Connection, wanted: ops.CreateIndexOp) -> PresentName | None:
    """What has the name of an index that is to be created; None if nothing has it. Nothing is changed.

    Raises SQLAlchemy's errors if the connection is lost.
    """
    name = str(wanted.index_name)
    if connection.dialect.name != "postgresql":
        row = connection.execute(sa.text(SQLITE), {"name": name}).first()
        created = str(CreateIndex(wanted.to_index()).compile(dialect=connection.dialect))
        return None if row is None else PresentName(_cause(name, row.sql, is_same=_plain(row.sql) == _plain(created)))
    path = [quote_if_needed(part) for part in (wanted.schema, wanted.table_name) if part]
    row = connection.execute(sa.text(PRESENT), {"name": name, "table": ".".join(path)}).first()
    if row is None:
        return None
    if row.is_index and row.is_of_table and not row.is_valid:
        return PresentName(None, is_leftover=True)
    is_same = bool(row.is_index) and _may_be_same(wanted, row) and _is_same(connection, wanted, row.definition, path)
    return PresentName(_cause(name, row.definition, is_same=is_same))


def _cause(name: str, definition: str | None, *, is_same: bool) -> str | None:
    if is_same:
        return None
    present = "no index" if definition is None else f"another one: {' '.join(definition.split())}"
    return f"{name} exists already, and is {present}"


def _may_be_same(wanted: ops.CreateIndexOp, row: Any) -> bool:
    keys = list(wanted.columns)
    is_whole = wanted.kw.get("postgresql_where") is None
    if (row.is_of_table, row.is_valid, row.is_unique, row.is_whole) != (True, True, bool(wanted.unique), is_whole):
        return False
    named = zip(keys, row.columns, strict=False)
    return len(keys) == len(row.columns) and all(key == column for key, column in named if isinstance(key, str))


def _is_same(connection: Connection, wanted: ops.CreateIndexOp, definition: str, path: list[str]) -> bool:
    if getattr(connection.connection.dbapi_connection, "autocommit", False):
        return True
    options = {**wanted.kw, "unique": wanted.unique, "schema": "pg_temp"}
    index = ops.CreateIndexOp(str(wanted.index_name), COPY, wanted.columns, **options).to_index()
    # Alembic adds them too.
    table: Any = index.table
    for name in set(wanted.kw.get("postgresql_include") or ()) - set(table.c.keys()):
        table.append_column(sa.Column(name, sa.types.NullType()))
    try:
        with connection.begin_nested() as savepoint:
            copied = f"CREATE TEMP TABLE {COPY} (LIKE {'.'.join(path)})"
            connection.exec_driver_sql(copied, execution_options={"no_parameters": True})
            connection.execute(CreateIndex(index))
            created = str(connection.scalar(sa.text(COPIED)))
            savepoint.rollback()
    except DBAPIError as error:
        # The role may not create temporary tables. What the catalog says of both is equal.
        if error.connection_invalidated:
            raise
        return True
    return created.partition(" USING ")[2] == definition.partition(" USING ")[2]


def _plain(statement: str | None) -> str:
    text = SPACE.sub(" ", statement or "").lower().replace("if not exists ", "")
    return re.sub(r"\s*([(),])\s*", r"\1", text).strip()
