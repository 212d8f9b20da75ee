"""The option `--before` of `flask db revision`: an empty step between two that are pending."""

import ast
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import click
from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from flask import g

from agents_app.dbtools.branches import require_one_head
from agents_app.dbtools.commands.backup import migration_url_or_exit, migrations_config
from agents_app.dbtools.database.connections import read_only_connection
from agents_app.dbtools.output import print_progress
from agents_app.dbtools.position import Position, read_position
from agents_app.paths import COMMAND

ONLY_WITH = "--before goes with -m and --rev-id only: the step is empty, and its place is known."
APPLIED = "The step {name} is applied here. A step can only be written before one that is pending."
A_MERGE = "The step {name} joins several steps, so that it has no single step before it. Name one of those before it."
NOT_ONE_LINE = "{file} has no line such as down_revision = '...' that could be changed. Write the step by hand."
ONLY_HERE = "Do this only if no other database has {name} yet: one that has it would never get the new step."


def insert_step(config: Config, position: Position, before: str, message: str, rev_id: str | None) -> Path:
    """Write an empty step between a pending step (`before`: its revision) and the one that it follows.

    A marked step gets it before its whole block of marked ones, because the new one is not marked. One line of the file
    of that step is changed. Raises CommandError if the step is applied, a merge or unknown; then no file is changed.
    """
    script = ScriptDirectory.from_config(config)
    require_one_head(script)
    found = _find(script, before)
    _require_pending(position, found)
    found = _first_of_block(script, position, found)
    if not (found.down_revision is None or isinstance(found.down_revision, str)):
        raise CommandError(A_MERGE.format(name=found.doc))
    file = Path(found.path)
    # Before anything is written.
    change = _line_with_parent(file, found.down_revision)
    new = command.revision(config, message, head=found.down_revision or "base", splice=True, rev_id=rev_id)
    if not isinstance(new, Script):
        raise CommandError("No step was written.")
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.write(change(new.revision))
    # Python takes compiled code for current if the file has the same size and the same second as before.
    Path(cache_from_source(file)).unlink(missing_ok=True)
    print_progress(f"{Path(new.path).name} is applied before {file.name}, whose down_revision was changed.")
    print_progress(ONLY_HERE.format(name=found.doc))
    return Path(new.path)


def _find(script: ScriptDirectory, revision: str) -> Script:
    found = script.get_revision(revision) if revision else None
    if found is None:
        raise CommandError(f"There is no revision {revision}. See: {COMMAND} db history")
    return found


def _require_pending(position: Position, found: Script) -> None:
    if found.revision not in {step.revision for step in position.pending}:
        raise CommandError(APPLIED.format(name=found.doc))


def _first_of_block(script: ScriptDirectory, position: Position, found: Script) -> Script:
    # An unmarked step after a pending marked one could only be applied after `--finish`.
    marked = {step.revision for step in position.pending if step.after_release}
    while found.revision in marked and found.down_revision in marked:
        found = _find(script, str(found.down_revision))
    return found


def _line_with_parent(file: Path, parent: str | None) -> Callable[[str], str]:
    """The text of a file as a function of its `down_revision`."""
    with file.open(encoding="utf-8", newline="") as stream:
        text = stream.read()
    for statement in ast.parse(text).body:
        names = [getattr(name, "id", None) for name in getattr(statement, "targets", [getattr(statement, "target", 0)])]
        value = getattr(statement, "value", None)
        is_known = isinstance(value, ast.Constant) and value.value == parent and value.lineno == value.end_lineno
        if names == ["down_revision"] and isinstance(value, ast.Constant) and is_known:
            lines = text.splitlines(keepends=True)
            line = lines[value.lineno - 1].encode()
            start, end = line[: value.col_offset].decode(), line[value.end_col_offset :].decode()
            quote = "'" if line[value.col_offset : value.col_offset + 1] == b"'" else '"'
            before, after = "".join(lines[: value.lineno - 1]), "".join(lines[value.lineno :])
            return lambda revision: f"{before}{start}{quote}{revision}{quote}{end}{after}"
    raise CommandError(NOT_ONE_LINE.format(file=file.name))


def with_before(original: click.Command) -> click.Command:
    """The command `flask db revision` with the option `--before`."""
    usual: Any = original.callback

    def revision(before: str | None, **options: Any) -> None:
        if before is None:
            usual(**options)
            return
        others = {**options, "message": None, "rev_id": None, "directory": None, "head": None}
        if not options["message"] or any(others.values()) or options["head"] != "head":
            raise click.UsageError(ONLY_WITH)
        g.directory = options["directory"] or g.directory
        with migration_url_or_exit() as url:
            config = migrations_config()
            with read_only_connection(url) as connection:
                position = read_position(connection, ScriptDirectory.from_config(config))
            insert_step(config, position, before, options["message"], options["rev_id"])

    return click.Command(
        original.name, callback=revision, params=[*original.params, BEFORE], help=original.help, short_help=None
    )


BEFORE = click.Option(
    ["--before"], metavar="REVISION", help="Write an empty step between this pending one and the one that it follows."
)
