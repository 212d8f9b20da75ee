"""The steps of one run: worked out once, told as they are done."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from alembic.runtime.migration import MigrationContext, MigrationStep

from agents_app.dbtools.say import say

Plan = Callable[[tuple[str, ...], MigrationContext], Iterable[MigrationStep]]


class Steps:
    """What Alembic is to do, as the `fn` of its context.

    `times` has the seconds of each step that is done. A second try goes on with the step that failed: `downgrade -2`
    worked out anew after one step would go three back.
    """

    def __init__(self, plan: Plan) -> None:
        self.times: dict[str, float] = {}
        self._plan = plan
        self._left: deque[MigrationStep] | None = None

    def __call__(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[MigrationStep]:
        if self._left is None:
            self._left = deque(self._plan(heads, context))
        while self._left:
            started = time.monotonic()
            yield self._left[0]
            # Alembic comes back here when the step is done.
            step = str(self._left.popleft())
            self.times[step] = round(time.monotonic() - started, 3)
            say(f"Done: {step} ({self.times[step]:.2f} s)")

    @property
    def failing(self) -> str | None:
        """The step that was being done when something went wrong, in words."""
        return str(self._left[0]) if self._left else None
