"""Where a database is among the migrations of this release. A command reads it once and passes it on."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.dbtools.branches import Parents, applied_revisions, last_ones, phase_levels
from agents_app.dbtools.own_tables import (
    complete_tables,
    incomplete_tables,
    tables_created_in,
    tables_of_migrations,
)
from agents_app.dbtools.step_files import Step as Step
from agents_app.dbtools.step_files import steps_in_line
from agents_app.dbtools.version_table import OWN_PLACE, other_program, read_revisions
from agents_app.errors import Unavailable
from agents_app.paths import FILES

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory
from agents_app.paths import COMMAND

EMPTY_REVISION = f"The revision is empty. Use head, base, -1, or one that `{COMMAND} db history` shows."
# Another program may have one or two tables with the names and columns of the console's.
OWN_TABLES_MIN = 3


@dataclass(frozen=True)
class Position:
    """The revision of a database (None before the first step), and every step: first those that it has.

    It is at several revisions (`others`) before a merge is applied.
    """

    current: str | None
    steps: tuple[Step, ...]
    others: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """The revision of the newest step of this release."""
        return self.steps[-1].revision

    @property
    def heads(self) -> list[str]:
        """The revisions that no step of this release follows. No command applies steps while there are several."""
        return last_ones(self.parents)

    @property
    def is_at_head(self) -> bool:
        return self.current == self.head

    @property
    def is_ahead(self) -> bool:
        """Whether a newer release has migrated the database. This release works with it."""
        return self.current is not None and self.current not in self._revisions

    @property
    def applied_count(self) -> int:
        """How many steps of this release the database has."""
        if self.current is None:
            return 0
        return len(self.steps) if self.is_ahead else self._revisions.index(self.current) + 1

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that the database does not have yet, those of an earlier phase first."""
        levels = self._levels
        return tuple(sorted(self.steps[self.applied_count :], key=lambda step: levels[step.revision]))

    @property
    def next_phase(self) -> tuple[Step, ...]:
        """The pending steps that may run while the release before still runs: those that follow no marked one.

        Nobody uses an empty database, so that it takes every step at once.
        """
        if self.current is None:
            return self.pending
        return self._up_to_level(0)

    @property
    def finish(self) -> tuple[Step, ...]:
        """The pending steps up to the end of the first block of marked ones; all of them if none is marked."""
        return self.pending if self.current is None else self._up_to_level(1)

    @property
    def waiting(self) -> tuple[Step, ...]:
        """The marked steps of `finish`, which wait until the release before no longer runs."""
        return self.finish[len(self.next_phase) :]

    @property
    def is_ready(self) -> bool:
        """Whether this release can serve: no step is pending but marked ones."""
        return not self.pending or (self.current is not None and self.waiting == self.pending)

    @property
    def is_finish_pending(self) -> bool:
        """Whether this release can serve, and marked steps are pending."""
        return self.is_ready and bool(self.pending)

    @property
    def is_blocked(self) -> bool:
        """Whether an unmarked step follows a pending marked one, which must be applied first."""
        return len(self.finish) < len(self.pending)

    @property
    def current_name(self) -> str | None:
        """The name of the step that was applied last; None before the first step and if the database is ahead."""
        return next((step.name for step in self.steps if step.revision == self.current), None)

    @property
    def head_name(self) -> str:
        return self.steps[-1].name

    @property
    def revisions(self) -> list[str]:
        """The revisions that the database is at: none before the first step, several before a merge."""
        return [*self.others, self.current] if self.current else []

    @property
    def parents(self) -> Parents:
        """The revisions that each step follows."""
        return {step.revision: step.after for step in self.steps}

    @property
    def _levels(self) -> dict[str, int]:
        pending = [step.revision for step in self.steps[self.applied_count :]]
        marked = {step.revision for step in self.steps if step.after_release}
        return phase_levels(self.parents, pending, marked, {step.revision for step in self.steps if step.only_joins})

    def _up_to_level(self, most: int) -> tuple[Step, ...]:
        levels = self._levels
        return tuple(step for step in self.pending if levels[step.revision] <= most)

    @property
    def _revisions(self) -> list[str]:
        return [step.revision for step in self.steps]


def read_position(connection: Connection, script: "ScriptDirectory | None" = None) -> Position:
    """Where the database is among the migrations of `script` (without it: of this release). Sends one or two queries.

    Raises Unavailable if alembic_version is another program's table or has several rows.
    """
    steps, folder = (_steps_of(script), script.dir) if script else (_steps_of_release(), migrations_folder())
    found = _own_revisions(connection, steps, folder)
    has = applied_revisions({step.revision: step.after for step in steps}, found)
    ordered = tuple(sorted(steps, key=lambda step: step.revision not in has))
    at = [step.revision for step in ordered if step.revision in found] or found
    return Position(at[-1] if at else None, ordered, tuple(at[:-1]))


def require_own_version_table(connection: Connection, script: "ScriptDirectory") -> None:
    """Raise Unavailable if alembic_version is another program's table."""
    _own_revisions(connection, _steps_of(script), script.dir)


def _own_revisions(connection: Connection, steps: tuple[Step, ...], folder: str) -> list[str]:
    found = read_revisions(connection)
    unknown = [revision for revision in found if revision not in {step.revision for step in steps}]
    if unknown and len(unknown) < len(found):
        raise other_program(f"holds {', '.join(unknown)} too.")
    if unknown and not _has_own_tables(connection, folder):
        raise other_program(f"holds {', '.join(unknown)}, and the console's tables are not there.")
    return found


def _has_own_tables(connection: Connection, folder: str) -> bool:
    # A newer release leaves most of them as they are.
    created = tables_of_migrations(folder)
    return len(complete_tables(connection, created)) >= min(OWN_TABLES_MIN, len(created))


def table_conflict(connection: Connection, script: "ScriptDirectory", position: Position) -> str | None:
    """A sentence about the tables of another program whose names pending steps need; None if there are none."""
    paths = [Path(script.get_revision(step.revision).path) for step in position.pending]
    created = {name: columns for path in paths for name, columns in tables_created_in(path).items()}
    found = incomplete_tables(connection, created)
    if not found:
        return None
    lacks = "; ".join(f"{name} lacks {', '.join(columns)}" for name, columns in found.items())
    return f"Tables of another program have the names of the console's: {lacks}."


def require_no_table_conflict(connection: Connection, script: "ScriptDirectory", position: Position) -> None:
    """Raise Unavailable if tables of another program have names that pending steps need."""
    if conflict := table_conflict(connection, script, position):
        raise Unavailable(f"{conflict} {OWN_PLACE}. Nothing was changed.", code="schema_unclear")


def migrations_folder() -> str:
    """The folder of this release's migrations."""
    return str(FILES / "migrations")


@cache
def _steps_of_release() -> tuple[Step, ...]:
    # The files of a release do not change while it runs, and reading them is slow.
    return steps_in_line(FILES / "migrations") or _steps_of(_script_of_release())


def _script_of_release() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory

    from agents_app.dbtools.configuration import alembic_config

    return ScriptDirectory.from_config(alembic_config(sa.make_url("sqlite://")))


def _steps_of(script: "ScriptDirectory") -> tuple[Step, ...]:
    from agents_app.dbtools.alembic_steps import steps_of

    return steps_of(script)
