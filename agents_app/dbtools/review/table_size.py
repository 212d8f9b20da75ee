"""What is known of a table before a step touches it: how many rows, how many bytes."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

# Up to this size rows are counted; above, PostgreSQL's own estimate is good enough and costs nothing.
COUNTED_UP_TO = 32 * 1024 * 1024

SIZE = sa.text("""
SELECT CAST(reltuples AS bigint) AS estimate, pg_total_relation_size(oid) AS bytes
FROM pg_class WHERE oid = to_regclass(:name)
""")


@dataclass(frozen=True)
class TableSize:
    """A table as it is now; `bytes` is None where the database does not tell (SQLite)."""

    name: str
    is_there: bool
    rows: int | None
    is_estimate: bool
    bytes: int | None


def table_size(connection: Connection, name: str) -> TableSize:
    """What is known of one table; one that is not there has no rows."""
    if not sa.inspect(connection).has_table(name):
        return TableSize(name, is_there=False, rows=0, is_estimate=False, bytes=None)
    if connection.dialect.name != "postgresql":
        return TableSize(name, is_there=True, rows=_count(connection, name), is_estimate=False, bytes=None)
    quoted = connection.dialect.identifier_preparer.quote(name)
    size = connection.execute(SIZE, {"name": quoted}).one()
    if size.bytes <= COUNTED_UP_TO:
        return TableSize(name, is_there=True, rows=_count(connection, name), is_estimate=False, bytes=size.bytes)
    estimate = size.estimate if size.estimate >= 0 else None
    return TableSize(name, is_there=True, rows=estimate, is_estimate=True, bytes=size.bytes)


def _count(connection: Connection, name: str) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) or 0
