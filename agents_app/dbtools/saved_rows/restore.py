"""Saved rows come back into their table, and saved values into their column by primary key: all of them or none."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.database.quoting import quote_name
from agents_app.dbtools.configuration import LockSettings
from agents_app.dbtools.database.columns import Column, set_exact_text_format, table_columns
from agents_app.dbtools.database.connections import migration_connection
from agents_app.dbtools.output import pluralize, progress_bar
from agents_app.dbtools.saved_rows import file as rows_file
from agents_app.dbtools.saved_rows.file import Head

BATCH = 1_000
SAVED = "saved_rows"


@dataclass(frozen=True)
class RestoredRows:
    """What became of one file's rows, or values where `column` is not None.

    `kept` were left as they are now, `unmatched` are values whose row is gone.
    """

    table: str
    column: str | None
    restored: int
    kept: int
    unmatched: int


def restore_rows(url: URL, path: Path, *, keep: bool) -> list[RestoredRows]:
    """Put back the rows of a file, or of every file of a folder, in one transaction.

    With `keep`, rows and values that are there by now stay as they are; without it they are a reason to refuse. Raises
    CommandError, and changes nothing, where rows do not fit.
    """
    files = _files(path)
    with migration_connection(url, LockSettings(), verbose=False) as connection, _one_transaction(connection):
        return [_put_back(connection, file, keep) for file in files]


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise CommandError(f"There is no {path}.")
    # What was dropped last comes back first: a parent before its children, a table before its columns.
    files = sorted(path.glob("*.jsonl"), reverse=True) if path.is_dir() else [path]
    if not files:
        raise CommandError(f"There are no saved rows in {path}.")
    return files


@contextmanager
def _one_transaction(connection: Connection) -> Iterator[None]:
    if connection.dialect.name == "sqlite":
        yield  # It is in one already.
        return
    with connection.begin():
        set_exact_text_format(connection)
        yield


def _put_back(connection: Connection, file: Path, keep: bool) -> RestoredRows:
    head = rows_file.read_head(file)
    columns = {column.name: column for column in table_columns(connection, head.table, head.schema)}
    _refuse_what_does_not_fit(connection, head, columns)
    with _loaded(connection, head, file):
        both = _Both(connection, head, columns)
        return _put_back_values(both, head.column, keep) if head.column else _put_back_rows(both, keep)


def _refuse_what_does_not_fit(connection: Connection, head: Head, columns: dict[str, Column]) -> None:
    if head.database != connection.dialect.name:
        raise CommandError(f"These rows are from {head.database}; this database is {connection.dialect.name}.")
    there = f"They were saved at revision {head.revision}: go there first, with flask db upgrade or downgrade."
    if not columns:
        raise CommandError(f"There is no table {head.table} for these rows. {there}")
    lacking = [name for name in head.columns if name not in columns]
    if lacking:
        raise CommandError(f"The table {head.table} has no column {', '.join(lacking)} for these rows. {there}")
    if head.column and not head.key:
        raise CommandError(
            f"The rows of {head.table} had no key, so their {head.column} cannot be put back one by one."
        )
    unknown = [name for name, column in columns.items() if column.is_required and name not in head.columns]
    if unknown and not head.column:
        raise CommandError(f"The table {head.table} needs {', '.join(unknown)}, which these rows do not have. {there}")


@contextmanager
def _loaded(connection: Connection, head: Head, file: Path) -> Iterator[None]:
    # First into a table of our own, so that one statement can do the rest: rows may point to each other.
    kind = " text" if connection.dialect.name == "postgresql" else ""
    columns = [f"c{number}" for number in range(len(head.columns))]
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {SAVED} ({', '.join(column + kind for column in columns)})")
    insert = sa.table(SAVED, *map(sa.column, columns)).insert()
    rows = rows_file.read_rows(file)
    with progress_bar(f"Reading {file.name}", rows_file.count_rows(file)) as advance:
        while batch := list(islice(rows, BATCH)):
            connection.execute(insert, [dict(zip(columns, row, strict=True)) for row in batch])
            advance(len(batch))
    yield
    connection.exec_driver_sql(f"DROP TABLE {SAVED}")


class _Both:
    """A table and the saved rows beside it, as parts of statements."""

    def __init__(self, connection: Connection, head: Head, columns: dict[str, Column]) -> None:
        self.connection, self.head, self.columns = connection, head, columns
        self.is_text = connection.dialect.name == "postgresql"
        self.table = sa.table(head.table, *map(sa.column, head.columns), schema=head.schema)
        self.saved = sa.table(SAVED, *(sa.column(f"c{number}") for number in range(len(head.columns))))
        self.same_row = sa.and_(*(self.present(name) == self.text(name) for name in head.key))

    def text(self, name: str) -> sa.ColumnElement[Any]:
        """A saved value as it stands in the file."""
        return self.saved.c[f"c{self.head.columns.index(name)}"]

    def value(self, name: str) -> sa.ColumnElement[Any]:
        """A saved value of the column's type."""
        text = self.text(name)
        return sa.literal_column(f"CAST({text} AS {self.columns[name].type})") if self.is_text else text

    def present(self, name: str) -> sa.ColumnElement[Any]:
        """The table's value, written as in the file."""
        column: sa.ColumnElement[Any] = self.table.c[name]
        return sa.cast(column, sa.Text) if self.is_text else column

    def default(self, name: str) -> sa.ColumnElement[Any]:
        """What a row has that says nothing, written as in the file."""
        expression = self.columns[name].default
        if expression is None:
            return sa.null()
        typed = f"CAST(CAST({expression} AS {self.columns[name].type}) AS text)"
        return sa.literal_column(typed if self.is_text else f"({expression})")

    def count(self, start: sa.FromClause, *conditions: sa.ColumnElement[bool]) -> int:
        """How many rows there are."""
        query = sa.select(sa.func.count()).select_from(start).where(*conditions)
        return self.connection.scalar(query) or 0


