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

from agents_app.database.url import schema_of
from agents_app.dbtools.autogenerate import settings as autogenerate
from agents_app.dbtools.backup.signals import ending_in_order, interruptible
from agents_app.dbtools.configuration import BACKUPS, LockSettings
from agents_app.dbtools.console_session import require_same_database
from agents_app.dbtools.database import encoding, leftovers, postgresql, schema
from agents_app.dbtools.database.connections import looking, make_place, migrating
from agents_app.dbtools.database.quoting import NAMES
from agents_app.dbtools.output import print_progress
from agents_app.dbtools.position import EMPTY, require_own_revisions, require_own_tables
from agents_app.dbtools.runner.error_messages import in_one_line
from agents_app.dbtools.runner.steps import Steps
from agents_app.dbtools.saved_rows.save import Savings
from agents_app.errors import ConsoleError

Settings = dict[str, Any]


class Place(Protocol):
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


def run(models: ModuleType, metadata: MetaData, find_place: Callable[[], Place]) -> None:
    """Carry out the present command. `find_place` is asked where the command was given no database.

    Raises CommandError, in one line, when the database or a setting refuses.
    """
    url = _url(find_place)
    asked = _asked(url)
    settings = autogenerate.settings(models, metadata, context.script.dir, url.get_backend_name())
    steps = Steps(asked["fn"])
    context.config.attributes["times"] = steps.times
    with in_one_line(url, steps):
        if asked.get("destination_rev") in ("", ("",)):
            raise CommandError(EMPTY)
        if context.is_offline_mode():
            _write_script(url, settings)
        elif "destination_rev" in asked:
            # `upgrade`, `downgrade` and `stamp` go somewhere, the others only look.
            require_same_database(url, _console_url(find_place))
            is_upgrade = asked["fn"].__name__ == "upgrade"
            if is_upgrade:
                make_place(url)
            with ending_in_order(), interruptible():
                savings = Savings(_backup_folder(find_place), url)
                _migrate(url, steps, settings, savings, is_upgrade=is_upgrade)
        else:
            _look(url, steps, settings)


def _url(find_place: Callable[[], Place]) -> URL:
    try:
        url: URL = context.config.attributes.get("database_url") or find_place().migration_url
    except ConsoleError as refusal:
        raise CommandError(refusal.detail) from refusal
    return url


def _console_url(find_place: Callable[[], Place]) -> URL | None:
    given = context.config.attributes
    found: URL | None = given.get("console_url") if "database_url" in given else find_place().database_url
    return found


def _backup_folder(find_place: Callable[[], Place]) -> Path | None:
    if context.get_x_argument(as_dictionary=True).get("no_backup") == "1":
        return None
    given = context.config.attributes
    folder: Path | None = given.get("backup_folder", BACKUPS) if "database_url" in given else find_place().backup_folder
    return folder


def _asked(url: URL) -> Settings:
    # Alembic tells what the command wants only to a context that is configured.
    context.configure(url=url)
    return context.get_context().opts


def _write_script(url: URL, settings: Settings) -> None:
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
        output(f"{schema.create_statement(named)};\n\nSET search_path TO {NAMES.quote(named)};\n")
    with context.begin_transaction():
        context.run_migrations()


def _look(url: URL, steps: Steps, settings: Settings) -> None:
    with looking(url) as connection:
        require_own_revisions(connection, context.script)
        context.configure(connection=connection, fn=steps, dont_mutate=True, **settings)
        with autogenerate.ignoring_reflection_warnings():
            context.run_migrations()


def _migrate(url: URL, steps: Steps, settings: Settings, savings: Savings, *, is_upgrade: bool) -> None:
    lock_settings = context.config.attributes.get("lock_settings", LockSettings())
    verbose = "verbose" in context.get_x_argument(as_dictionary=True)
    with savings, migrating(url, lock_settings, verbose=verbose) as connection:
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
    require_own_revisions(connection, context.script)
    if is_upgrade:
        encoding.require_utf8(connection)
        require_own_tables(connection, context.script)
    # Alembic would take an open transaction for another caller's and never commit.
    if connection.dialect.name == "postgresql":
        connection.commit()


@contextmanager
def _cleaning_up(connection: Connection, steps: Steps, lock_settings: LockSettings) -> Iterator[None]:
    try:
        yield
    except BaseException:
        leftovers.clean_up(connection, steps.leftovers, lock_settings)
        raise


def _run(connection: Connection, steps: Steps, lock_settings: LockSettings, savings: Savings) -> None:
    for left in reversed(range(lock_settings.attempts)):
        try:
            if steps.failing is None:
                leftovers.remove_helpers(connection)
            with context.begin_transaction():
                context.run_migrations()
            return
        except DBAPIError as error:
            if not postgresql.is_locked_out(error):
                raise
            who = postgresql.in_the_way(connection)
            connection.rollback()
            savings.forget_what_was_undone()
            if not left:
                raise CommandError(f"Locked out by {who}. Try again later.") from error
            print_progress(f"Waiting for {who}: a lock is needed that is held there.")
            time.sleep(lock_settings.retry_delay)
