"""What the checks of rows read from the catalog of a database."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from agents_app.database.quoting import quote_if_needed, quote_where_needed
from agents_app.dbtools.operations.enum_values import label_checks
from agents_app.dbtools.review.facts import DatabaseFacts, quote_path

INDEX = sa.text("""
SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = to_regclass(:table) AND relname = :name AND indisvalid
""")
CONSTRAINT = sa.text("""
SELECT convalidated AS is_valid, pg_get_expr(conbin, conrelid) AS condition,
    (SELECT nspname FROM pg_namespace WHERE pg_namespace.oid = relnamespace) AS schema, relname AS referent,
    ARRAY(SELECT CAST(attname AS text) FROM unnest(conkey) WITH ORDINALITY AS key(number, place)
        JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place) AS columns,
    ARRAY(SELECT CAST(attname AS text) FROM unnest(confkey) WITH ORDINALITY AS key(number, place)
        JOIN pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place) AS referred
FROM pg_constraint LEFT JOIN pg_class ON pg_class.oid = confrelid
WHERE conrelid = to_regclass(:table) AND conname = :name AND contype IN ('c', 'f')
""")
ENUM_COLUMNS = sa.text("""
SELECT nspname, relname, attname FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p') AND NOT relispartition
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_enum ON enumtypid = atttypid AND enumlabel = :label
WHERE atttypid = to_regtype(:name) AND NOT attisdropped
ORDER BY 1, 2, 3
""")
PRIMARY_KEY = sa.text("""
SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name AND contype = 'p'
""")
UNIQUE_INDEX = sa.text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND indisunique")
# Foreign keys that change rows when the row they refer to is deleted, or gets another key.
FOLLOWING_KEYS = sa.text("""
SELECT own.relname AS name, own.relnamespace::regnamespace::text AS schema,
    other.relname AS referred, other.relnamespace::regnamespace::text AS referred_schema,
    confdeltype = 'c' AS is_deleted, confdeltype IN ('n', 'd') AS is_emptied,
    confupdtype IN ('c', 'n', 'd') AS is_updated,
    ARRAY(SELECT CAST(attname AS text) FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey))
        AS columns,
    ARRAY(SELECT CAST(attname AS text) FROM pg_attribute WHERE attrelid = confrelid AND attnum = ANY (confkey))
        AS referred_columns
FROM pg_constraint JOIN pg_class AS own ON own.oid = conrelid JOIN pg_class AS other ON other.oid = confrelid
WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
""")
# The partitions of a table, the tables that inherit from it, and those of which it is one.
RELATED = sa.text("""
WITH RECURSIVE kept AS (
    SELECT CAST(to_regclass(:table) AS oid) AS found
    UNION
    SELECT CASE WHEN inhparent = found THEN inhrelid ELSE inhparent END
    FROM kept JOIN pg_inherits ON found IN (inhparent, inhrelid)
)
SELECT relname, relnamespace::regnamespace::text AS schema FROM kept JOIN pg_class ON pg_class.oid = found
""")
# A trigger, a rule, or a view, which changes another table.
RUNS_MORE = sa.text("""
SELECT 1 FROM pg_class WHERE oid = to_regclass(:table) AND (relkind NOT IN ('r', 'p') OR relhasrules
    OR EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal))