def _put_back_rows(both: _Both, keep: bool) -> RestoredRows:
    head = both.head
    pairs = both.saved.join(both.table, both.same_row) if head.key else both.table
    present = both.count(pairs)
    if present and not (keep and head.key):
        hint = "Nothing was changed. To keep those and put back the others: --keep" if head.key else "It must be empty."
        raise CommandError(f"{pluralize(present, 'row')} of {head.table} there already. {hint}")
    query = sa.select(*map(both.value, head.columns)).select_from(both.saved)
    if present:
        query = query.where(~sa.exists().select_from(both.table).where(both.same_row))
    restored = both.connection.exec_driver_sql(_insert(both, query)).rowcount
    _move_sequences_on(both)
    return RestoredRows(head.table, None, restored, present, 0)


def _insert(both: _Both, query: sa.Select[Any]) -> str:
    table = quote_name(both.connection, both.head.table, both.head.schema)
    names = ", ".join(quote_name(both.connection, name) for name in both.head.columns)
    # An identity column that always counts by itself takes its old numbers too.
    overriding = "OVERRIDING SYSTEM VALUE" if both.is_text else ""
    return f"INSERT INTO {table} ({names}) {overriding} {query.compile(both.connection)}"


def _move_sequences_on(both: _Both) -> None:
    if not both.is_text:
        return
    table = quote_name(both.connection, both.head.table, both.head.schema)
    for name in both.head.columns:
        sequence = sa.func.pg_get_serial_sequence(table, name)
        last = sa.select(sa.func.max(both.table.c[name])).scalar_subquery()
        if both.connection.scalar(sa.select(sequence)):
            both.connection.execute(sa.select(sa.func.setval(sequence, last)))


def _put_back_values(both: _Both, name: str, keep: bool) -> RestoredRows:
    present, table = both.present(name), both.head.table
    differs = present.is_distinct_from(both.text(name))
    is_newer = sa.and_(differs, present.is_distinct_from(both.default(name)))
    newer = both.count(both.saved.join(both.table, both.same_row), is_newer)
    if newer and not keep:
        hint = "Nothing was changed. To keep those and put back the others: --keep"
        raise CommandError(f"{pluralize(newer, 'row')} of {table} with another {name} by now. {hint}")
    unmatched = both.count(both.saved, ~sa.exists().select_from(both.table).where(both.same_row))
    update = both.table.update().values({name: both.value(name)}).where(both.same_row, differs, ~is_newer)
    both.connection.execute(update)
    return RestoredRows(table, name, both.count(both.saved) - newer - unmatched, newer, unmatched)
