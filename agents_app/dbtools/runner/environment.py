"""The code of `migrations/env.py`: runs the current Alembic command on a database, or writes it as SQL."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from alembic import context
from alembic.util import CommandError
from sqlalchemy import MetaData, event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.migration_limits import Limits
from agents_app.database.quoting import quote_if_needed
from agents_app.database.url import schema_of
from agents_app.dbtools.autogenerate.settings import autogenerate_settings, ignoring_reflection_warnings
from agents_app.dbtools.backup.signals import cancellable_queries, interrupt_on_signals
from agents_app.dbtools.branches import ambiguous_way_back, require_one_head
from agents_app.dbtools.configuration import BACKUPS, limits_of_run
from agents_app.dbtools.console_session import require_same_database
from agents_app.dbtools.database import encoding, leftovers, postgresql, schema, session_limits
from agents_app.dbtools.database.connections import connect, create_file_or_schema, migration_connection
from agents_app.dbtools.marks import require_clear_marks
from agents_app.dbtools.output import WaitingLines, print_progress
from agents_app.dbtools.phases import way_to_head
from agents_app.dbtools.position import (
    EMPTY_REVISION,
    read_position,
    require_no_table_conflict,
    require_own_version_table,
)
from agents_app.dbtools.records.run import RunRecord
from agents_app.dbtools.runner import keeping
from agents_app.dbtools.runner.error_messages import NOT_AT_HEAD, not_at_head, readable_step_errors
from agents_app.dbtools.runner.steps import Steps
from agents_app.dbtools.saved_rows.save import RowSaver
from agents_app.errors import ConsoleError

Options = dict[str, Any]


class DatabaseSettings(Protocol):
    """The console's settings, which apply if the command was given no database."""

    @property
    def database_url(self) -> URL:
        """The console's own URL of the database."""

    @property
    def migration_url(self) -> URL:
        """The URL of the database for migrations."""

    @property
    def migration_limits(self) -> Limits:
        """The limits of a migration."""

    @property
    def backup_folder(self) -> Path:
        """The folder in which rows are saved before they are dropped."""


def run_command(models: ModuleType, metadata: MetaData, load_settings: Callable[[], DatabaseSettings]) -> None:
    """Run the current command. `load_settings` is called if the command was given no database.

    Raises CommandError with one line if the database or a setting causes an error.
    """
    url = _migration_url(load_settings)
    options = _configure_and_get_options(url)
    steps = Steps(options["fn"], context.config.attributes.get("report", print_progress))
    context.config.attributes["times"] = steps.times
    with readable_step_errors(url, steps):
        settings = autogenerate_settings(models, metadata, context.script.dir, url.get_backend_name())
        _require_clear_target(options)
        if context.is_offline_mode():
            _write_script(url, settings)
        elif "destination_rev" in options:
            # `upgrade`, `downgrade` and `stamp` have a destination. The other commands only read.
            _set_limits(load_settings)
            require_same_database(url, _console_url(load_settings))
            is_upgrade = options["fn"].__name__ == "upgrade"
            if is_upgrade:
                create_file_or_schema(url)
            with interrupt_on_signals(), cancellable_queries():
                row_saver = RowSaver(_backup_folder(load_settings), url)
                record = keeping.new_record(context.config.attributes, options["fn"], row_saver.saved)
                with keeping.keep_failure(url, record, lambda: len(steps.times)):
                    _migrate(url, steps, settings, row_saver, record, is_upgrade=is_upgrade)
        else:
            _run_read_only(url, steps, settings)


def _require_clear_target(options: Options) -> None:
    if options.get("destination_rev") in ("", ("",)):
        raise CommandError(EMPTY_REVISION)
    # The functions of `upgrade head`, and of `check` and `migrate`.
    if options.get("destination_rev") == "head" or options["fn"].__name__ == "retrieve_migrations":
        require_one_head(context.script)
        require_clear_marks(context.script)


def _migration_url(load_settings: Callable[[], DatabaseSettings]) -> URL:
    try:
        url: URL = context.config.attributes.get("database_url") or load_settings().migration_url
    except ConsoleError as error:
        raise CommandError(error.detail) from error
    return url


def _console_url(load_settings: Callable[[], DatabaseSettings]) -> URL | None:
    given = context.config.attributes
    url: URL | None = given.get("console_url") if "database_url" in given else load_settings().database_url
    return url


def _set_limits(load_settings: Callable[[], DatabaseSettings]) -> None:
    given = context.config.attributes
    if "database_url" not in given:
        given["limits"] = load_settings().migration_limits
    given["limits"] = limits_of_run(context.config)


