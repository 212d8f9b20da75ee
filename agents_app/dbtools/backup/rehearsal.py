"""Pending steps tried on a copy of the real data: up, down and up again, with schema and rows compared."""

import re
import shlex
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError
from sqlalchemy.engine import URL, Inspector
from sqlalchemy.exc import SAWarning

from agents_app.dbtools.backup.backups import create_backup, restore_backup
from agents_app.dbtools.backup.scratch_database import LEFT, scratch_database
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.output import display_path, pluralize, print_progress
from agents_app.dbtools.position import VERSION_TABLE, Position, read_position

Facts = dict[str, Any]
OWN = ".rehearsal-"


@dataclass(frozen=True)
class Run:
    """One way through the pending steps: `times` are in seconds, by step."""

    direction: str
    times: dict[str, float]


@dataclass(frozen=True)
class Rehearsal:
    """What was tried and what was found; without pending steps nothing is tried."""

    revision: str | None
    head: str
    runs: list[Run]
    problems: list[str]


def rehearse(url: URL, folder: Path, given: URL | None) -> Rehearsal:
    """Try every pending step on a copy in a scratch database (`given` or one of our own), which is removed at the end.

    Raises CommandError where the copy cannot be made or a step fails.
    """
    with connect(url) as connection:
        position = read_position(connection)
    if not position.pending:
        return Rehearsal(position.current, position.head, [], [])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in sorted(folder.glob(f"{OWN}*")):
        path = display_path(left)
        print_progress(f"{path} {LEFT} It holds a copy of the data; to remove it: rm -r {shlex.quote(path)}")
    # Beside the backups, where there is room for one and nobody else looks.
    with tempfile.TemporaryDirectory(prefix=OWN, dir=folder) as own, scratch_database(url, given, Path(own)) as copy:
        print_progress("Copying the data into a scratch database.")
        restore_backup(copy, create_backup(url, Path(own)).file)
        return _rehearsed(copy, position)


def _rehearsed(copy: URL, position: Position) -> Rehearsal:
    before = _picture(copy)
    up = _run(copy, command.upgrade, "up", position.head)
    after = _picture(copy)
    down = _run(copy, command.downgrade, "down", position.current or "base")
    back = _picture(copy)
    again = _run(copy, command.upgrade, "up again", position.head)
    problems = [
        *_differences(before, back, "After up and down"),
        *_differences(after, _picture(copy), "After up, down and up"),
    ]
    return Rehearsal(position.current, position.head, [up, down, again], problems)


def _run(copy: URL, verb: Callable[..., object], direction: str, revision: str) -> Run:
    config = alembic_config(copy)
    config.attributes["backup_folder"] = None
    print_progress(f"On the copy, {direction}:")
    try:
        verb(config, revision)
    except CommandError as error:
        raise CommandError(f"On the copy, {direction}: {error} The real database was not touched.") from error
    return Run(direction, dict(config.attributes["times"]))


def _picture(copy: URL) -> dict[str, Facts]:
    with connect(copy) as connection, warnings.catch_warnings():
        # A type that SQLAlchemy does not know is compared by what it calls it.
        warnings.simplefilter("ignore", SAWarning)
        inspector = sa.inspect(connection)
        pictures = {name: _facts(inspector, name) for name in inspector.get_table_names() if name != VERSION_TABLE.name}
        for name, facts in pictures.items():
            facts["rows"] = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name)))
        if connection.dialect.name == "postgresql":
            enums: Any = inspector
            pictures["types"] = {found["name"]: found["labels"] for found in enums.get_enums()}
        return pictures


def _facts(inspector: Inspector, table: str) -> Facts:
    named: dict[str, Sequence[Any]] = {
        "foreign key": inspector.get_foreign_keys(table),
        "unique constraint": inspector.get_unique_constraints(table),
        "check": inspector.get_check_constraints(table),
        "index": inspector.get_indexes(table),
    }
    parts = {f"{kind} {found['name']}": repr(found) for kind, many in named.items() for found in many}
    columns = inspector.get_columns(table)
    parts |= {f"column {column['name']}": repr({**column, "type": str(column["type"])}) for column in columns}
    return {**parts, "primary key": repr(inspector.get_pk_constraint(table))}


def _differences(wanted: dict[str, Facts], found: dict[str, Facts], when: str) -> Iterator[str]:
    for table in sorted(wanted.keys() | found.keys()):
        if table not in found or table not in wanted:
            yield f"{when} {table} is {'missing' if table in wanted else 'there, which was not before'}."
            continue
        one, other = wanted[table], found[table]
        for part in sorted(one.keys() | other.keys()):
            was, now = str(one.get(part, "none")), str(other.get(part, "none"))
            if _without_casts(was) != _without_casts(now):
                yield f"{when} {part} of {table} differ: {was} before, {now} after."


def _without_casts(text: str) -> str:
    # PostgreSQL writes the casts of a restored constraint at other places than those of a new one.
    return re.sub(r"::[a-z ]+(\(\d+\))?(\[\])?|[()\s]", "", text)


def rehearsal_lines(rehearsal: Rehearsal) -> Iterator[str]:
    """What there is to say about a rehearsal."""
    if not rehearsal.runs:
        yield "No step is pending, so there is nothing to rehearse."
        return
    yield from rehearsal.problems
    times = ", ".join(f"{run.direction} in {sum(run.times.values()):.2f} s" for run in rehearsal.runs)
    compared = pluralize(len(rehearsal.problems), "difference") + " found"
    found = compared if rehearsal.problems else "schema and number of rows are as before"
    yield f"Rehearsed {pluralize(len(rehearsal.runs[0].times), 'step')} on a copy of the data: {times}; {found}."
