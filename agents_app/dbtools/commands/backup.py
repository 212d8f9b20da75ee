"""The commands `flask db backup`, `restore`, `restore-rows` and `rehearse`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from alembic.config import Config
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.engine import URL

from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.dbtools.backup.backups import create_backup, newest_backup, restore_backup
from agents_app.dbtools.backup.signals import interrupt_on_signals
from agents_app.dbtools.configuration import console_url, migration_url
from agents_app.dbtools.console_session import require_same_database
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.phases import DEPLOY, way_to_head
from agents_app.dbtools.position import Position
from agents_app.dbtools.rehearsal import rehearsal_lines, rehearse
from agents_app.dbtools.runner.error_messages import readable_errors
from agents_app.dbtools.saved_rows.restore import RestoredRows, restore_rows
from agents_app.paths import COMMAND, display_path

KEYS_NOT_INCLUDED = "ENCRYPTION_KEYS and the other keys are not in it: keep a copy of them in another place."
KEYS_NEEDED = "To read its secrets, you need the ENCRYPTION_KEYS of the console from which the backup was taken."
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("restore-rows")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--keep", is_flag=True, help="Keep rows and values that already exist, and restore the others.")
@AS_JSON
def restore_rows_command(path: Path, keep: bool, as_json: bool) -> None:
    """Restore rows that a migration saved before it dropped them.

    PATH is a file of saved rows or the folder of one migration run.
    """
    with migration_url_or_exit() as url:
        results = restore_rows(url, path, db.metadata, keep=keep)
    print_answer(as_json, {"restored": [asdict(result) for result in results]}, map(_restored_line, results))


def _restored_line(result: RestoredRows) -> str:
    target = f"{result.table}.{result.column}" if result.column else result.table
    count = pluralize(result.restored, "value" if result.column else "row")
    kept = f"; kept {result.kept} that already existed" if result.kept else ""
    unmatched = f"; for {result.unmatched} the row no longer exists" if result.unmatched else ""
    return f"Restored {count} of {target}{kept}{unmatched}."


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@AS_JSON
def backup_command(file: Path | None, as_json: bool) -> None:
    """Write the whole database to FILE, or to a new file in the backup folder."""
    with migration_url_or_exit() as url, interrupt_on_signals():
        backup = create_backup(url, current_app.config["BACKUP_FOLDER"], file)
    answer = {**asdict(backup), "file": str(backup.file)}
    revision = f"at revision {backup.revision}" if backup.revision else "without a revision"
    size = f"{backup.bytes:,} bytes in {backup.seconds} s"
    line = f"Backup of the database {revision}: {display_path(backup.file)} ({size})."
    print_answer(as_json, answer, iter([line, KEYS_NOT_INCLUDED]))


@click.command("restore")
@click.argument("name", metavar="[FILE]", required=False)
@click.option("--newest", is_flag=True, help="Restore the newest backup of the backup folder.")
@AS_JSON
def restore_command(name: str | None, newest: bool, as_json: bool) -> None:
    """Restore the backup FILE into an empty database."""
    if bool(name) == newest:
        raise click.UsageError("Name the file of a backup, or give --newest.")
    with migration_url_or_exit() as url, interrupt_on_signals():
        file = Path(name) if name else _newest_file(url)
        position = restore_backup(url, file)
    answer = {"file": str(file), "revision": position.current, "pending": [asdict(step) for step in position.pending]}
    print_answer(as_json, answer, iter([f"Restored {display_path(file)}: {_position_text(position)}", KEYS_NEEDED]))


def _newest_file(url: URL) -> Path:
    folder: Path = current_app.config["BACKUP_FOLDER"]
    found = newest_backup(url, folder)
    if not found:
        raise CommandError(f"There is no backup of this type of database in {display_path(folder)}.")
    return found.file


@click.command("rehearse")
@click.option(
    "--scratch-url",
    envvar="SCRATCH_URL",
    show_envvar=True,
    metavar="URL",
    help="The URL of an empty database. All data in it is deleted at the end. Set it in the environment, "
    + "because other users can see command lines.",
)
@AS_JSON
def rehearse_command(scratch_url: str | None, as_json: bool) -> None:
    """Test the pending steps on a copy of the data: both phases of the deployment, downgrade, and both again."""
    with migration_url_or_exit() as url, interrupt_on_signals():
        folder = current_app.config["BACKUP_FOLDER"]
        rehearsal = rehearse(url, folder, _parse_scratch_url(scratch_url), migrations_config)
    print_answer(as_json, asdict(rehearsal), rehearsal_lines(rehearsal))
    if rehearsal.problems:
        raise click.exceptions.Exit(1)


def _parse_scratch_url(text: str | None) -> URL | None:
    try:
        return parse_url(text) if text else None
    except ValueError as error:
        raise CommandError(f"--scratch-url {error}") from None


def _position_text(position: Position) -> str:
    if position.is_ahead:
        return f"revision {position.current}, which is from a newer release. Install that release."
    if position.current is None:
        return f"it has no revision. If its tables match the models: {COMMAND} db stamp head"
    if position.pending:
        # A restored database takes the first phase first, as the one from which it comes would.
        way = DEPLOY if position.next_phase and not position.is_blocked else way_to_head(position)
        return f"revision {position.current}, {pluralize(len(position.pending), 'step')} behind. Next: {way}"
    return f"revision {position.current}, which is head."


@contextmanager
def migration_url_or_exit() -> Iterator[URL]:
    """Yield the app's URL for migrations. An error in the block is printed as one line, with exit code 1.

    With --json, the error is also printed as JSON.
    """
    url = migration_url(current_app)
    try:
        with readable_errors(url):
            require_same_database(url, console_url(current_app))
            yield url
    except CommandError as error:
        if click.get_current_context().params.get("as_json"):
            click.echo(json.dumps({"error": str(error)}))
        raise click.ClickException(str(error)) from error


def migrations_config() -> Config:
    """Return Alembic's configuration for this app."""
    config: Config = current_app.extensions["migrate"].migrate.get_config()
    return config


def print_answer(as_json: bool, answer: dict[str, Any], sentences: Iterator[str]) -> None:
    """Print the answer as JSON, or the sentences."""
    for line in [json.dumps(answer)] if as_json else sentences:
        click.echo(line)


COMMANDS = (backup_command, restore_command, restore_rows_command, rehearse_command)