def _backup_folder(load_settings: Callable[[], DatabaseSettings]) -> Path | None:
    if context.get_x_argument(as_dictionary=True).get("no_backup") == "1":
        return None
    given = context.config.attributes
    folder: Path | None = (
        given.get("backup_folder", BACKUPS) if "database_url" in given else load_settings().backup_folder
    )
    return folder


def _configure_and_get_options(url: URL) -> Options:
    # Alembic gives the options of the command only to a configured context.
    context.configure(url=url)
    return context.get_context().opts


def _write_script(url: URL, settings: Options) -> None:
    context.configure(
        url=url,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        transactional_ddl=True,
        transaction_per_migration=True,
        **settings,
    )
    name = schema_of(url)
    if name is not None:
        output = context.get_context().impl.static_output
        output(f"{schema.create_schema_sql(name)};\n\nSET search_path TO {quote_if_needed(name)};\n")
    with context.begin_transaction():
        context.run_migrations()


def _run_read_only(url: URL, steps: Steps, settings: Options) -> None:
    with connect(url) as connection:
        require_own_version_table(connection, context.script)
        context.configure(connection=connection, fn=steps, dont_mutate=True, **settings)
        with ignoring_reflection_warnings(), _way_to_head_on_error(connection):
            context.run_migrations()


@contextmanager
def _way_to_head_on_error(connection: Connection) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        if not str(error).startswith(NOT_AT_HEAD):
            raise
        raise CommandError(not_at_head(way_to_head(read_position(connection, context.script)))) from error


def _migrate(
    url: URL, steps: Steps, settings: Options, row_saver: RowSaver, record: RunRecord, *, is_upgrade: bool
) -> None:
    limits: Limits = context.config.attributes["limits"]
    verbose = "verbose" in context.get_x_argument(as_dictionary=True)
    with row_saver, migration_connection(url, limits, verbose=verbose) as connection:
        _require_own_database(connection, is_upgrade=is_upgrade)
        if connection.dialect.name == "postgresql":
            # Alembic never commits a transaction that it finds open.
            connection.commit()
        context.configure(
            connection=connection,
            fn=steps,
            transactional_ddl=True,
            transaction_per_migration=True,
            row_saver=row_saver,
            steps=steps,
            record=record,
            limits=limits,
            on_version_apply=record.step_done,
            **settings,
        )
        event.listen(connection, "commit", steps.record_commit)
        event.listen(connection, "after_cursor_execute", record.note_statement)
        with _remove_leftovers_on_error(connection, steps, limits), WaitingLines() as waiting:
            _run_steps(connection, steps, limits, row_saver, record, waiting)


def _require_own_database(connection: Connection, *, is_upgrade: bool) -> None:
    require_own_version_table(connection, context.script)
    target = str(context.get_context().opts.get("destination_rev"))
    if is_upgrade:
        encoding.require_utf8(connection)
        require_no_table_conflict(connection, context.script, read_position(connection, context.script))
    elif target[:1] == "-" and target[1:].isdigit():
        position = read_position(connection, context.script)
        if problem := ambiguous_way_back(position.parents, position.revisions, target):
            raise CommandError(problem)


@contextmanager
def _remove_leftovers_on_error(connection: Connection, steps: Steps, limits: Limits) -> Iterator[None]:
    try:
        yield
    except BaseException:
        leftovers.remove_leftovers(connection, steps.leftovers, limits)
        raise


def _run_steps(
    connection: Connection, steps: Steps, limits: Limits, row_saver: RowSaver, record: RunRecord, waiting: WaitingLines
) -> None:
    for remaining_attempts in reversed(range(limits.attempts)):
        try:
            if steps.current is None:
                leftovers.remove_not_null_checks(connection)
                keeping.begin(connection, context.get_context(), record, limits)
            record.begin_attempt(len(steps.times))
            # A rebuild on SQLite keeps the indexes of which SQLAlchemy warns.
            with ignoring_reflection_warnings(), context.begin_transaction():
                context.run_migrations()
            return
        except DBAPIError as error:
            if session_limits.is_statement_timeout(error):
                raise CommandError(session_limits.statement_limit_message(connection)) from error
            if not postgresql.is_lock_timeout(error):
                raise
            patient = session_limits.patient_wait(connection)
            holders = patient or postgresql.table_lock_holders(connection)
            connection.rollback()
            row_saver.remove_files_of_undone_steps()
            if patient or not remaining_attempts:
                raise CommandError(f"Blocked by {holders}. Try again later.") from error
            waiting.add(f"Waiting for {holders} to release a lock.")
            time.sleep(limits.retry_delay)