""")
VIEW = sa.text("SELECT 1 FROM pg_class WHERE oid = to_regclass(:table) AND relkind NOT IN ('r', 'p')")
TRIGGERS = sa.text("""
SELECT 1 FROM sqlite_master WHERE (type = 'trigger' AND tbl_name = :table) OR (type = 'view' AND name = :table)
""")
DEFAULT_PARTITION = sa.text("""
SELECT nspname, relname FROM pg_partitioned_table JOIN pg_class ON pg_class.oid = partdefid
JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE partrelid = to_regclass(:table)
""")
DOMAIN_TABLES = sa.text("""
SELECT DISTINCT nspname, relname FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p') JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE atttypid = to_regtype(:name) AND NOT attisdropped ORDER BY 1, 2
""")


@dataclass(frozen=True)
class FoundConstraint:
    """A CHECK (`condition`) or a foreign key (`columns` of the table, and the `referred` ones of `referent`)."""

    is_valid: bool
    condition: str | None
    referent: str | None
    columns: tuple[str, ...]
    referred: tuple[str, ...]


@dataclass(frozen=True)
class FollowingKey:
    """A foreign key whose rows are changed with those they refer to: deleted, or other values in its columns."""

    table: str
    columns: frozenset[str]
    referred: str
    referred_columns: frozenset[str]
    is_deleted: bool
    is_emptied: bool
    is_updated: bool


def quote(facts: DatabaseFacts, name: str) -> str:
    """Quote the name of a column where the database needs it."""
    return quote_where_needed(facts.connection, str(name))


def quote_table(facts: DatabaseFacts, table: str) -> str:
    """Quote the name of a table, which may begin with a schema."""
    return ".".join(quote(facts, part) for part in table.split("."))


def has_valid_index(facts: DatabaseFacts, table: str, name: str | None) -> bool:
    """Whether a table has an index of this name that is not a leftover."""
    if facts.has_locks:
        return bool(facts.read(INDEX, table=quote_path(table), name=str(name)))
    inspector = sa.inspect(facts.connection)
    return inspector.has_table(table) and any(found["name"] == name for found in inspector.get_indexes(table))


def primary_key(facts: DatabaseFacts, table: str) -> list[str]:
    """The columns of the primary key of a table; none if the table is missing."""
    schema, _, name = table.rpartition(".")
    inspector = sa.inspect(facts.connection)
    if not inspector.has_table(name, schema=schema or None):
        return []
    return list(inspector.get_pk_constraint(name, schema=schema or None)["constrained_columns"])


def constraint(facts: DatabaseFacts, table: str, name: str) -> FoundConstraint | None:
    """A CHECK or foreign key of PostgreSQL; None if it is missing, and on SQLite, which has validated it."""
    if not facts.has_locks:
        return None
    rows = facts.read(CONSTRAINT, table=quote_path(table), name=name)
    if not rows:
        return None
    row = rows[0]
    referent = facts.qualified(row.referent, row.schema) if row.referent else None
    return FoundConstraint(row.is_valid, row.condition, referent, tuple(row.columns), tuple(row.referred))


def enum_columns(facts: DatabaseFacts, enum: str, label: str) -> Iterator[tuple[str, str]]:
    """The columns, each with its table, that can hold a label of an enum."""
    if not facts.has_locks:
        for check in label_checks(facts.connection, enum):
            if label in check.labels:
                yield check.table, check.column
        return
    for row in facts.read(ENUM_COLUMNS, name=quote_if_needed(enum), label=label):
        yield facts.qualified(row.relname, row.nspname), row.attname


def is_primary_key(facts: DatabaseFacts, table: str, name: str) -> bool:
    """Whether the constraint of this name is the primary key of a table."""
    return bool(facts.read(PRIMARY_KEY, table=quote_path(table), name=name))


def is_unique(facts: DatabaseFacts, index: str, schema: str | None) -> bool:
    """Whether an index refuses equal rows."""
    return bool(facts.read(UNIQUE_INDEX, name=quote_path(f"{schema}.{index}" if schema else index)))


def unique_columns(facts: DatabaseFacts, table: str, name: str) -> list[str | None] | None:
    """The columns of a UNIQUE constraint or unique index, None for an expression; None if there is no such rule."""
    schema, _, plain = table.rpartition(".")
    inspector = sa.inspect(facts.connection)
    if not inspector.has_table(plain, schema=schema or None):
        return None
    rules: list[Any] = list(inspector.get_unique_constraints(plain, schema=schema or None))
    rules += [found for found in inspector.get_indexes(plain, schema=schema or None) if found["unique"]]
    return next((list(found["column_names"]) for found in rules if found["name"] == name), None)


def default_partition(facts: DatabaseFacts, table: str) -> str | None:
    """The default partition of a table; None without one."""
    found = facts.read(DEFAULT_PARTITION, table=quote_path(table))
    return facts.qualified(found[0].relname, found[0].nspname) if found else None


def tables_of_domain(facts: DatabaseFacts, domain: str) -> list[str]:
    """The tables with a column of this domain."""
    rows = facts.read(DOMAIN_TABLES, name=quote_if_needed(domain))
    return [facts.qualified(row.relname, row.nspname) for row in rows]


def following_keys(facts: DatabaseFacts) -> list[FollowingKey]:
    """The foreign keys that change rows with those they refer to. On SQLite none does so in a migration."""
    return [
        FollowingKey(
            facts.qualified(row.name, row.schema),
            frozenset(row.columns),
            facts.qualified(row.referred, row.referred_schema),
            frozenset(row.referred_columns),
            row.is_deleted,
            row.is_emptied,
            row.is_updated,
        )
        for row in facts.read(FOLLOWING_KEYS)
    ]


def related_tables(facts: DatabaseFacts, table: str) -> list[str]:
    """The tables that share rows with this one: its partitions, and those of which it is one."""
    rows = facts.read(RELATED, table=quote_path(table))
    return [found for row in rows if (found := facts.qualified(row.relname, row.schema)) != table]


def is_view(facts: DatabaseFacts, table: str) -> bool:
    """Whether this is the name of a view."""
    if facts.has_locks:
        return bool(facts.read(VIEW, table=quote_path(table)))
    return table in sa.inspect(facts.connection).get_view_names()


def runs_more(facts: DatabaseFacts, table: str) -> bool:
    """Whether a change of a table changes others too: it has a trigger or a rule, or is a view."""
    if facts.has_locks:
        return bool(facts.read(RUNS_MORE, table=quote_path(table)))
    return facts.connection.scalar(TRIGGERS, {"table": table}) is not None


def tables_losing_rows(facts: DatabaseFacts, table: str) -> set[str]:
    """The tables whose rows go, or lose their reference, with rows of this one. On SQLite they stay in a migration."""
    keys = [(key.table, key.referred) for key in following_keys(facts) if key.is_deleted or key.is_emptied]
    found = {table}
    while more := {name for name, referred in keys if referred in found} - found:
        found |= more
    return found - {table}
