"""The values that a narrower type cannot hold, where a query can tell."""

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from agents_app.dbtools.review.catalog import quote
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.limit_queries import RowLimit, beyond_type

POSTGRESQL: Any = postgresql.dialect
TEXT = re.compile(r"(?:character varying|varchar|character|char|bpchar)\s*\(\s*(\d+)\s*\)", re.IGNORECASE)
NUMERIC = re.compile(r"(?:numeric|decimal)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)
INTEGERS = {"smallint": 15, "int2": 15, "integer": 31, "int": 31, "int4": 31}
NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
TEXTS = ("text", "character varying", "character")


def limits_of_type(facts: DatabaseFacts, table: str, column: str, kind: Any, using: str | None) -> Iterator[RowLimit]:
    """The rows whose value a new type cannot hold. None if a USING computes the value, or the type is not known."""
    present = facts.column_type(table, column)
    wanted = _type_text(kind)
    if present is None or using:
        return
    condition = _condition(present, wanted, quote(facts, column))
    if condition is not None:
        yield beyond_type(facts, table, column, condition, wanted)


def _condition(present: str, wanted: str, column: str) -> str | None:
    base = present.split("(")[0].strip()
    text, number = TEXT.fullmatch(wanted), NUMERIC.fullmatch(wanted)
    if text and base in TEXTS:
        # PostgreSQL cuts off spaces at the end.
        return f"length(rtrim(CAST({column} AS text), ' ')) > {text[1]}"
    if base not in NUMBERS:
        return None
    if number:
        digits, scale = int(number[1]), int(number[2] or 0)
        value = f"CAST({column} AS numeric)"
        return f"abs(round({value}, {scale})) >= 1{'0' * (digits - scale)} AND {value} <> 'NaN'"
    if bits := INTEGERS.get(wanted.lower()):
        return f"round(CAST({column} AS numeric)) NOT BETWEEN {-(2**bits)} AND {2**bits - 1}"
    return None


def _type_text(kind: Any) -> str:
    try:
        return str(sa.types.to_instance(kind).compile(dialect=POSTGRESQL()))
    except sa.exc.SQLAlchemyError:
        return str(kind)
