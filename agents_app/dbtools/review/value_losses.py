"""The values that a new type of a column changes without a word: it cuts texts off, and rounds numbers and times."""

import re

import sqlalchemy as sa

from agents_app.dbtools.database.column_types import NUMBERS, TEXTS, TIMES, base_of, is_plain_cast, without_collation
from agents_app.dbtools.review.catalog import quote
from agents_app.dbtools.review.facts import DatabaseFacts

NUMERIC = re.compile(r"(?:numeric|decimal)\s*\(\s*\d+\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)
INTEGERS = NUMBERS[:3]
# In a USING, these shorten a value: other functions compute another one.
SHORTEN = {"left", "right", "substr", "substring", "from", "for", "round", "trunc", "ceil", "ceiling", "floor"}


def lost_on_postgresql(facts: DatabaseFacts, present: str, wanted: str, column: str, using: str | None) -> str | None:
    """The condition for the rows whose value is not the same in the new type. None if there are none."""
    old, new, name = base_of(present), base_of(wanted), quote(facts, column)
    kind, value = without_collation(wanted), f"({using})" if using else name
    if old in TEXTS and new in TEXTS and using:
        # Without a USING, PostgreSQL refuses a text that is too long.
        return f"rtrim(CAST(CAST({value} AS {kind}) AS text)) <> rtrim(CAST({name} AS text))"
    if new in TEXTS and using and is_plain_cast(using, column, wanted):
        return f"rtrim(CAST(CAST({name} AS {kind}) AS text)) <> rtrim(CAST({name} AS text))"
    if old in NUMBERS and new in NUMBERS:
        return _rounded(old, new, kind, name, name if is_plain_cast(using, column, wanted) else value)
    if old in TIMES and new in TIMES and old.startswith("timestamp") and new.startswith("time") and "stamp" not in new:
        return f"{name} IS NOT NULL"
    if (old in TIMES and new == "date") or (old == new and new in TIMES):
        return f"CAST(CAST({name} AS {kind}) AS {old}) <> {name}"
    return None


def _rounded(old: str, new: str, kind: str, name: str, value: str) -> str | None:
    number, scale = f"CAST({value} AS numeric)", NUMERIC.fullmatch(kind)
    if new in ("real", "double precision"):
        is_exact = old == new or old in INTEGERS[:2]
        converted = None if is_exact and value == name else f"CAST(CAST({value} AS {kind}) AS numeric)"
    elif new in INTEGERS or scale:
        is_exact = value == name and old in INTEGERS
        converted = None if is_exact else f"round({number}, {int(scale[1] or 0) if scale else 0})"
    else:
        converted = None if value == name else number
    return None if converted is None else f"{converted} <> CAST({name} AS numeric)"


def lost_on_sqlite(facts: DatabaseFacts, table: str, column: str, kind: sa.types.TypeEngine[object]) -> str | None:
    """The condition for the rows whose value is not the same after the CAST of a rebuild. None without a CAST."""
    present = facts.kind_of(table, column)
    # Alembic writes a CAST only then.
    if present is None or present._type_affinity is kind._type_affinity:
        return None
    name = quote(facts, column)
    return f"CAST({name} AS {kind.compile(dialect=facts.connection.dialect)}) <> {name}"
