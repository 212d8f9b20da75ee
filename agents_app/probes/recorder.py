"""The child's side of a test: a probe reports its steps, warnings and facts to a recorder, which sends each at once.

If the parent ends the child at the time limit, it knows which step was running.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from agents_app.probes.results import Outcome

Message = dict[str, Any]


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
        """Report statements that would give the role the rights that it should have."""
        self._send({"statements": list(statements)})

    def _end(self, name: str, begin: float, outcome: Outcome) -> None:
        self._send({"end": name, "outcome": outcome, "ms": round((time.monotonic() - begin) * 1000)})
