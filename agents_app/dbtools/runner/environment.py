"""What `migrations/env.py` does: carries out the present Alembic command on one database, or writes it as SQL."""

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

from agents_app.database.quoting import quote_if_needed
from agents_app.database.url import schema_of
from agents_app.dbtools.autogenerate import settings as autogenerate
from agents_app.dbtools.backup.signals import cancellable_queries, interrupt_on_signals
from agents_app.dbtools.configuration import BACKUPS, LockSettings
from agents_app.dbtools.console_session import require_same_database
from agents_app.dbtools.database import encoding, leftovers, postgresql, schema
from agents_app.dbtools.database.connections import connect, create_file_or_schema, migration_connection
from agents_app.dbtools.output import print_progress
from agents_app.dbtools.position import (
    EMPTY_REVISION,
    read_position,
    require_no_table_conflict,
    require_own_version_table,
)
from agents_app.dbtools.runner.error_messages import readable_step_errors
from agents_app.dbtools.runner.steps import Steps
from agents_app.dbtools.saved_rows.save import RowSaver
from agents_app.errors import ConsoleError

Options = dict[str, Any]


class DatabaseSettings(Protocol):
    """Where a command works where nobody said it to the command: the console's settings."""

    @property
    def database_url(self) -> URL:
        """The database, as the console itself reaches it."""

    @property
    def migration_url(self) -> URL:
        """The database, by an address that migrations can use."""

    @property
    def backup_folder(self) -> Path:
        """Where rows are saved before they are dropped."""


def run_command(models: ModuleType, metadata: MetaData, load_settings: Callable[[], DatabaseSettings]) -> None:
    """Carry out the present command. `find_place` is asked where the command was given no database.

    Raises CommandError, in one line, when the database or a setting refuses.
    """
    url = _url(load_settings)
    asked = _asked(url)
    settings = autogenerate.settings(models, metadata, context.script.dir, url.get_backend_name())
    steps = Steps(asked["fn"])
    context.config.attributes["times"] = steps.times
    with readable_step_errors(url, steps):
        if asked.get("destination_rev") in ("", ("",)):
            raise CommandError(EMPTY_REVISION)
        if context.is_offline_mode():
            _write_script(url, settings)
        elif "destination_rev" in asked:
            # `upgrade`, `downgrade` and `stamp` go somewhere, the others only look.
            require_same_database(url, _console_url(load_settings))
            is_upgrade = asked["fn"].__name__ == "upgrade"
            if is_upgrade:
                create_file_or_schema(url)
            with interrupt_on_signals(), cancellable_queries():
                savings = RowSaver(_backup_folder(load_settings), url)
                _migrate(url, steps, settings, savings, is_upgrade=is_upgrade)
        else:
            _look(url, steps, settings)


def _url(load_settings: Callable[[], DatabaseSettings]) -> URL:
    try:
        url: URL = context.config.attributes.get("database_url") or load_settings().migration_url
    except ConsoleError as refusal:
        raise CommandError(refusal.detail) from refusal
    return url


def _console_url(load_settings: Callable[[], DatabaseSettings]) -> URL | None:
    given = context.config.attributes
    found: URL | None = given.get("console_url") if "database_url" in given else load_settings().database_url
    return found


def _backup_folder(load_settings: Callable[[], DatabaseSettings]) -> Path | None:
    if context.get_x_argument(as_dictionary=True).get("no_backup") == "1":
        return None
    given = context.config.attributes
    folder: Path | None = (
        given.get("backup_folder", BACKUPS) if "database_url" in given else load_settings().backup_folder
    )
    return folder


def _asked(url: URL) -> Options:
    # Alembic tells what the command wants only to a context that is configured.
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
    named = schema_of(url)
    if named is not None:
        output = context.get_context().impl.static_output
        output(f"{schema.create_schema_sql(named)};\n\nSET search_path TO {quote_if_needed(named)};\n")
    with context.begin_transaction():
        context.run_migrations()


def _look(url: URL, steps: Steps, settings: Options) -> None:
    with connect(url) as connection:
        require_own_version_table(connection, context.script)
        context.configure(connection=connection, fn=steps, dont_mutate=True, **settings)
        with autogenerate.ignoring_reflection_warnings():
            context.run_migrations()


def _migrate(url: URL, steps: Steps, settings: Options, savings: RowSaver, *, is_upgrade: bool) -> None:
    lock_settings = context.config.attributes.get("lock_settings", LockSettings())
    verbose = "verbose" in context.get_x_argument(as_dictionary=True)
    with savings, migration_connection(url, lock_settings, verbose=verbose) as connection:
        _refuse_what_is_not_ours(connection, is_upgrade=is_upgrade)
        context.configure(
            connection=connection,
            fn=steps,
            transactional_ddl=True,
            transaction_per_migration=True,
            savings=savings,
            steps=steps,
            **settings,
        )
        event.listen(connection, "commit", steps.note_commit)
        with _cleaning_up(connection, steps, lock_settings):
            _run(connection, steps, lock_settings, savings)


def _refuse_what_is_not_ours(connection: Connection, *, is_upgrade: bool) -> None:
    require_own_version_table(connection, context.script)
    if is_upgrade:
        encoding.require_utf8(connection)
        require_no_table_conflict(connection, context.script, read_position(connection, context.script))
    # Alembic would take an open transaction for another caller's and never commit.
    if connection.dialect.name == "postgresql":
        connection.commit()


@contextmanager
def _cleaning_up(connection: Connection, steps: Steps, lock_settings: LockSettings) -> Iterator[None]:
    try:
        yield
    except BaseException:
        leftovers.remove_leftovers(connection, steps.leftovers, lock_settings)
        raise


def _run(connection: Connection, steps: Steps, lock_settings: LockSettings, savings: RowSaver) -> None:
    for left in reversed(range(lock_settings.attempts)):
        try:
            if steps.failing is None:
                leftovers.remove_not_null_checks(connection)
            with context.begin_transaction():
                context.run_migrations()
            return
        except DBAPIError as error:
            if not postgresql.is_lock_timeout(error):
                raise
            who = postgresql.table_lock_holders(connection)
            connection.rollback()
            savings.forget_what_was_undone()
            if not left:
                raise CommandError(f"Locked out by {who}. Try again later.") from error
            print_progress(f"Waiting for {who}: a lock is needed that is held there.")
            time.sleep(lock_settings.retry_delay)
