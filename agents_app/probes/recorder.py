"""The child's side of a test: a probe reports its steps, warnings and facts to a recorder, which sends each at once.

If the parent ends the child at the time limit, it knows which step was running.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from agents_app.probes.results import Outcome

Message = dict[str, Any]
# A database can have thousands of objects. The statements are read by a person, and stored.
STATEMENTS_SIZE = 60_000
HIDDEN = "-- A statement is left out, because a name in it has characters that cannot be seen."
PUBLIC_NOTE = "-- This right was granted to PUBLIC, so the next statement takes it from all other users too."
CUT = "-- Run these statements first, then test again: the test shows the others afterwards."


class ProbeFailed(Exception):
    """The running step failed. `code` is a code in `causes.CAUSES`, and `facts` are the values for its sentence."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


class Recorder:
    """Sends what a probe reports through `send`, one message for each event."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._has_warning = False

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step. An exception that is not a ProbeFailed is a fault of ours (`internal_error`)."""
        begin = time.monotonic()
        self._has_warning = False
        self._send({"begin": name})
        try:
            yield
        except ProbeFailed as failure:
            self._end(name, begin, Outcome.FAILED)
            self._send({"cause": failure.code, "facts": failure.facts})
            raise
        self._end(name, begin, Outcome.WARNING if self._has_warning else Outcome.PASSED)

    def warn(self, code: str, **facts: Any) -> None:
        """Report a warning of the running step, by its code in `causes.CAUSES`."""
        self._has_warning = True
        self._send({"warning": code, "facts": facts})

    def know(self, **facts: Any) -> None:
        """Report values that the running step read. Text of a server is cut and cleaned by the caller."""
        self._send({"known": facts})

    def suggest(self, *statements: str) -> None:
        """Report statements that would give the role the rights that it should have.

        An administrator runs them. A name of the database in one of them must not look like something else.
        """
        texts = [statement if _can_be_seen(statement) else HIDDEN for statement in statements]
        shown = [text for text, size in zip(texts, accumulate(map(len, texts)), strict=True) if size <= STATEMENTS_SIZE]
        self._send({"statements": [*shown, CUT] if len(shown) < len(texts) else shown})

    def _end(self, name: str, begin: float, outcome: Outcome) -> None:
        self._send({"end": name, "outcome": outcome, "ms": round((time.monotonic() - begin) * 1000)})


def _can_be_seen(statement: str) -> bool:
    """Whether a statement has no character that cannot be seen, and no line end but those of comments before it."""
    *comments, last = statement.split("\n")
    return all(map(str.isprintable, (*comments, last))) and all(line.startswith("--") for line in comments)
