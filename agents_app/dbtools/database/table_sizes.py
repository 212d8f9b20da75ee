"""How large the tables of a database are. Sends one query."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

POSTGRESQL = """
SELECT relname, pg_total_relation_size(oid), CAST(reltuples AS bigint) FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = to_regnamespace(quote_ident(current_schema()))
"""
# `dbstat` reads every page, so only of files that are read within a moment.
SQLITE = """
SELECT tables.tbl_name, sum(pgsize), NULL FROM dbstat JOIN sqlite_master AS tables ON tables.name = dbstat.name
WHERE aggregate = TRUE AND (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) < :most
GROUP BY tables.tbl_name
"""
SQLITE_MOST = 32 * 1024 * 1024


@dataclass(frozen=True)
class TableBytes:
    """The size of a table with its indexes. `rows` is an estimate; None if it is not known."""

    name: str
    bytes: int
    rows: int | None


def table_sizes(connection: Connection, names: Collection[str]) -> tuple[TableBytes, ...]:
    """The sizes of these tables, the largest first.

    There are none on SQLite without `dbstat`, and for a file of more than 32 MB, which would have to be read.
    """
    try:
        if connection.dialect.name == "postgresql":
            rows = connection.execute(sa.text(POSTGRESQL)).all()
        else:
            rows = connection.execute(sa.text(SQLITE), {"most": SQLITE_MOST}).all()
    except DBAPIError:
        if connection.dialect.name == "postgresql":
            raise
        return ()
    found = [TableBytes(row[0], row[1], row[2] if (row[2] or -1) >= 0 else None) for row in rows if row[0] in names]
    return tuple(sorted(found, key=lambda table: (-table.bytes, table.name)))
