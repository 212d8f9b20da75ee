"""The calls of `op` that do the same as an operation without a long lock, to copy into a step."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.review.column_rules import text_of

# Options of the operation itself, and those of the other database.
LEFT_OUT = ("postgresql_concurrently", "postgresql_where", "sqlite_where", "postgresql_using_index", "if_not_exists")
UNNAMED = "(unnamed)"


def create_index(
    table: str, name: str, columns: Iterable[Any], options: Mapping[str, Any], *, is_unique: bool, schema: str | None
) -> str:
    """op.create_index_concurrently with the columns, the condition and the options of an index."""
    keys, table = list(columns), table.rpartition(".")[2]
    shown = name or f"ix_{table}_{'_'.join(text_of(key) for key in keys if text_of(key).isidentifier())}".rstrip("_")
    parts = [repr(shown), repr(table), f"[{', '.join(map(_key, keys))}]"]
    parts += ["unique=True"] if is_unique else []
    condition = options.get("postgresql_where")
    parts += [] if condition is None else [f"where={text_of(condition)!r}"]
    return f"op.create_index_concurrently({', '.join([*parts, *_options(options, schema)])})"


def add_unique(table: str, name: str, columns: Iterable[str], options: Mapping[str, Any], schema: str | None) -> str:
    """op.add_unique_constraint with the columns and options of a constraint, which is in the console's own schema."""
    keys, table = list(columns), table.rpartition(".")[2]
    shown = f"uq_{table}_{'_'.join(keys)}" if name == UNNAMED else name
    if schema is not None:
        index = create_index(table, shown, keys, {}, is_unique=True, schema=schema)
        name = quote_if_needed(shown)
        return f"{index}. In the next step: ALTER TABLE ... ADD CONSTRAINT {name} UNIQUE USING INDEX {name}"
    return f"op.add_unique_constraint({', '.join([repr(shown), repr(table), repr(keys), *_options(options, None)])})"


def _options(options: Mapping[str, Any], schema: str | None) -> list[str]:
    kept = {key: value for key, value in options.items() if key not in LEFT_OUT and value not in (None, False)}
    kept |= {"schema": schema} if schema else {}
    return [f"{key}={_value(value)}" for key, value in kept.items()]


def _key(column: Any) -> str:
    return repr(column) if isinstance(column, str) else f"sa.text({text_of(column)!r})"


def _value(value: Any) -> str:
    return f"sa.text({text_of(value)!r})" if isinstance(value, sa.ClauseElement) else repr(value)
