"""The steps of one run: worked out once, told as they are done."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy.engine import Connection

from agents_app.dbtools.database.leftovers import LeftoverObject
from agents_app.dbtools.output import print_progress
from agents_app.dbtools.review import rules
from agents_app.dbtools.review.recorder import record_step

Plan = Callable[[tuple[str, ...], MigrationContext], Iterable[MigrationStep]]


class Steps:
    """What Alembic is to do, as the `fn` of its context.

    `times` has the seconds of each step that is done. A second try goes on with the step that failed: `downgrade -2`
    worked out anew after one step would go three back. `leftovers` are what the present step makes for a while.
    """

    def __init__(self, plan: Plan) -> None:
        self.times: dict[str, float] = {}
        self.leftovers: dict[str, LeftoverObject] = {}
        self._has_committed = False
        self._plan = plan
        self._left: deque[MigrationStep] | None = None

    def __call__(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
        if self._left is None:
            self._left = deque(self._plan(heads, context))
            self._has_committed = False
        while self._left:
            started = time.monotonic()
            yield self._left[0]
            # Alembic comes back here when the step is done.
            step = str(self._left.popleft())
            self._has_committed = False
            self.leftovers.clear()
            self.times[step] = round(time.monotonic() - started, 3)
            print_progress(f"Done: {step} ({self.times[step]:.2f} s)")

    @property
    def failing(self) -> str | None:
        """The step that was being done when something went wrong, in words."""
        return str(self._left[0]) if self._left else None

    def note_commit(self, _connection: Connection) -> None:
        """Remember that a part of the present step is, or may be, committed."""
        self._has_committed = True

    @property
    def outcome(self) -> str:
        """What became of the step that failed, and what is left of it."""
        if self.failing is None:
            return "Nothing was changed."
        if not self._has_committed:
            return f"The step {self.failing} was undone."
        kept = f"The step {self.failing} was stopped on its way: what it had committed stays, the rest was undone."
        return " ".join([kept, *map(str, self.leftovers.values()), self._way_on()])

    def _way_on(self) -> str:
        # Only PostgreSQL commits on the way.
        step: Any = self._left[0] if self._left else None
        asked = record_step(step.revision, "upgrade" if step.is_upgrade else "downgrade", "postgresql")
        operation = rules.operation_that_needs_own_step(asked.operations)
        if operation is None:
            return "To go on with the step, type the same command again."
        return f"It does other things besides {operation}: undo those by hand, then type the same command again."
