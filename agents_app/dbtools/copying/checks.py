"""Finds what the other database would refuse, before anything is copied."""

import math
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from agents_app.dbtools.copying.rows import NOTHING_COPIED, JsonValue, batches, key_text
from agents_app.dbtools.database.columns import table_columns
from agents_app.dbtools.output import pluralize
from agents_app.paths import COMMAND

NAMED = 3
# The greatest numbers of PostgreSQL's types.
INTEGER_MAX, BIG_INTEGER_MAX = 2**31 - 1, 2**63 - 1
TYPES: tuple[tuple[type[Any], type[Any], str], ...] = (
    (sa.String, str, "text"),
    (sa.Integer, int, "a whole number"),
    (sa.Float, float, "a number"),
)


def require_columns_of_models(connection: Connection, tables: list[sa.Table]) -> None:
    """Raise CommandError if a table has other columns than the models: their values would be lost."""
    for table in tables:
        present = {column.name for column in table_columns(connection, table.name, None)}
        if others := present ^ set(table.columns.keys()):
            what = f"The columns of {table.name} are not those of this release ({', '.join(sorted(others))})."
            raise CommandError(f"{what} {NOTHING_COPIED} To see the differences: {COMMAND} db check")


def require_valid_values(connection: Connection, tables: list[sa.Table], *, for_postgresql: bool) -> None:
    """Raise CommandError, which names the first rows and columns, if the other database would refuse values."""
    found: list[str] = []
    count = 0
    for sentence in _refused(connection, tables, for_postgresql=for_postgresql):
        count += 1
        found += [sentence] if count <= NAMED else []
    if count:
        more = f" {pluralize(count - NAMED, 'other value')} cannot be copied either." if count > NAMED else ""
        raise CommandError(f"{' '.join(found)}{more} Correct this first. {NOTHING_COPIED}")


def _refused(connection: Connection, tables: list[sa.Table], *, for_postgresql: bool) -> Iterator[str]:
    for table in tables:
        yield from _missing_parents(connection, table)
        keys = [place for place, column in enumerate(table.columns) if column.primary_key]
        previous: list[Any] | None = None
        for batch in batches(connection, table):
            for row in batch:
                for column, value in zip(table.columns, row, strict=True):
                    if problem := _problem(column, value, for_postgresql=for_postgresql):
                        yield f"{table.name}, {key_text(table, row)}: {column.name} {problem}."
                key = [row[place] for place in keys]
                if previous is not None and not previous < key:
                    yield f"{table.name}, {key_text(table, row)}: the key is not stored as the console writes it."
                previous = key


def _missing_parents(connection: Connection, table: sa.Table) -> Iterator[str]:
    for constraint in table.foreign_key_constraints:
        parent = constraint.referred_table.alias("parent")
        pairs = [(element.parent, parent.c[element.column.name]) for element in constraint.elements]
        exists = sa.exists().where(*(child == of_parent for child, of_parent in pairs))
        is_set = [child.is_not(None) for child, _ in pairs]
        columns = ", ".join(child.name for child, _ in pairs)
        query = sa.select(*table.primary_key).where(*is_set, ~exists)
        for key in connection.execute(query.execution_options(yield_per=1)):
            where = ", ".join(f"{part.name} {value}" for part, value in zip(table.primary_key, key, strict=True))
            missing = f"refers to a row of {constraint.referred_table.name} that is missing"
            yield f"{table.name}, {where}: {columns} {missing}."


def _problem(column: sa.Column[Any], value: Any, *, for_postgresql: bool) -> str | None:
    if value is None:
        return None if column.nullable else "is empty, and the column requires a value"
    if isinstance(column.type, sa.Enum):
        return None
    for kind, python_type, name in TYPES:
        if isinstance(column.type, kind) and not isinstance(value, python_type):
            return f"is not {name}"
    if isinstance(value, float) and math.isnan(value):
        return "is not a number"
    if isinstance(value, JsonValue):
        return next(filter(None, (_problem_of_text(text, for_postgresql) for text in _texts(value.value))), None)
    if isinstance(value, int) and for_postgresql and abs(value) > _largest(column):
        return f"has the number {value}, which is too large for PostgreSQL"
    return _problem_of_string(column, value, for_postgresql) if isinstance(value, str) else None


def _problem_of_string(column: sa.Column[Any], value: str, for_postgresql: bool) -> str | None:
    most = getattr(column.type, "length", None)
    if for_postgresql and most and len(value) > most:
        return f"has {len(value)} characters, and PostgreSQL allows {most} in this column"
    return _problem_of_text(value, for_postgresql)


def _problem_of_text(value: str | float, for_postgresql: bool) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else "contains a number that is not finite"
    if "\0" in value and for_postgresql:
        return "contains the character NUL, which PostgreSQL cannot store"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "contains half of a character (a surrogate), which cannot be stored as UTF-8"
    return None


def _texts(value: Any) -> Iterator[str | float]:
    """Every text and every fraction in a value of JSON."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str | float):
        yield value


def _largest(column: sa.Column[Any]) -> int:
    return BIG_INTEGER_MAX if isinstance(column.type, sa.BigInteger) else INTEGER_MAX
