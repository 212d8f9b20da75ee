"""Which changes of a column's type leave the rows as they are on disk."""

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

POSTGRESQL: Any = postgresql.dialect
ALIASES = {
    "character varying": "varchar",
    "character": "char",
    "bpchar": "char",
    "decimal": "numeric",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
    "bit varying": "varbit",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "float8": "double precision",
    "float4": "real",
    "bool": "boolean",
}
# PostgreSQL converts each of these to each other one of its group, and any type to a text, without a USING. A text that
# is too long is then refused. CAST would cut it off.
TEXTS = ("varchar", "text", "char")
NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
# The precision of these is 6 if none is written.
TIMES = ("timestamp", "timestamptz", "time", "timetz", "interval")
ARGUMENTS = re.compile(r"\(([\d\s,-]*)\)")
COLLATION = re.compile(r"\s+COLLATE\s+\S+\s*$", re.IGNORECASE)
CAST = re.compile(r"CAST\s*\((?P<value>.+)\s+AS\s+(?P<kind>.+)\)", re.IGNORECASE | re.DOTALL)
SHORT_CAST = re.compile(r"(?P<value>.+?)\s*::\s*(?P<kind>.+)", re.DOTALL)


def keeps_rows(present: str, wanted: str) -> bool:
    """Whether PostgreSQL makes this change without rewriting the table. Both types are written as in SQL."""
    (old, old_size), (new, new_size) = _parse(present), _parse(wanted)
    if (old, old_size) == (new, new_size):
        return True
    if old in ("varchar", "text") and new in ("varchar", "text"):
        return _is_longer(old_size, new_size)
    if old == new == "varbit":
        return _is_longer(old_size, new_size)
    if old == new == "numeric":
        return not new_size or (bool(old_size) and _scale(old_size) == _scale(new_size) and old_size[0] <= new_size[0])
    if old == new and new in TIMES:
        return (old_size or (6,)) <= (new_size or (6,))
    return (old, new) == ("cidr", "inet")


def is_wider(present: Any, wanted: Any) -> bool:
    """Whether PostgreSQL changes a column from one type of SQLAlchemy to the other without reading its rows."""
    present, wanted = sa.types.to_instance(present), sa.types.to_instance(wanted)
    if isinstance(present, sa.Enum) or isinstance(wanted, sa.Enum):
        return False
    old, new = type_text(present), type_text(wanted)
    return collation_of(old) == collation_of(new) and keeps_rows(old, new)


def needs_using(present: Any, wanted: Any) -> bool:
    """Whether PostgreSQL converts a column from one type of SQLAlchemy to the other only with a USING."""
    wanted = sa.types.to_instance(wanted)
    old, new = (base_of(type_text(kind)).removesuffix("[]") for kind in (present, wanted))
    if type_text(present).endswith("[]") != type_text(wanted).endswith("[]"):
        return True
    is_enum = isinstance(wanted, sa.Enum) and new not in TEXTS
    return is_enum or not (new in TEXTS or old == new or (old in NUMBERS and new in NUMBERS))


def type_text(kind: Any) -> str:
    """A type as SQL writes it on PostgreSQL."""
    try:
        return str(sa.types.to_instance(kind).compile(dialect=POSTGRESQL()))
    except sa.exc.SQLAlchemyError:
        return str(kind)


def collation_of(text: str) -> str | None:
    """The collation that a type names; None without one."""
    found = COLLATION.search(text)
    return None if found is None else found[0].split()[-1]


def without_collation(text: str) -> str:
    """A type without its collation."""
    return COLLATION.sub("", text)


def base_of(text: str) -> str:
    """The usual name of a type, without its length and its collation."""
    return _parse(without_collation(text))[0]


def is_same(present: str, wanted: str) -> bool:
    """Whether two texts name one type."""
    return _parse(present) == _parse(wanted)


def size_of(text: str) -> str:
    """The length or precision of a type, with its parentheses."""
    found = ARGUMENTS.search(text)
    return "" if found is None else found[0]


def has_size(text: str) -> bool:
    """Whether a type names a length or a precision."""
    return bool(_parse(text)[1])


def is_plain_cast(using: str | None, column: str, wanted: str) -> bool:
    """Whether a USING only converts the column to the type, so that PostgreSQL sees that it computes nothing."""
    if not using:
        return True
    text = _without_parentheses(using)
    found = CAST.fullmatch(text) or SHORT_CAST.fullmatch(text)
    if found is None:
        return _is_name(text, column)
    kind = _parse(without_collation(found["kind"]))
    return _is_name(_without_parentheses(found["value"]), column) and kind == _parse(without_collation(wanted))


def _is_name(text: str, column: str) -> bool:
    return text in (column, f'"{column}"') or text.lower() == column


def _without_parentheses(text: str) -> str:
    text = text.strip()
    while text[:1] == "(" and text[-1:] == ")" and ")" not in text[1:-1].partition("(")[0]:
        text = text[1:-1].strip()
    return text


def _parse(text: str) -> tuple[str, tuple[int, ...]]:
    text = without_collation(text)
    found = ARGUMENTS.search(text)
    size = tuple(int(part) for part in found[1].split(",") if part.strip()) if found else ()
    name = " ".join(ARGUMENTS.sub(" ", text).lower().replace('"', "").split()).removeprefix("pg_catalog.")
    base, array = name.removesuffix("[]").strip(), "[]" if name.endswith("[]") else ""
    return ALIASES.get(base, base) + array, size


def _is_longer(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    return not new or (bool(old) and old <= new)


def _scale(size: tuple[int, ...]) -> int:
    return size[1] if len(size) > 1 else 0
