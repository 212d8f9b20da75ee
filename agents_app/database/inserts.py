"""Inserts rows of several tables, with one statement where the database can: a statement costs more than its row."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

Columns = tuple[str, ...]


def insert(connection: Connection, rows: Mapping[sa.Table, Sequence[Mapping[str, Any]]]) -> None:
    """Insert these rows. Those of a table have the same columns. SQLite and many rows take a statement a table."""
    found = {table: some for table, some in rows.items() if some}
    is_one = all(len(some) == 1 and not _lacks_default(table, tuple(some[0])) for table, some in found.items())
    if connection.dialect.name != "postgresql" or not is_one:
        for table, some in found.items():
            connection.execute(sa.insert(table), some)
        return
    if not found:
        return
    one = {table: some[0] for table, some in found.items()}
    values = {_parameter(table, name): value for table, row in one.items() for name, value in row.items()}
    connection.execute(_together(tuple((table, tuple(row)) for table, row in one.items())), values)


@cache
def _lacks_default(table: sa.Table, names: Columns) -> bool:
    """Whether a column that is left out has a default of the model. Of several inserts, SQLAlchemy forgets some."""
    return any(column.default is not None and column.key not in names for column in table.c)


@cache
def _together(columns: tuple[tuple[sa.Table, Columns], ...]) -> sa.Insert:
    """The statement that inserts one row into each of these tables, with these columns."""
    *others, last = (sa.insert(table).values(_parameters(table, names)) for table, names in columns)
    return last.add_cte(*(other.cte(f"part_{number}") for number, other in enumerate(others)))


def _parameters(table: sa.Table, names: Columns) -> dict[str, sa.BindParameter[Any]]:
    return {name: sa.bindparam(_parameter(table, name), type_=table.c[name].type) for name in names}


def _parameter(table: sa.Table, column: str) -> str:
    return f"{table.name}_{column}"
