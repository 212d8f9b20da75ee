"""What keeps PostgreSQL from a change: views, foreign keys and types that need what is changed, and partitions."""

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp
from agents_app.dbtools.review.effects import table_name
from agents_app.dbtools.review.facts import quote_path
from agents_app.dbtools.review.presence import Presence

Causes = Iterator[tuple[str | None, str, str]]
VIEWS = sa.text("""
SELECT DISTINCT nspname AS schema, relname AS name FROM pg_depend
JOIN pg_rewrite ON pg_rewrite.oid = pg_depend.objid AND classid = 'pg_rewrite'::regclass
JOIN pg_class ON pg_class.oid = ev_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
WHERE refclassid = 'pg_class'::regclass AND refobjid = to_regclass(:table) AND ev_class <> refobjid
    AND (:column = '' OR attname = :column) ORDER BY 1, 2
""")
REFERRING = sa.text("""
SELECT conname AS name, relname AS own, nspname AS schema,
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS columns
FROM pg_constraint
JOIN pg_class ON pg_class.oid = conrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE contype = 'f' AND confrelid = to_regclass(:table) AND conrelid <> confrelid AND conparentid = 0 ORDER BY 1
""")
# Those that need a unique index, or one column of the table that they refer to.
NEEDING = """
SELECT conname AS name, relname AS own, nspname AS schema,
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS columns
FROM pg_constraint
JOIN pg_class ON pg_class.oid = conrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE contype = 'f' AND conparentid = 0 AND {} ORDER BY 1
"""
NEEDS_INDEX = sa.text(NEEDING.format("conindid = to_regclass(:index)"))
OF_COLUMN = """confrelid = to_regclass(:table)
    AND :column IN (SELECT attname FROM pg_attribute WHERE attrelid = confrelid AND attnum = ANY (confkey))"""
NEEDS_COLUMN = sa.text(NEEDING.format(OF_COLUMN))
OF_INDEX = sa.text("""
SELECT conname AS name FROM pg_constraint WHERE conindid = to_regclass(:name) AND contype IN ('p', 'u', 'x')
""")
UNIQUE_KEYS = sa.text("""
SELECT ARRAY(SELECT attname::text FROM pg_attribute
        WHERE attrelid = indrelid AND attnum = ANY (indkey[0:indnkeyatts - 1]) ORDER BY 1) AS columns,
    indisprimary AS is_primary
FROM pg_index
WHERE indrelid = to_regclass(:table) AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
""")
USING_TYPE = sa.text("""
SELECT nspname AS schema, relname AS own, attname AS name FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND NOT relispartition
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE NOT attisdropped AND atttypid IN (to_regtype(:name), (SELECT typarray FROM pg_type WHERE oid = to_regtype(:name)))
    AND atttypid <> 0 AND reltype <> to_regtype(:name) ORDER BY 1, 2, 3
""")
PARTITIONED = sa.text("SELECT 1 FROM pg_class WHERE oid = to_regclass(:table) AND relkind = 'p'")
# From this version on a partitioned table can have a foreign key that is NOT VALID.
NOT_VALID_ON_PARTITIONED = (18,)


def of_column(table: str, column: str, presence: Presence) -> Causes:
    """The views that use a column."""
    yield from _views(table, column, presence, f"the column {table}.{column}")


def of_table(table: str, presence: Presence) -> Causes:
    """The views that use a table, and the foreign keys of other tables that refer to it."""
    yield from _views(table, "", presence, f"the table {table}")
    referring = presence.facts.read(REFERRING, table=quote_path(table))
    yield from _foreign_keys(referring, table, f"refers to the table {table}", presence)


def of_key(table: str | None, index: str, presence: Presence) -> Causes:
    """The foreign keys that need a primary key or another unique rule, by its index."""
    needing = presence.facts.read(NEEDS_INDEX, index=quote_path(index))
    yield from _foreign_keys(needing, table, f"needs {index}", presence)


