"""The values that a narrower type cannot hold, where a query can tell."""

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from agents_app.database.quoting import quote_literal
from agents_app.dbtools.database.column_types import ALIASES, base_of, type_text, without_collation
from agents_app.dbtools.review import type_facts, value_losses
from agents_app.dbtools.review.catalog import quote
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.limit_queries import RowLimit, beyond_type, losing_values, uncounted

TEXT = re.compile(r"(?:character varying|varchar|character|char|bpchar)\s*\(\s*(\d+)\s*\)", re.IGNORECASE)
NUMERIC = re.compile(r"(?:numeric|decimal)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)
INTEGERS = {"smallint": 15, "int2": 15, "integer": 31, "int": 31, "int4": 31}
NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
TEXTS = ("text", "character varying", "character")
# Others as well are refused: what is counted is certain to be.
FORMS = {
    "uuid": r"\{?([0-9a-fA-F]{4}-?){8}\}?",
    **dict.fromkeys((*INTEGERS, "bigint", "int8"), r"\s*[+-]?[0-9][0-9a-zA-Z_]*\s*"),
}
WORDS = re.compile(r"\w+")
CAST = {"cast", "as", "text", "varchar", "character", "varying"}


def limits_of_type(facts: DatabaseFacts, table: str, column: str, kind: Any, using: str | None) -> Iterator[RowLimit]:
    """The rows whose value a new type cannot hold, and those that lose their value.

    None if a USING computes the value, or the type is not known.
    """
    wanted = type_text(kind)
    if not facts.has_locks:
        yield from _on_sqlite(facts, table, column, sa.types.to_instance(kind), wanted)
        return
    present = facts.column_type(table, column)
    if present is None:
        return
    aliases = (alias for alias, name in ALIASES.items() if name == base_of(wanted))
    known = CAST | {word.lower() for word in WORDS.findall(" ".join((column, wanted, base_of(wanted), *aliases)))}
    known |= {word for word in WORDS.findall(using or "") if word.isdigit()}
    words = {word.lower() for word in WORDS.findall(using or "")} - known
    if words - value_losses.SHORTEN:
        return
    if lost := value_losses.lost_on_postgresql(facts, present, wanted, column, using):
        yield losing_values(facts, table, column, lost, wanted)
    if words:
        return
    condition = _condition(facts, present, wanted, quote(facts, column), is_cast=bool(using))
    if condition is not None:
        yield beyond_type(facts, table, column, condition, wanted)
    elif _can_fail(facts, present, wanted, is_cast=bool(using)):
        rest = f"a value in {column} that {wanted} cannot hold"
        yield uncounted(facts, table, "have", rest, "PostgreSQL converts them when the step runs")


def _on_sqlite(
    facts: DatabaseFacts, table: str, column: str, kind: sa.types.TypeEngine[Any], wanted: str
) -> Iterator[RowLimit]:
    if lost := value_losses.lost_on_sqlite(facts, table, column, kind):
        yield losing_values(facts, table, column, lost, wanted)
    if isinstance(kind, sa.Enum) and kind.create_constraint:
        condition = f"{quote(facts, column)} NOT IN ({', '.join(map(quote_literal, kind.enums))})"
        yield beyond_type(facts, table, column, condition, wanted)


def _can_fail(facts: DatabaseFacts, present: str, wanted: str, *, is_cast: bool) -> bool:
    is_text = is_cast and present.split("(")[0].strip() in TEXTS
    has_rules = type_facts.base_type(facts, without_collation(wanted))[1]
    # The elements of an array are not counted.
    is_shorter = not is_cast and wanted.endswith("[]") and "(" in wanted and present != wanted
    return (
        has_rules or is_shorter or (is_text and is_cast and base_of(wanted) not in ("text", "varchar", "char", "bytea"))
    )


def _condition(facts: DatabaseFacts, present: str, wanted: str, column: str, *, is_cast: bool) -> str | None:
    base, text = present.split("(")[0].strip(), f"CAST({column} AS text)"
    labels = facts.enums.get(wanted.rpartition(".")[2].strip('"')) or type_facts.labels_of(facts, wanted)
    if labels and is_cast:
        return f"{text} NOT IN ({', '.join(map(quote_literal, labels))})"
    if base in TEXTS and is_cast and (form := FORMS.get(wanted.lower())):
        return f"{text} !~ {quote_literal(f'^{form}$')}"
    # A cast cuts the text off. Without one PostgreSQL cuts off only spaces at the end.
    if not is_cast and (length := TEXT.fullmatch(wanted)):
        return f"length(rtrim({text}, ' ')) > {length[1]}"
    return _number_condition(wanted, f"CAST({column} AS numeric)") if base in NUMBERS else None


def _number_condition(wanted: str, value: str) -> str | None:
    if number := NUMERIC.fullmatch(wanted):
        digits, scale = int(number[1]), int(number[2] or 0)
        return f"abs(round({value}, {scale})) >= 1{'0' * (digits - scale)} AND {value} <> 'NaN'"
    if bits := INTEGERS.get(wanted.lower()):
        return f"round({value}) NOT BETWEEN {-(2**bits)} AND {2**bits - 1}"
    return None
