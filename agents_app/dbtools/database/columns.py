"""Reads a table's columns from the catalog. Unlike reflection, this gives no warnings about unknown types."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed

POSTGRESQL = """
SELECT attname AS name, format_type(atttypid, atttypmod) AS type, pg_get_expr(adbin, adrelid) AS "default",
    attnotnull AND adbin IS NULL AND attidentity = '' AS is_required, attgenerated <> '' AS is_generated,
    coalesce(array_position(CAST(indkey AS int2[]), attnum), -1) + 1 AS key_position
FROM pg_attribute
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
LEFT JOIN pg_index ON indrelid = attrelid AND indisprimary
WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""
SQLITE = """
SELECT name, type, dflt_value AS "default", "notnull" AND dflt_value IS NULL AS is_required,
    hidden > 1 AS is_generated, pk AS key_position
FROM pragma_table_xinfo(:table, :schema)
ORDER BY cid
"""
# The settings of pg_dump. The text of a value then does not depend on settings of the server, the role or the session.
EXACT_TEXT_SETTINGS = (
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL extra_float_digits = 3",
    "SET LOCAL bytea_output = 'hex'",
)


@dataclass(frozen=True)
class Column:
    """A column. `default` is an SQL expression. `key_position` counts from 1 in the primary key and is 0 outside it."""

    name: str
    type: str
    default: str | None
    is_required: bool
    is_generated: bool
    key_position: int


def table_columns(connection: Connection, table: str, schema: str | None) -> list[Column]:
    """Return the columns of a table in their order, or an empty list if the table does not exist."""
    if connection.dialect.name == "postgresql":
        path = (schema, table) if schema else (table,)
        rows = connection.execute(sa.text(POSTGRESQL), {"table": ".".join(map(quote_if_needed, path))})
    else:
        rows = connection.execute(sa.text(SQLITE), {"table": table, "schema": schema or "main"})
    return [Column(**{**row._mapping, "is_generated": bool(row.is_generated)}) for row in rows]


def primary_key_of(columns: list[Column]) -> list[str]:
    """Return the column names of the primary key, in its order."""
    return [column.name for column in sorted(columns, key=lambda column: column.key_position) if column.key_position]


def column_collation(connection: Connection, table: str, column: str) -> str:
    """The collation of a column on SQLite, such as BINARY: the one with which it is compared."""
    comparison = sa.select(sa.column(column) < sa.literal_column("'x'")).select_from(sa.table(table))
    rows = connection.exec_driver_sql(f"EXPLAIN {comparison.compile(connection)}")
    found = [row.p4 for row in rows if row.opcode in ("Lt", "Le", "Gt", "Ge") and row.p4]
    return str(found[0]).partition("-")[0] if found else "BINARY"


def set_exact_text_format(connection: Connection) -> None:
    """Make PostgreSQL write values as text without loss, until the transaction or savepoint ends."""
    for statement in EXACT_TEXT_SETTINGS:
        connection.exec_driver_sql(statement)
