"""Writes the rows of a table or column to a file before a migration drops it, while the table is locked."""

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
from agents_app.dbtools.folders import CHOOSE_FOLDER
from agents_app.dbtools.output import pluralize, print_progress
from agents_app.dbtools.saved_rows import file as rows_file
from agents_app.paths import COMMAND, display_path

# To `deploy`, --no-backup means the backup before the steps.
SAVE_NONE = "To save no rows: -x no_backup=1 with deploy and alembic, --no-backup with upgrade and downgrade."
ADVICE = f"Free disk space, or set BACKUP_FOLDER to another folder. {SAVE_NONE}"
NOT_A_FOLDER = f"{CHOOSE_FOLDER} {SAVE_NONE}"
UNKNOWN_OUTCOME = "It is unknown whether the saved rows were dropped: the server does not answer."
STREAMED = {"stream_results": True, "max_row_buffer": 1_000}


class RowSaver:
    """Saves dropped rows during one run of migrations, in a new folder inside `parent`.

    If the block fails, only the files of rows that were really dropped remain. If nothing is saved, no folder is
    created. If `parent` is None, nothing is saved at all.
    """

    def __init__(self, parent: Path | None, url: URL) -> None:
        self._parent, self._url = parent, url
        self._folder: Path | None = None
        self._files: dict[Path, int | None] = {}
        self._contents: dict[Path, dict[str, Any]] = {}
        self._count = 0
        self._revision = ""
        self._is_outcome_unknown = False

    def __enter__(self) -> "RowSaver":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if kind is not None:
            self.remove_files_of_undone_steps()
        if self._files and self._folder:
            advice = f"{COMMAND} db restore-rows {shlex.quote(display_path(self._folder))}"
            if self._is_outcome_unknown:
                print_progress(f"{UNKNOWN_OUTCOME} If they were: {advice}")
            else:
                print_progress(f"To restore the rows when their tables and columns exist again: {advice}")

    def save(self, context: MigrationContext, table: str, schema: str | None, column: str | None) -> None:
        """Save the rows of a table, or the values of one column with their keys. Write no file if there are none.

        Raises CommandError if the file cannot be written.
        """
        connection = context.connection
        if self._parent is None or connection is None:
            return
        columns = [present for present in table_columns(connection, table, schema) if not present.is_generated]
        names = [present.name for present in columns]
        if not names or column not in [None, *names]:
            return
        # The drop takes this lock too. Taking it now prevents new rows in between. SQLite has one writer anyway.
        if connection.dialect.name == "postgresql":
            name = quote_name(connection, table, schema)
            connection.exec_driver_sql(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        if not _has_values(connection, table, schema, column):
            return
        key = primary_key_of(columns)
        if column and key and column not in key:
            names = [*key, column]
        else:
            # Without its key a value cannot be assigned to its row again, so the whole row is saved.
            key = key if column is None else []
        self._revision = self._revision or ", ".join(context.get_current_heads())
        saved_at = datetime.now(UTC).isoformat(timespec="seconds")
        header = rows_file.Header(connection.dialect.name, schema, table, column, names, key, saved_at, self._revision)
        self._write_file(connection, header, self._parent)

    def saved(self) -> list[dict[str, Any]]:
        """The files that were written until now: `file`, `table`, `column` (None: whole rows) and `rows`."""
        return [{"file": str(path), **self._contents[path]} for path in self._files]

    def remove_files_of_undone_steps(self) -> None:
        """Remove the files of rows that are still in the database because their step was rolled back."""
        for path, transaction in list(self._files.items()):
            try:
                # A part of the step may have been committed. Only the server knows.
                was_undone = transaction is None or _transaction_status(self._url, transaction) == "aborted"
            except DBAPIError:
                self._is_outcome_unknown = True
                continue
            if was_undone:
                path.unlink(missing_ok=True)
                del self._files[path]
        self._remove_empty_folder()

    def _write_file(self, connection: Connection, header: rows_file.Header, parent: Path) -> None:
        what = f"column {header.column} of {header.table}" if header.column else f"table {header.table}"
        try:
            self._folder = self._folder or _create_folder(parent)
            path = self._next_path(header, self._folder)
            with _read_rows(connection, header) as rows:
                count = rows_file.write(path, header, rows)
        except OSError as error:
            self._remove_empty_folder()
            refusal = (
                f"The {what} was not dropped: its rows cannot be saved in {display_path(parent)}: {error.strerror}."
            )
            raise CommandError(f"{refusal} {ADVICE if parent.is_dir() else NOT_A_FOLDER}") from error
        is_postgresql = connection.dialect.name == "postgresql"
        # On SQLite the whole run is one transaction, so it needs no id.
        self._files[path] = connection.scalar(sa.select(sa.func.txid_current())) if is_postgresql else None
        self._contents[path] = {"table": header.table, "column": header.column, "rows": count}
        print_progress(f"Saved {pluralize(count, 'row')} of {what} in {display_path(path)}")

    def _next_path(self, header: rows_file.Header, folder: Path) -> Path:
        self._count += 1
        name = re.sub(r"[^\w.-]", "_", f"{header.table}.{header.column}" if header.column else header.table)
        return folder / f"{self._count:03}-{name}.jsonl"

    def _remove_empty_folder(self) -> None:
        if self._folder is not None and not self._files:
            with suppress(OSError):
                self._folder.rmdir()
            self._folder = None


def _create_folder(parent: Path) -> Path:
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = datetime.now(UTC).strftime("rows-%Y%m%dT%H%M%SZ")
    for number in range(1, 1_000):
        folder = parent / (stem if number == 1 else f"{stem}-{number}")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise FileExistsError(17, os.strerror(17))


def _has_values(connection: Connection, table: str, schema: str | None, column: str | None) -> bool:
    query = sa.select(sa.literal(1)).select_from(sa.table(table, schema=schema)).limit(1)
    if column is not None:
        query = query.where(sa.column(column).is_not(None))
    return connection.execute(query).first() is not None


def _transaction_status(url: URL, transaction: int) -> str | None:
    with connect(url) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        deadline = time.monotonic() + DISCONNECT_TIMEOUT_S
        while True:
            status: str | None = connection.scalar(sa.select(sa.func.txid_status(transaction)))
            # If the connection was lost, the server may need some time to notice.
            if status != "in progress" or time.monotonic() > deadline:
                return status
            time.sleep(POLL_INTERVAL_S)


@contextmanager
def _read_rows(connection: Connection, header: rows_file.Header) -> Iterator[Iterator[Sequence[Any]]]:
    is_text = connection.dialect.name == "postgresql"
    columns: list[sa.ColumnElement[Any]] = [sa.column(name) for name in header.columns]
    selected = [sa.cast(column, sa.Text) if is_text else column for column in columns]
    query = sa.select(*selected).select_from(sa.table(header.table, schema=header.schema))
    with connection.begin_nested() as savepoint:
        if is_text:
            set_exact_text_format(connection)
        with connection.execute(query, execution_options=STREAMED) as result:
            yield iter(result)
        # This restores the migration's own settings; nothing was written.
        savepoint.rollback()


@Operations.implementation_for(ops.DropTableOp, replace=True)
def _drop_table(operations: Operations, operation: ops.DropTableOp) -> None:
    _save(operations, operation.table_name, operation.schema, None)
    toimpl.drop_table(operations, operation)


@Operations.implementation_for(ops.DropColumnOp, replace=True)
def _drop_column(operations: Operations, operation: ops.DropColumnOp) -> None:
    _save(operations, operation.table_name, operation.schema, operation.column_name)
    context = operations.migration_context
    if context.dialect.name == "sqlite" and not context.as_sql and hasattr(operations.impl, "batch"):
        _drop_checks(operations, operation.table_name, operation.column_name)
    toimpl.drop_column(operations, operation)


def _drop_checks(operations: Operations, table: str, column: str) -> None:
    # PostgreSQL drops the CHECK of a column with it. SQLite refuses the table then.
    for check in sa.inspect(operations.get_bind()).get_check_constraints(table):
        if check["name"] and check["sqltext"].partition(" IN ")[0].strip('" ') == column:
            operations.invoke(ops.DropConstraintOp(operations.f(check["name"]), table, "check"))


def _save(operations: Operations, table: str, schema: str | None, column: str | None) -> None:
    context = operations.migration_context
    if context.as_sql:
        what = f"column {column} of {table}" if column else f"table {table}"
        context.impl.static_output(f"-- This script takes no backup of the {what}, which it drops.")
    elif "row_saver" in context.opts:
        context.opts["row_saver"].save(context, table, schema, column)
