"""How many rows and bytes a table has before a step changes it."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed

# The rows of larger tables are not counted: PostgreSQL's own estimate is good enough and costs nothing.
COUNTED_UP_TO = 32 * 1024 * 1024

# Of a table with its partitions.
SIZE = sa.text("""
SELECT CAST(CASE WHEN min(reltuples) FILTER (WHERE relkind <> 'p') < 0 THEN -1
        ELSE coalesce(sum(reltuples) FILTER (WHERE relkind <> 'p'), 0) END AS bigint) AS estimate,
    CAST(sum(pg_total_relation_size(oid)) AS bigint) AS bytes
FROM pg_class WHERE oid = to_regclass(:name) OR oid IN (SELECT relid FROM pg_partition_tree(to_regclass(:name)))
""")


@dataclass(frozen=True)
class TableSize:
    """The present size of a table; `bytes` is None on SQLite, which does not report it."""

    name: str
    is_there: bool
    rows: int | None
    is_estimate: bool
    bytes: int | None


def table_size(connection: Connection, name: str, *, counts: bool = True) -> TableSize:
    """The size of one table, whose name may begin with a schema; a missing table has no rows.

    Without `counts` at most one row is read: the rows are an estimate, or None.
    """
    schema, _, table = name.rpartition(".")
    if not sa.inspect(connection).has_table(table, schema=schema or None):
        return TableSize(name, is_there=False, rows=0, is_estimate=False, bytes=None)
    if connection.dialect.name != "postgresql":
        rows = _count(connection, name) if counts else _none_or_unknown(connection, name)
        return TableSize(name, is_there=True, rows=rows, is_estimate=not counts, bytes=None)
    size = connection.execute(SIZE, {"name": ".".join(map(quote_if_needed, name.split(".")))}).one()
    if not counts:
        rows = size.estimate if size.estimate > 0 else _none_or_unknown(connection, name)
        return TableSize(name, is_there=True, rows=rows, is_estimate=True, bytes=size.bytes)
    if size.bytes <= COUNTED_UP_TO:
        return TableSize(name, is_there=True, rows=_count(connection, name), is_estimate=False, bytes=size.bytes)
    estimate = size.estimate if size.estimate >= 0 else None
    return TableSize(name, is_there=True, rows=estimate, is_estimate=True, bytes=size.bytes)


def _count(connection: Connection, name: str) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(_table(name))) or 0


def _none_or_unknown(connection: Connection, name: str) -> int | None:
    first = sa.select(sa.literal(1)).select_from(_table(name)).limit(1)
    return 0 if connection.scalar(first) is None else None


def _table(name: str) -> sa.TableClause:
    schema, _, table = name.rpartition(".")
    return sa.table(table, schema=schema or None)
