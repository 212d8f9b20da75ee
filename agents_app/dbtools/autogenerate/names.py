"""Names in the models that PostgreSQL would cut off or refuse."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.sql.elements import _truncated_label

# In bytes, on PostgreSQL.
LONGEST_NAME = 63
SHORTEN = f"Give each a name of at most {LONGEST_NAME} bytes in the models."


def long_names(metadata: sa.MetaData) -> str | None:
    """A sentence that has every name of the models that is too long, with its table; None if none is."""
    found = [
        f"{name} of the table {table.name} ({len(name.encode())})"
        for table in metadata.sorted_tables
        for name in dict.fromkeys(_names(table))
        if len(name.encode()) > LONGEST_NAME
    ]
    return f"PostgreSQL has no names of more than {LONGEST_NAME} bytes: {', '.join(found)}." if found else None


def require_short_names(metadata: sa.MetaData) -> None:
    """Raise CommandError if a name of the models is too long."""
    if what := long_names(metadata):
        raise CommandError(f"{what} {SHORTEN}")


def _names(table: sa.Table) -> Iterator[str]:
    yield table.name
    for column in table.columns:
        yield column.name
        if isinstance(column.type, sa.Enum) and column.type.name:
            yield column.type.name
    items: list[Any] = [*table.constraints, *table.indexes]
    for item in items:
        # SQLAlchemy cuts those of the naming convention in one way, but a CHECK is compared by its whole name.
        is_cut = isinstance(item.name, _truncated_label) and not isinstance(item, sa.CheckConstraint)
        if isinstance(item.name, str) and not is_cut:
            yield str(item.name)
