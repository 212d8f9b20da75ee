"""The steps of one run: computed once, and reported as they are done."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from traceback import walk_tb
from typing import Any

from alembic.operations import MigrateOperation
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy.engine import Connection

from agents_app.dbtools.database.leftovers import LeftoverObject
from agents_app.dbtools.operations.renames import require_answer
from agents_app.dbtools.output import print_progress
from agents_app.dbtools.review import rules
from agents_app.dbtools.review.recorder import record_step
from agents_app.dbtools.runner import existing
from agents_app.dbtools.runner.broken_rules import LEAVES_NOTHING, broken_rule

PlanFunction = Callable[[tuple[str, ...], MigrationContext], Iterable[MigrationStep]]
Report = Callable[[str], None]


class Steps:
    """The steps that Alembic must run, as the `fn` of its context.

    `times` has the seconds of each completed step. A second attempt continues with the step that failed: if the plan of
    `downgrade -2` were computed again after one step, it would go back three steps. `leftovers` are objects that the
    current step may leave over. `report` prints the line of a completed step.
    """

    def __init__(self, plan: PlanFunction, report: Report = print_progress) -> None:
        self.times: dict[str, float] = {}
        self.leftovers: dict[str, LeftoverObject] = {}
        self._has_committed = False
        self._plan, self._report = plan, report
        self._remaining: deque[MigrationStep] | None = None

    def __call__(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
        if self._remaining is None:
            planned = deque(self._plan(heads, context))
            _require_answers(planned)
            self._remaining = planned
            self._has_committed = False
        while self._remaining:
            started = time.monotonic()
            yield self._remaining[0]
            # Alembic returns here when the step is done.
            step = str(self._remaining.popleft())
            self._has_committed = False
            self.leftovers.clear()
            self.times[step] = round(time.monotonic() - started, 3)
            self._report(f"Done: {step} ({self.times[step]:.2f} s)")

    @property
    def current(self) -> str | None:
        """The step that is running, or that failed."""
        return str(self._remaining[0]) if self._remaining else None

    @property
    def revision(self) -> str | None:
        """The revision of the step that is running, or that failed."""
        step: Any = self._remaining[0] if self._remaining else None
        return step.revision.revision if isinstance(step, RevisionStep) else None

    def place_of(self, error: BaseException) -> str:
        """The file of the current step and, if the error came from there, its line."""
        step: Any = self._remaining[0] if self._remaining else None
        path = Path(step.revision.path) if isinstance(step, RevisionStep) else Path("The step")
        lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
        return f"{path.name}, line {lines[-1]}," if lines else path.name

    def record_commit(self, _connection: Connection) -> None:
        """Record that a part of the current step is, or may be, committed."""
        self._has_committed = True

    @property
    def undone_revision(self) -> str | None:
        """The revision of the current step, if a downgrade undoes it."""
        step: Any = self._remaining[0] if self._remaining else None
        is_undone = isinstance(step, RevisionStep) and not step.is_upgrade
        return str(step.revision.revision) if is_undone else None

    def outcome(self, *, has_failed: bool = False) -> str:
        """Describe the result of the step that did not end, what it left over, and how to continue.

        It `has_failed` if the database refused it. Otherwise something interrupted it.
        """
        if self.current is None:
            return "Nothing was changed."
        if not self._has_committed:
            return f"The step {self.current} was undone."
        operations = self._operations()
        is_alone = len(operations) == 1 and isinstance(operations[0], LEAVES_NOTHING)
        if has_failed and is_alone and not self.leftovers:
            return f"The step {self.current} failed, and nothing of it remains."
        verb = "failed" if has_failed else "was interrupted"
        result = f"The step {self.current} {verb}: its committed changes remain, the rest was undone."
        return " ".join([result, *map(str, self.leftovers.values()), _how_to_continue(operations)])

    def advice_for_existing(self, cause: str) -> str:
        """The end of the sentence about an object that the current step adds and that is there already."""
        step: Any = self._remaining[0] if self._remaining else None
        if not isinstance(step, RevisionStep):
            return existing.advice_for_existing(cause, None, ())
        older = list(step.revision_map.iterate_revisions(step.revision.revision, "base"))
        if not step.is_upgrade:
            return existing.ON_THE_WAY_BACK
        return existing.advice_for_existing(cause, step.revision, older[1:])

    def broken_rule(self) -> str | None:
        """Which rows break the rule of the current step, and what to do; None if that is not known."""
        return broken_rule(self._operations())

    def _operations(self) -> tuple[MigrateOperation, ...]:
        step: Any = self._remaining[0] if self._remaining else None
        if not isinstance(step, RevisionStep):
            return ()
        # Only on PostgreSQL can a step commit before it ends.
        return record_step(step.revision, "upgrade" if step.is_upgrade else "downgrade", "postgresql").operations


def _how_to_continue(operations: Iterable[MigrateOperation]) -> str:
    operation = rules.operation_that_needs_own_step(operations)
    if operation is None:
        return "To continue the step, run the same command again."
    other = f"The step also contains other operations than {operation}."
    return f"{other} Undo them manually, then run the same command again."


def _require_answers(steps: Iterable[MigrationStep]) -> None:
    # Before the first step, so that nothing was changed.
    for step in steps:
        if isinstance(step, RevisionStep) and step.is_upgrade:
            require_answer(step.revision)
