"""Restores saved rows into their tables, and saved values into their columns by primary key, in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.database.migration_limits import Limits
from agents_app.database.quoting import quote_if_needed, quote_name
from agents_app.db import FILLED, REPLACE_FILLED
from agents_app.dbtools.database.columns import Column, set_exact_text_format, table_columns
from agents_app.dbtools.database.connections import migration_connection
from agents_app.dbtools.output import pluralize, progress_bar
from agents_app.dbtools.saved_rows import file as rows_file
from agents_app.dbtools.saved_rows.file import Header

BATCH_SIZE = 1_000
SAVED_ROWS = "saved_rows"
KEEP = "Nothing was changed. To keep them and restore the others: --keep"


@dataclass(frozen=True)
class RestoredRows:
    """The number of restored rows of one file, or of values if `column` is not None.

    `kept` counts existing rows or values that were not changed, `unmatched` counts values whose row no longer exists.
    """

    table: str
    column: str | None
    restored: int
    kept: int
    unmatched: int


def restore_rows(url: URL, path: Path, models: sa.MetaData, *, keep: bool) -> list[RestoredRows]:
    """Restore the rows of a file, or of every file of a folder, in one transaction.

    With `keep`, existing rows and values are kept; without it they are an error. A column that migrations fill says in
    `models` whether its values are kept or replaced. Raises CommandError, and changes nothing, if rows do not fit the
    table.
    """
    files = _list_files(path)
    with migration_connection(url, Limits(statement_timeout=0), verbose=False) as connection, _transaction(connection):
        return [_restore_file(connection, file, models, keep) for file in files]


def _list_files(path: Path) -> list[Path]:
    if not path.exists():
        raise CommandError(f"There is no {path}.")
    # The reverse order of the drops restores a parent before its children, and a table before its columns.
    files = sorted(path.glob("*.jsonl"), reverse=True) if path.is_dir() else [path]
    if not files:
        raise CommandError(f"There are no saved rows in {path}.")
    return files


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    if connection.dialect.name == "sqlite":
        yield  # The connection is already in a transaction.
        return
    with connection.begin():
        set_exact_text_format(connection)
        yield


def _restore_file(connection: Connection, file: Path, models: sa.MetaData, keep: bool) -> RestoredRows:
    header = rows_file.read_header(file)
    columns = {column.name: column for column in table_columns(connection, header.table, header.schema)}
    _require_matching_table(connection, header, columns)
    with _load_into_temporary_table(connection, header, file):
        sql = _RestoreSql(connection, header, columns)
        if not header.column:
            return _insert_rows(sql, keep)
        return _restore_values(sql, header.column, _filled(models, header), keep)


def _filled(models: sa.MetaData, header: Header) -> str | None:
    table = models.tables.get(header.table)
    column = None if table is None else table.columns.get(header.column or "")
    return None if column is None else column.info.get(FILLED)


def _require_matching_table(connection: Connection, header: Header, columns: dict[str, Column]) -> None:
    if header.database != connection.dialect.name:
        raise CommandError(f"These rows are from {header.database}; this database is {connection.dialect.name}.")
    advice = f"They were saved at revision {header.revision}. First bring the database to that revision."
    if not columns:
        raise CommandError(f"There is no table {header.table} for these rows. {advice}")
    missing = [name for name in header.columns if name not in columns]
    if missing:
        raise CommandError(f"The table {header.table} has no column {', '.join(missing)} for these rows. {advice}")
    if header.column and not header.key:
        raise CommandError(
            f"The rows of {header.table} had no primary key, so their {header.column} cannot be restored row by row."
        )
    required = [name for name, column in columns.items() if column.is_required and name not in header.columns]
    if required and not header.column:
        raise CommandError(
            f"The table {header.table} needs {', '.join(required)}, which these rows do not have. {advice}"
        )


@contextmanager
def _load_into_temporary_table(connection: Connection, header: Header, file: Path) -> Iterator[None]:
    # From there one statement can restore all rows, which may refer to each other.
    column_type = " text" if connection.dialect.name == "postgresql" else ""
    columns = [f"c{number}" for number in range(len(header.columns))]
    definitions = ", ".join(column + column_type for column in columns)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {SAVED_ROWS} ({definitions})")
    insert = sa.table(SAVED_ROWS, *map(sa.column, columns)).insert()
    rows = rows_file.read_rows(file)
    with progress_bar(f"Reading {file.name}", rows_file.count_rows(file)) as advance:
        while batch := list(islice(rows, BATCH_SIZE)):
            connection.execute(insert, [dict(zip(columns, row, strict=True)) for row in batch])
            advance(len(batch))
    yield
    connection.exec_driver_sql(f"DROP TABLE {SAVED_ROWS}")


class _RestoreSql:
    """Parts of SQL statements on a table and the temporary table of its saved rows."""

    def __init__(self, connection: Connection, header: Header, columns: dict[str, Column]) -> None:
        self.connection, self.header, self.columns = connection, header, columns
        self.is_text = connection.dialect.name == "postgresql"
        self.table = sa.table(header.table, *map(sa.column, header.columns), schema=header.schema)
        self.saved = sa.table(SAVED_ROWS, *(sa.column(f"c{number}") for number in range(len(header.columns))))
        self.same_row = sa.and_(*(self.current_text(name) == self.saved_text(name) for name in header.key))

    def saved_text(self, name: str) -> sa.ColumnElement[Any]:
        """The saved value as text, as in the file."""
        return self.saved.c[f"c{self.header.columns.index(name)}"]

    def saved_value(self, name: str) -> sa.ColumnElement[Any]:
        """The saved value, cast to the column's type."""
        text = self.saved_text(name)
        return sa.literal_column(f"CAST({text} AS {self.columns[name].type})") if self.is_text else text

    def current_text(self, name: str) -> sa.ColumnElement[Any]:
        """The table's current value, in the format of the file."""
        column: sa.ColumnElement[Any] = self.table.c[name]
        return sa.cast(column, sa.Text) if self.is_text else column

    def default_text(self, name: str) -> sa.ColumnElement[Any]:
        """The column's default value, in the format of the file."""
        expression = self.columns[name].default
        if expression is None:
            return sa.null()
        typed = f"CAST(CAST({expression} AS {self.columns[name].type}) AS text)"
        return sa.literal_column(typed if self.is_text else f"({expression})")

    def count(self, start: sa.FromClause, *conditions: sa.ColumnElement[bool]) -> int:
        """Count rows."""
        query = sa.select(sa.func.count()).select_from(start).where(*conditions)
        return self.connection.scalar(query) or 0


