"""What the parent knows of a running test: the messages of its child process, and the result that follows from them."""

import json
import time
from typing import Any

from agents_app.probes.causes import CAUSES
from agents_app.probes.facts import can_be_stored
from agents_app.probes.results import Finding, Outcome, Result, Step

# The cause if the time is over. In all other steps the server has accepted the connection.
LATE = {"": "console_busy", "resolve": "dns_failed", "connect": "timed_out"}
LATE_BETWEEN_STEPS = "test_unfinished"
UNUSABLE = "answer_not_understood"
"""The cause if a probe reports a value of a server that cannot be stored. No message after it is read."""


class Transcript:
    """The messages of one child process. `is_done` says that the child has sent everything."""

    def __init__(self) -> None:
        self.is_done = False
        self._is_unusable = False
        self._running = ""
        self._begin = time.monotonic()
        self._steps: list[Step] = []
        self._cause: Finding | None = None
        self._warnings: list[Finding] = []
        self._facts: dict[str, Any] = {}
        self._statements: list[str] = []

    def add(self, line: bytes) -> None:
        """Read one line. Raises ValueError if the child did not write it as the recorder does."""
        try:
            message = json.loads(line)
            if can_be_stored(message):
                self._add(message)
            else:
                self._is_unusable = self.is_done = True
        except (AttributeError, KeyError, RecursionError, TypeError) as error:
            raise ValueError from error

    def result(self, host: str, is_late: bool) -> Result:
        """The result. A child that ended before it was done, for another reason than its time, had a fault.

        A cause that the child reported stays, whatever happened after it.
        """
        cause = self._cause or (Finding(UNUSABLE, {"host": host}) if self._is_unusable else None)
        if cause is None and not self.is_done:
            late = Finding(self._late_code(), {"host": host})
            cause = late if is_late else Finding("internal_error", {"fault": "the child process ended"})
        if cause and self._running:
            milliseconds = round((time.monotonic() - self._begin) * 1000)
            self._steps.append(Step(self._running, Outcome.FAILED, milliseconds))
        return Result(tuple(self._steps), cause, tuple(self._warnings), self._facts, tuple(self._statements))

    def _late_code(self) -> str:
        is_between = self._steps and not self._running
        return LATE_BETWEEN_STEPS if is_between else LATE.get(self._running, "server_slow")

    def _add(self, message: dict[str, Any]) -> None:
        if "begin" in message:
            self._running, self._begin = str(message["begin"]), time.monotonic()
        elif "end" in message:
            self._steps.append(Step(str(message["end"]), Outcome(message["outcome"]), int(message["ms"])))
            self._running = ""
        elif "cause" in message:
            self._cause = self._cause or _finding(message["cause"], message["facts"])
        elif "warning" in message:
            self._warnings.append(_finding(message["warning"], message["facts"]))
        elif "known" in message:
            self._facts.update(message["known"])
        elif "statements" in message:
            self._statements.extend(map(str, message["statements"]))
        else:
            self.is_done = bool(message["done"])


def _finding(code: str, facts: dict[str, Any]) -> Finding:
    return Finding(code if code in CAUSES else "internal_error", dict(facts) if code in CAUSES else {"fault": code})
