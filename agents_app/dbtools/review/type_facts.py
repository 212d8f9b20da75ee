"""What the rule about types reads from the catalog of PostgreSQL: domains, conversions, indexes and CHECKs."""

import re
from typing import Any

import sqlalchemy as sa

from agents_app.dbtools.database.column_types import (
    base_of,
    collation_of,
    has_size,
    is_plain_cast,
    keeps_rows,
    size_of,
    type_text,
    without_collation,
)
from agents_app.dbtools.review.facts import DatabaseFacts, quote_path

# to_regtype fails on what is no name.
NAME = re.compile(r'(\w+|"[^"]+")(\.(\w+|"[^"]+"))?')
DOMAIN = sa.text("""
WITH RECURSIVE kept AS (
    SELECT oid, typtype, typbasetype, typtypmod, typnotnull FROM pg_type WHERE oid = to_regtype(:name)
    UNION ALL
    SELECT base.oid, base.typtype, base.typbasetype, base.typtypmod, base.typnotnull
    FROM pg_type AS base JOIN kept ON base.oid = kept.typbasetype AND kept.typtype = 'd'
)
SELECT (SELECT format_type(typbasetype, typtypmod) FROM kept AS last WHERE typtype = 'd'
        AND NOT EXISTS (SELECT 1 FROM pg_type WHERE oid = last.typbasetype AND typtype = 'd')) AS base,
    bool_or(typnotnull OR EXISTS (SELECT 1 FROM pg_constraint WHERE contypid = kept.oid)) AS has_rules
FROM kept WHERE typtype = 'd'
""")
SAME_ON_DISK = sa.text("""
SELECT 1 FROM pg_cast WHERE castsource = to_regtype(:old) AND casttarget = to_regtype(:new) AND castmethod = 'b'
""")
INDEXES = sa.text("""
SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_attribute ON attrelid = indrelid AND attname = :column AND attnum = ANY (indkey)
WHERE indrelid = to_regclass(:table) ORDER BY 1
""")
CHECKS = sa.text("""
SELECT conname FROM pg_constraint
JOIN pg_attribute ON attrelid = conrelid AND attname = :column AND attnum = ANY (conkey)
WHERE conrelid = to_regclass(:table) AND contype = 'c' AND convalidated ORDER BY 1
""")
LABELS = sa.text("SELECT enumlabel FROM pg_enum WHERE enumtypid = to_regtype(:name) ORDER BY enumsortorder")
# Their order is the same in an index.
INTEGERS = ("smallint", "integer", "bigint")
SAME_ORDER = ({"varchar", "text"}, {"cidr", "inet"})


def keeps_table(facts: DatabaseFacts, present: str, wanted: str) -> bool:
    """Whether a new type leaves the rows as they are on disk, also with the domains and extensions of the database."""
    old, (new, has_rules) = base_type(facts, present)[0], base_type(facts, without_collation(wanted))
    if has_rules and base_of(wanted) != base_of(present):
        return False
    if keeps_rows(old, new):
        return True
    if base_of(new) == "timestamptz" and keeps_rows(old, f"timestamp{size_of(new)}"):
        return _is_utc(facts)
    return not has_size(new) and _is_same_on_disk(facts, base_of(old), base_of(new))


def keeps_values(facts: DatabaseFacts, table: str, operation: Any) -> bool:
    """Whether a new type of a column leaves each value as it is."""
    column, wanted = operation.column_name, type_text(operation.modify_type)
    present = facts.type_of(table, column)
    if present is None or not is_plain_cast(operation.kw.get("postgresql_using"), column, wanted):
        return False
    sizes = [INTEGERS.index(base) if (base := base_of(kind)) in INTEGERS else None for kind in (present, wanted)]
    is_wider = sizes[0] is not None and sizes[1] is not None and sizes[0] <= sizes[1]
    return is_wider or keeps_table(facts, present, wanted)


def keeps_order(facts: DatabaseFacts, present: str, wanted: str) -> bool:
    """Whether the indexes on a column can stay when it gets another type that leaves the rows as they are."""
    old, new = (base_of(base_type(facts, without_collation(kind))[0]) for kind in (present, wanted))
    return collation_of(wanted) is None and (old == new or {old, new} in SAME_ORDER)


def base_type(facts: DatabaseFacts, kind: str) -> tuple[str, bool]:
    """The type below a domain, and whether the domain has a CHECK or NOT NULL; another type is returned as it is."""
    if not NAME.fullmatch(kind):
        return kind, False
    found = facts.read(DOMAIN, name=kind)
    return (found[0].base, bool(found[0].has_rules)) if found and found[0].base else (kind, False)


def labels_of(facts: DatabaseFacts, kind: str) -> list[str]:
    """The labels of an enum; none of another type."""
    return [row.enumlabel for row in facts.read(LABELS, name=kind)] if NAME.fullmatch(kind) else []


def indexes_on(facts: DatabaseFacts, table: str, column: str) -> list[str]:
    """The indexes with a column of a table."""
    return [row.relname for row in facts.read(INDEXES, table=quote_path(table), column=column)]


def checks_on(facts: DatabaseFacts, table: str, column: str) -> list[str]:
    """The CHECKs that name a column of a table."""
    return [row.conname for row in facts.read(CHECKS, table=quote_path(table), column=column)]


def _is_same_on_disk(facts: DatabaseFacts, old: str, new: str) -> bool:
    if not NAME.fullmatch(old) or not NAME.fullmatch(new):
        return False
    return bool(facts.read(SAME_ON_DISK, old=old, new=new))


def _is_utc(facts: DatabaseFacts) -> bool:
    if facts.has_time_zone:
        return False
    found = facts.read(sa.text("SELECT current_setting('TimeZone') AS zone"))
    return bool(found) and found[0].zone.upper() in ("UTC", "ETC/UTC", "GMT", "ETC/GMT", "ZULU", "UCT")