def _insert_rows(sql: _RestoreSql, keep: bool) -> RestoredRows:
    header = sql.header
    existing = sql.count(sql.saved.join(sql.table, sql.same_row) if header.key else sql.table)
    if existing and not header.key:
        advice = "It must be empty, because these rows have no primary key."
        raise CommandError(f"The table {header.table} already contains {pluralize(existing, 'row')}. {advice}")
    if existing and not keep:
        raise CommandError(f"The table {header.table} already contains {existing} of these rows. {KEEP}")
    query = sa.select(*map(sql.saved_value, header.columns)).select_from(sql.saved)
    if existing:
        query = query.where(~sa.exists().select_from(sql.table).where(sql.same_row))
    restored = sql.connection.exec_driver_sql(_insert_statement(sql, query)).rowcount
    if sql.is_text:
        _advance_sequences(sql)
    return RestoredRows(header.table, None, restored, existing, 0)


def _insert_statement(sql: _RestoreSql, query: sa.Select[Any]) -> str:
    table = quote_name(sql.connection, sql.header.table, sql.header.schema)
    names = ", ".join(quote_name(sql.connection, name) for name in sql.header.columns)
    # This also restores the old numbers of a column that is GENERATED ALWAYS AS IDENTITY.
    overriding = "OVERRIDING SYSTEM VALUE" if sql.is_text else ""
    return f"INSERT INTO {table} ({names}) {overriding} {query.compile(sql.connection)}"


def _advance_sequences(sql: _RestoreSql) -> None:
    path = (sql.header.schema, sql.header.table) if sql.header.schema else (sql.header.table,)
    table = ".".join(map(quote_if_needed, path))
    for name in sql.header.columns:
        sequence = sa.func.pg_get_serial_sequence(table, name)
        last = sa.select(sa.func.max(sql.table.c[name])).scalar_subquery()
        if sql.connection.scalar(sa.select(sequence)):
            sql.connection.execute(sa.select(sa.func.setval(sequence, last)))


def _restore_values(sql: _RestoreSql, name: str, filled: str | None, keep: bool) -> RestoredRows:
    current, table = sql.current_text(name), sql.header.table
    differs = current.is_distinct_from(sql.saved_text(name))
    is_newer = sa.and_(differs, current.is_distinct_from(sql.default_text(name)))
    if filled == REPLACE_FILLED[FILLED]:
        is_newer = sa.false()
    newer = sql.count(sql.saved.join(sql.table, sql.same_row), is_newer)
    if newer and not keep and filled is None:
        raise CommandError(f"{table}.{name} already has other values in {pluralize(newer, 'row')}. {KEEP}")
    unmatched = sql.count(sql.saved, ~sa.exists().select_from(sql.table).where(sql.same_row))
    update = sql.table.update().values({name: sql.saved_value(name)}).where(sql.same_row, differs, ~is_newer)
    sql.connection.execute(update)
    return RestoredRows(table, name, sql.count(sql.saved) - newer - unmatched, newer, unmatched)
