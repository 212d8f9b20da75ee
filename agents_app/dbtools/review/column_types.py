"""Which changes of a column's type leave the rows as they are on disk."""

import re

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
# The precision of these is 6 if none is written.
TIMES = ("timestamp", "timestamptz", "time", "timetz", "interval")
ARGUMENTS = re.compile(r"\(([\d\s,-]*)\)")


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


def _parse(text: str) -> tuple[str, tuple[int, ...]]:
    found = ARGUMENTS.search(text)
    size = tuple(int(part) for part in found[1].split(",") if part.strip()) if found else ()
    name = " ".join(ARGUMENTS.sub(" ", text).lower().replace('"', "").split()).removeprefix("pg_catalog.")
    base, array = name.removesuffix("[]").strip(), "[]" if name.endswith("[]") else ""
    return ALIASES.get(base, base) + array, size


def _is_longer(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    return not new or (bool(old) and old <= new)


def _scale(size: tuple[int, ...]) -> int:
    return size[1] if len(size) > 1 else 0
