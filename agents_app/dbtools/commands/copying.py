"""The command `flask db copy`, for moving a console to another database."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.engine import URL

from agents_app.database.url import parse_url, printable_url, schema_of, with_schema
from agents_app.db import db
from agents_app.dbtools.backup.signals import cancellable_queries, interrupt_on_signals
from agents_app.dbtools.commands.backup import AS_JSON, migration_url_or_exit, migrations_config, print_answer
from agents_app.dbtools.configuration import console_url, migration_url
from agents_app.dbtools.copying.copy import Copy, copy_database
from agents_app.dbtools.copying.rows import NOTHING_COPIED
from agents_app.dbtools.output import pluralize

KEEP_KEYS = "Keep ENCRYPTION_KEYS, SECRET_KEY and TOKEN_PEPPERS as they are."
NOT_COPIED_LATER = "What is written to the old database from now on is not in the new one."


@click.command("copy")
@click.option(
    "--to",
    "address",
    envvar="COPY_TO",
    show_envvar=True,
    metavar="URL",
    required=True,
    help="The URL of the new database, which must be empty. If it has a password, set it in the environment, because "
    + "other users can see command lines.",
)
@click.option("--schema", metavar="NAME", help="The schema in a new PostgreSQL database. It is created.")
@click.option("--while-running", is_flag=True, help="Leave out what the console writes while it is copied.")
@AS_JSON
def copy_command(address: str, schema: str | None, while_running: bool, as_json: bool) -> None:
    """Copy every row to another database: from SQLite to PostgreSQL, back, or to another server.

    Stop the console first. The present database is only read. The tables are created in the new one, every row is
    compared afterwards, and one transaction has all of it: an error leaves no row there. Secrets stay encrypted with
    the same keys.
    """
    given = _parse(address)
    with migration_url_or_exit() as url, _interruptible():
        to = _with_schema(given, schema or (schema_of(url) if given.get_backend_name() == "postgresql" else None))
        copy = copy_database(url, to, migrations_config, db.metadata, while_running=while_running)
    answer = {"to": printable_url(to), "revision": copy.revision, "rows": copy.tables, "seconds": copy.seconds}
    print_answer(as_json, answer, _lines(copy, given, schema_of(to), schema_of(url)))


def _parse(address: str) -> URL:
    try:
        return parse_url(address)
    except ValueError as error:
        raise click.ClickException(f"--to {error}") from None


def _with_schema(url: URL, schema: str | None) -> URL:
    if schema is not None and url.get_backend_name() != "postgresql":
        raise CommandError("--schema is only for PostgreSQL: an SQLite file has no schemas.")
    try:
        return url if schema is None else with_schema(url, schema)
    except ValueError:
        raise CommandError("--to names another schema in its options than --schema. Keep one of them.") from None


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        with interrupt_on_signals(), cancellable_queries():
            yield
    except KeyboardInterrupt:
        raise CommandError(f"Interrupted. {NOTHING_COPIED} To try again: the same command.") from None


def _lines(copy: Copy, to: URL, schema: str | None, old_schema: str | None) -> Iterator[str]:
    count = pluralize(sum(copy.tables.values()), "row")
    yield f"Copied {count} to {printable_url(to)} in {copy.seconds} s. Every row was compared and is equal."
    for table, number in copy.tables.items():
        yield f"  {table}: {number:,}"
    yield "Now change the settings, then start the console:"
    yield f"  DATABASE_URL={printable_url(to)}{'   (with the password in place of ***)' if to.password else ''}"
    if schema is not None and schema_of(to) is None:
        yield f"  DATABASE_SCHEMA={schema}"
    elif old_schema is not None and schema is None:
        yield "  Remove DATABASE_SCHEMA."
    if migration_url(current_app) != console_url(current_app):
        yield "  Remove MIGRATION_DATABASE_URL, or let it name the new database too."
    yield f"{KEEP_KEYS} {NOT_COPIED_LATER}"


COMMANDS = (copy_command,)
