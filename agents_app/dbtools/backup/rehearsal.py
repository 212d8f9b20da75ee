"""Tests pending steps on a copy of the data: upgrade, downgrade and upgrade, and compares schema and rows."""

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
from agents_app.dbtools.branches import descendants
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.folders import create_folder
from agents_app.dbtools.output import display_path, pluralize, print_progress
from agents_app.dbtools.position import VERSION_TABLE, Position, read_position

TableFacts = dict[str, Any]
FOLDER_PREFIX = ".rehearsal-"


@dataclass(frozen=True)
class Run:
    """One run of the pending steps. `times` has the seconds of each step."""

    direction: str
    times: dict[str, float]


@dataclass(frozen=True)
class Rehearsal:
    """The runs of a rehearsal and the problems found. Without pending steps there are no runs."""

    revision: str | None
    head: str
    runs: list[Run]
    problems: list[str]


def rehearse(url: URL, folder: Path, given: URL | None) -> Rehearsal:
    """Test every pending step on a copy in a scratch database: `given`, or a new one that is removed at the end.

    Raises CommandError if the copy cannot be made or a step fails.
    """
    with connect(url) as connection:
        position = read_position(connection)
    if not position.pending:
        return Rehearsal(position.current, position.head, [], [])
    _require_way_back(position)
    create_folder(folder)
    for left in sorted(folder.glob(f"{FOLDER_PREFIX}*")):
        path = display_path(left)
        print_progress(f"{path} {LEFT} It holds a copy of the data; to remove it: rm -r {shlex.quote(path)}")
    # Next to the backups, because there is space for another one, and no other user has access.
    with (
        tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, dir=folder) as own,
        scratch_database(url, given, Path(own)) as copy,
    ):
        print_progress("Copying the data into a scratch database.")
        restore_backup(copy, create_backup(url, Path(own)).file)
        return _run_all(copy, position)


def _require_way_back(position: Position) -> None:
    # `downgrade REVISION` undoes what follows the revision, not the other branches of a merge.
    followers = set().union(*(descendants(position.parents, revision) for revision in position.revisions))
    unrelated = [step.name for step in position.pending if position.current and step.revision not in followers]
    if unrelated:
        what = f"These steps do not follow {' or '.join(position.revisions)}, so that no way back ends there"
        raise CommandError(f"{what}: {', '.join(unrelated)}. Nothing was rehearsed. To see the steps: flask db plan")


def _run_all(copy: URL, position: Position) -> Rehearsal:
    before = _read_facts(copy)
    up = _run(copy, command.upgrade, "up", position.head)
    after = _read_facts(copy)
    down = _run(copy, command.downgrade, "down", position.current or "base")
    back = _read_facts(copy)
    again = _run(copy, command.upgrade, "up again", position.head)
    problems = [
        *_differences(before, back, "After up and down"),
        *_differences(after, _read_facts(copy), "After up, down and up"),
    ]
    return Rehearsal(position.current, position.head, [up, down, again], problems)


def _run(copy: URL, verb: Callable[..., object], direction: str, revision: str) -> Run:
    config = alembic_config(copy)
    # Without records, because the number of rows is compared.
    config.attributes |= {"backup_folder": None, "keeps_records": False}
    print_progress(f"On the copy, {direction}:")
    try:
        verb(config, revision)
    except CommandError as error:
        raise CommandError(f"On the copy, {direction}: {error} The real database was not touched.") from error
    return Run(direction, dict(config.attributes["times"]))


def _read_facts(copy: URL) -> dict[str, TableFacts]:
    with connect(copy) as connection, warnings.catch_warnings():
        # SQLAlchemy warns about types that it does not know. They are compared by name.
        warnings.simplefilter("ignore", SAWarning)
        inspector = sa.inspect(connection)
        facts_by_table = {
            name: _table_facts(inspector, name) for name in inspector.get_table_names() if name != VERSION_TABLE.name
        }
        for name, facts in facts_by_table.items():
            facts["rows"] = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name)))
        if connection.dialect.name == "postgresql":
            enums: Any = inspector
            facts_by_table["types"] = {enum["name"]: enum["labels"] for enum in enums.get_enums()}
        return facts_by_table


def _table_facts(inspector: Inspector, table: str) -> TableFacts:
    named: dict[str, Sequence[Any]] = {
        "foreign key": inspector.get_foreign_keys(table),
        "unique constraint": inspector.get_unique_constraints(table),
        "check": inspector.get_check_constraints(table),
        "index": inspector.get_indexes(table),
    }
    facts = {f"{kind} {item['name']}": repr(_as_text(item)) for kind, items in named.items() for item in items}
    columns = inspector.get_columns(table)
    facts |= {f"column {column['name']}": repr({**column, "type": str(column["type"])}) for column in columns}
    return {**facts, "primary key": repr(inspector.get_pk_constraint(table))}


def _as_text(fact: Any) -> Any:
    """The same fact with the text of each expression, which SQLAlchemy compares by identity."""
    if isinstance(fact, dict):
        return {name: _as_text(member) for name, member in fact.items()}
    return str(fact) if isinstance(fact, sa.ClauseElement) else fact


def _differences(expected: dict[str, TableFacts], actual: dict[str, TableFacts], when: str) -> Iterator[str]:
    for table in sorted(expected.keys() | actual.keys()):
        if table not in actual or table not in expected:
            yield f"{when} {table} is {'missing' if table in expected else 'new'}."
            continue
        old_facts, new_facts = expected[table], actual[table]
        for name in sorted(old_facts.keys() | new_facts.keys()):
            old, new = str(old_facts.get(name, "none")), str(new_facts.get(name, "none"))
            if _without_casts(old) != _without_casts(new):
                yield f"{when} {name} of {table} differ: {old} before, {new} after."


def _without_casts(text: str) -> str:
    # In a restored constraint PostgreSQL writes casts in other places than in a new one.
    return re.sub(r"::[a-z ]+(\(\d+\))?(\[\])?|[()\s]", "", text)


def rehearsal_lines(rehearsal: Rehearsal) -> Iterator[str]:
    """Describe the result of a rehearsal for a person."""
    if not rehearsal.runs:
        yield "No step is pending, so there is nothing to rehearse."
        return
    yield from rehearsal.problems
    times = ", ".join(f"{run.direction} in {sum(run.times.values()):.2f} s" for run in rehearsal.runs)
    differences = pluralize(len(rehearsal.problems), "difference") + " found"
    result = differences if rehearsal.problems else "schema and number of rows are as before"
    yield f"Rehearsed {pluralize(len(rehearsal.runs[0].times), 'step')} on a copy of the data: {times}; {result}."
