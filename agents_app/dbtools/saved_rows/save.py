"""Before a migration drops a table or a column, its rows are written to a file, under the lock of the drop."""

import os
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations, ops, toimpl
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_name
from agents_app.dbtools.database.columns import primary_key_of, set_exact_text_format, table_columns
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.database.postgresql import DISCONNECT_TIMEOUT_S, POLL_INTERVAL_S
from agents_app.dbtools.output import display_path, pluralize, print_progress
from agents_app.dbtools.saved_rows import file as rows_file

ADVICE = "Make room, set BACKUP_FOLDER to another folder, or go without: --no-backup (alembic: -x no_backup=1)."
STREAMED = {"stream_results": True, "max_row_buffer": 1_000}


class RowSaver:
    """What one run of migrations has saved, in a folder of its own. A block that fails keeps only what is really gone.

    A run that saves nothing makes no folder; where `parent` is None nothing is saved at all.
    """

    def __init__(self, parent: Path | None, url: URL) -> None:
        self._parent, self._url = parent, url
        self._folder: Path | None = None
        self._taken: dict[Path, int | None] = {}
        self._count = 0
        self._revision = ""
        self._is_unsure = False

    def __enter__(self) -> "RowSaver":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if kind is not None:
            self.forget_what_was_undone()
        if self._taken and self._folder:
            advice = f"flask db restore-rows {shlex.quote(display_path(self._folder))}"
            if self._is_unsure:
                print_progress(
                    f"The server cannot be asked whether the saved rows were dropped. If they were: {advice}"
                )
            else:
                print_progress(f"Bring the rows back, when their tables and columns are there again: {advice}")

    def take(self, context: MigrationContext, table: str, schema: str | None, column: str | None) -> None:
        """Save the rows of a table, or the values of one column with their keys; nothing where there are none.

        Raises CommandError where the file cannot be written.
        """
        connection = context.connection
        if self._parent is None or connection is None:
            return
        columns = [found for found in table_columns(connection, table, schema) if not found.is_generated]
        names = [found.name for found in columns]
        if not names or column not in [None, *names]:
            return
        _lock(connection, table, schema)
        if not _has_values(connection, table, schema, column):
            return
        key = primary_key_of(columns)
        if column and key and column not in key:
            names = [*key, column]
        else:
            # Without its key a value cannot be found again, so that the whole row is worth having.
            key = key if column is None else []
        self._revision = self._revision or ", ".join(context.get_current_heads())
        saved_at = datetime.now(UTC).isoformat(timespec="seconds")
        head = rows_file.Head(connection.dialect.name, schema, table, column, names, key, saved_at, self._revision)
        self._write(connection, head, self._parent)

    def forget_what_was_undone(self) -> None:
        """Remove the files of rows that are in the database still, because their step was rolled back."""
        for path in [path for path, transaction in self._taken.items() if self._was_undone(transaction)]:
            path.unlink(missing_ok=True)
            del self._taken[path]
        self._remove_if_empty()

    def _write(self, connection: Connection, head: rows_file.Head, parent: Path) -> None:
        what = f"column {head.column} of {head.table}" if head.column else f"table {head.table}"
        try:
            self._folder = self._folder or _new_folder(parent)
            path = self._next_path(head, self._folder)
            with _rows(connection, head) as rows:
                count = rows_file.write(path, head, rows)
        except OSError as error:
            self._remove_if_empty()
            refusal = (
                f"The {what} was not dropped: its rows cannot be saved in {display_path(parent)}: {error.strerror}."
            )
            raise CommandError(f"{refusal} {ADVICE}") from error
        self._taken[path] = _transaction(connection)
        print_progress(f"Saved {pluralize(count, 'row')} of {what} in {display_path(path)}")

    def _next_path(self, head: rows_file.Head, folder: Path) -> Path:
        self._count += 1
        name = re.sub(r"[^\w.-]", "_", f"{head.table}.{head.column}" if head.column else head.table)
        return folder / f"{self._count:03}-{name}.jsonl"

    def _was_undone(self, transaction: int | None) -> bool:
        if transaction is None:
            return True
        # A part of a step may have been committed, which only the server knows.
        try:
            return _how_it_ended(self._url, transaction) == "aborted"
        except DBAPIError:
            self._is_unsure = True
            return False

    def _remove_if_empty(self) -> None:
        if self._folder is not None and not self._taken:
            with suppress(OSError):
                self._folder.rmdir()
            self._folder = None


def _new_folder(parent: Path) -> Path:
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = datetime.now(UTC).strftime("rows-%Y%m%dT%H%M%SZ")
    for number in range(1, 1_000):
        folder = parent / (stem if number == 1 else f"{stem}-{number}")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise FileExistsError(17, os.strerror(17))


def _lock(connection: Connection, table: str, schema: str | None) -> None:
    # The drop takes it a moment later; without it rows could come in between. SQLite's writers are alone already.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {quote_name(connection, table, schema)} IN ACCESS EXCLUSIVE MODE")


def _has_values(connection: Connection, table: str, schema: str | None, column: str | None) -> bool:
    query = sa.select(sa.literal(1)).select_from(sa.table(table, schema=schema)).limit(1)
    if column is not None:
        query = query.where(sa.column(column).is_not(None))
    return connection.execute(query).first() is not None


def _transaction(connection: Connection) -> int | None:
    # SQLite's run is one transaction, which is undone whole.
    if connection.dialect.name != "postgresql":
        return None
    return connection.scalar(sa.select(sa.func.txid_current()))


def _how_it_ended(url: URL, transaction: int) -> str | None:
    with connect(url) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        ends = time.monotonic() + DISCONNECT_TIMEOUT_S
        while True:
            status: str | None = connection.scalar(sa.select(sa.func.txid_status(transaction)))
            # Where the connection was lost, the server needs a moment to notice it.
            if status != "in progress" or time.monotonic() > ends:
                return status
            time.sleep(POLL_INTERVAL_S)


@contextmanager
def _rows(connection: Connection, head: rows_file.Head) -> Iterator[Iterator[Sequence[Any]]]:
    is_text = connection.dialect.name == "postgresql"
    columns: list[sa.ColumnElement[Any]] = [sa.column(name) for name in head.columns]
    chosen = [sa.cast(column, sa.Text) if is_text else column for column in columns]
    query = sa.select(*chosen).select_from(sa.table(head.table, schema=head.schema))
    with connection.begin_nested() as savepoint:
        if is_text:
            set_exact_text_format(connection)
        with connection.execute(query, execution_options=STREAMED) as result:
            yield iter(result)
        # Nothing was written; the migration goes on with its own settings.
        savepoint.rollback()


@Operations.implementation_for(ops.DropTableOp, replace=True)
def _drop_table(operations: Operations, operation: ops.DropTableOp) -> None:
    _save(operations, operation.table_name, operation.schema, None)
    toimpl.drop_table(operations, operation)


@Operations.implementation_for(ops.DropColumnOp, replace=True)
def _drop_column(operations: Operations, operation: ops.DropColumnOp) -> None:
    _save(operations, operation.table_name, operation.schema, operation.column_name)
    toimpl.drop_column(operations, operation)


def _save(operations: Operations, table: str, schema: str | None, column: str | None) -> None:
    context = operations.migration_context
    if context.as_sql:
        what = f"column {column} of {table}" if column else f"table {table}"
        context.impl.static_output(f"-- This script takes no backup of the {what}, which it drops.")
    elif "savings" in context.opts:
        context.opts["savings"].take(context, table, schema, column)
