"""Names of schemas, tables and other objects: how allow lists write them, and how sentences show them."""

from collections.abc import Iterable

SHOWN, LENGTH_MAX = 5, 200


def split_tables(names: Iterable[str], schema: str) -> list[tuple[str, str]]:
    """The names of an allow list as (schema, table). A name without a schema is in this one."""
    parts = (name.partition(".") for name in names)
    return [(first, table) if dot else (schema, first) for first, dot, table in parts]


def shorten(names: Iterable[str]) -> str:
    """The first names in one text, without characters that cannot be printed."""
    texts = ["".join(filter(str.isprintable, name))[:LENGTH_MAX] for name in names]
    more = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {more} more" if more > 0 else "")
