"""Tests pending steps on a copy of the data: both phases up, down and up again, and compares schema and rows."""

import re
import shlex
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Inspector
from sqlalchemy.exc import SAWarning

from agents_app.dbtools.backup.backups import create_backup, restore_backup
from agents_app.dbtools.backup.scratch_database import LEFT, scratch_database
from agents_app.dbtools.branches import descendants, require_one_head
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.folders import create_folder
from agents_app.dbtools.marks import require_clear_marks
from agents_app.dbtools.output import pluralize, print_progress
from agents_app.dbtools.phases import DEPLOY, FINISH_COMMAND, PLAN, Phase
from agents_app.dbtools.position import Position, read_position
from agents_app.dbtools.records.tables import TABLES
from agents_app.dbtools.review.refills import find_fills
from agents_app.dbtools.runner.phase import apply_phase
from agents_app.dbtools.version_table import VERSION_TABLE
from agents_app.paths import display_path

TableFacts = dict[str, Any]
# Each run adds rows to these.
RECORDS = {table.name for table in TABLES}
FOLDER_PREFIX = ".rehearsal-"


@dataclass(frozen=True)
class Run:
    """One run of steps. `times` has the seconds of each step.

    `phase` is the phase of a deployment, None for the way back. `fills` is how many fills ran again in the phase
    `finish`, and `filled` how many rows they filled.
    """

    direction: str
    times: dict[str, float]
    phase: str | None = None
    fills: int = 0
    filled: int = 0


@dataclass(frozen=True)
class Rehearsal:
    """The runs of a rehearsal and the problems found. Without pending steps there are no runs."""

    revision: str | None
    head: str
    runs: list[Run]
    problems: list[str]


def rehearse(url: URL, folder: Path, given: URL | None, make_config: Callable[[], Config] | None = None) -> Rehearsal:
    """Test every pending step on a copy in a scratch database: `given`, or a new one that is removed at the end.

    The phases are applied as `flask db deploy` and `flask db deploy --finish` would. `make_config` returns the
    configuration of Alembic; without it, the migrations are those of this release.

    Raises CommandError if the copy cannot be made or a step fails.
    """
    make_config = make_config or (lambda: alembic_config(url))
    script = ScriptDirectory.from_config(make_config())
    require_one_head(script)
    require_clear_marks(script)
    with connect(url) as connection:
        position = read_position(connection, script)
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
        return _Copy(copy, make_config).run_all(position)


def _require_way_back(position: Position) -> None:
    # `downgrade REVISION` undoes what follows the revision, not the other branches of a merge.
    followers = set().union(*(descendants(position.parents, revision) for revision in position.revisions))
    unrelated = [step.name for step in position.pending if position.current and step.revision not in followers]
    if unrelated:
        what = f"These steps do not follow {' or '.join(position.revisions)}, so that no way back ends there:"
        raise CommandError(f"{what} {', '.join(unrelated)}. Nothing was rehearsed. To see the steps: {PLAN}")


class _Copy:
    """The copy of the data on which steps are applied."""

    def __init__(self, url: URL, make_config: Callable[[], Config]) -> None:
        self._url, self._make_config = url, make_config

    def run_all(self, position: Position) -> Rehearsal:
        """Apply the pending steps, undo them and apply them again."""
        before = _read_facts(self._url)
        up = list(self._apply("up"))
        after = _read_facts(self._url)
        down = self._undo(position.current or "base")
        back = _read_facts(self._url)
        again = list(self._apply("up again"))
        problems = [
            *_differences(before, back, "After up and down"),
            *_differences(after, _read_facts(self._url), "After up, down and up"),
        ]
        return Rehearsal(position.current, position.head, [*up, down, *again], problems)

    def _apply(self, direction: str) -> Iterator[Run]:
        while (position := self._position()).pending:
            if position.next_phase:
                yield self._apply_phase(direction, position, Phase.DEPLOY)
                position = self._position()
            if position.current and (position.waiting or self._has_fills(position)):
                yield self._apply_phase(direction, position, Phase.FINISH)

    def _apply_phase(self, direction: str, position: Position, phase: Phase) -> Run:
        name = f"{direction}, {FINISH_COMMAND}" if phase is Phase.FINISH else direction
        with self._errors(name):
            done = apply_phase(self._url, self._config(), position, phase)
        return Run(direction, done.times, phase.value, done.fills, done.filled)

    def _undo(self, revision: str) -> Run:
        config = self._config()
        with self._errors("down"):
            command.downgrade(config, revision)
        return Run("down", dict(config.attributes["times"]))

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        print_progress(f"On the copy, {name}:")
        try:
            yield
        except CommandError as error:
            raise CommandError(f"On the copy, {name}: {error} The real database was not touched.") from error

    def _config(self) -> Config:
        config = self._make_config()
        # No rows are saved, because all of them are in the real database.
        config.attributes |= {"database_url": self._url, "console_url": None, "backup_folder": None}
        return config

    def _position(self) -> Position:
        with connect(self._url) as connection:
            return read_position(connection, ScriptDirectory.from_config(self._config()))

    def _has_fills(self, position: Position) -> bool:
        with connect(self._url) as connection:
            return bool(find_fills(connection, ScriptDirectory.from_config(self._config()), position))


def _read_facts(copy: URL) -> dict[str, TableFacts]:
    with connect(copy) as connection, warnings.catch_warnings():
        # SQLAlchemy warns about types that it does not know. They are compared by name.
        warnings.simplefilter("ignore", SAWarning)
        inspector = sa.inspect(connection)
        facts_by_table = {
            name: _table_facts(inspector, name) for name in inspector.get_table_names() if name != VERSION_TABLE.name
        }
        for name in facts_by_table.keys() - RECORDS:
            facts_by_table[name]["rows"] = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name)))
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
    yield from _phase_lines(rehearsal.runs)
    seconds: dict[str, float] = {}
    for run in rehearsal.runs:
        seconds[run.direction] = seconds.get(run.direction, 0) + sum(run.times.values())
    times = ", ".join(f"{direction} in {total:.2f} s" for direction, total in seconds.items())
    count = sum(len(run.times) for run in rehearsal.runs if run.direction == "up")
    differences = pluralize(len(rehearsal.problems), "difference") + " found"
    result = differences if rehearsal.problems else "schema and number of rows are as before"
    yield f"Rehearsed {pluralize(count, 'step')} on a copy of the data: {times}; {result}."


def _phase_lines(runs: list[Run]) -> Iterator[str]:
    # One line for each deployment, where there is more than one.
    up = [run for run in runs if run.direction == "up"]
    for run in up if len(up) > 1 else ():
        steps = f"{pluralize(len(run.times), 'step')} in {sum(run.times.values()):.2f} s"
        if run.phase == Phase.FINISH:
            fills = f"{pluralize(run.fills, 'fill')} again, which filled {pluralize(run.filled, 'row')}"
            yield f"{FINISH_COMMAND}: {f'{fills}; ' if run.fills else ''}{steps}."
        else:
            yield f"{DEPLOY}: {steps}."