def of_referred_column(table: str, column: str, presence: Presence) -> Causes:
    """The foreign keys that refer to a column."""
    needing = presence.facts.read(NEEDS_COLUMN, table=quote_path(table), column=column)
    yield from _foreign_keys(needing, table, f"refers to the column {table}.{column}", presence)


def _foreign_keys(rows: Iterable[Any], table: str | None, what: str, presence: Presence) -> Causes:
    for row in rows:
        own = presence.facts.qualified(row.own, row.schema)
        if not presence.is_made(own) and not presence.may_be_dropped(own, row.name, row.columns):
            why = f"the foreign key {row.name} of {own} {what}"
            yield table, why, f"First drop it: op.drop_constraint('{row.name}', '{own}', type_='foreignkey')"


def _views(table: str, column: str, presence: Presence, what: str) -> Causes:
    for row in presence.facts.read(VIEWS, table=quote_path(table), column=column):
        view = presence.facts.qualified(row.name, row.schema)
        if not presence.is_made(view):
            yield table, f"the view {view} uses {what}", "First drop the view, and create it again after the change."


def of_index(index: str, presence: Presence) -> Causes:
    """The constraint that needs an index."""
    for row in presence.facts.read(OF_INDEX, name=quote_path(index)):
        yield None, f"the index {index} belongs to the constraint {row.name}", f"Drop the constraint {row.name}."


def of_type(name: str, presence: Presence) -> Causes:
    """The columns that have a type."""
    for row in presence.facts.read(USING_TYPE, name=quote_path(name)):
        table = presence.facts.qualified(row.own, row.schema)
        is_kept = presence.column(table, row.name) and (table, row.name) not in presence.retyped
        if is_kept and not presence.is_made(table):
            yield table, f"the column {table}.{row.name} has the type {name}", "First change the type of the column."


def of_foreign_key(operation: ops.CreateForeignKeyOp, table: str, referent: str, presence: Presence) -> Causes:
    """Whether the columns that a foreign key refers to are not unique."""
    if presence.is_made(referent) or referent in presence.keyed:
        return
    keys = presence.facts.read(UNIQUE_KEYS, table=quote_path(referent))
    wanted = sorted(operation.remote_cols)
    if wanted and any(list(key.columns) == wanted for key in keys):
        return
    if not wanted and any(key.is_primary for key in keys):
        return
    named = (
        f"the columns {', '.join(wanted)} of {referent} are not unique" if wanted else f"{referent} has no primary key"
    )
    yield table, named, "First add a UNIQUE constraint to them: op.add_unique_constraint"


def of_partitioned(operation: Any, presence: Presence) -> Causes:
    """Whether a partitioned table refuses an operation."""
    facts, table = presence.facts, table_name(operation, presence.facts) or ""
    if not facts.has_locks or presence.is_made(table) or not facts.read(PARTITIONED, table=quote_path(table)):
        return
    is_index = isinstance(operation, CreateIndexConcurrentlyOp | AddUniqueConstraintOp) or (
        isinstance(operation, ops.CreateIndexOp) and bool(operation.kw.get("postgresql_concurrently"))
    )
    if is_index:
        why = f"{table} is partitioned, and CONCURRENTLY is refused there"
        do = "Create it on ONLY the table, then CONCURRENTLY on each partition, then ALTER INDEX ... ATTACH PARTITION."
        yield table, why, do
    is_key = isinstance(operation, ops.CreateForeignKeyOp) and bool(operation.kw.get("postgresql_not_valid"))
    if is_key and version_of(facts.connection) < NOT_VALID_ON_PARTITIONED:
        why = f"{table} is partitioned, and a foreign key that is NOT VALID is refused there"
        yield table, why, "Add it to each partition with postgresql_not_valid=True and validate it, then to the table."


def version_of(connection: Any) -> tuple[int, ...]:
    """The version of the server."""
    return tuple(connection.dialect.server_version_info or (15,))
