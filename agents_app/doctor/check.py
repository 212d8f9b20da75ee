"""What one check answers."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# In the order in which they are shown.
GROUPS = ("program", "settings", "keys", "files", "disk", "database", "migrations", "backups", "clock")


class Result(StrEnum):
    """How a check ended; only a problem makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    # What it needs could not be had; another check says why.
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: how it is in a sentence, and what to do where something is wrong.

    `code` is a stable word for programs, the group before its dot; `facts` has the numbers of the sentence.
    """

    code: str
    result: Result
    detail: str
    do: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """Which part of an installation it is about."""
        return self.code.partition(".")[0]


def ok(code: str, detail: str, **facts: Any) -> Check:
    """Something is as it must be."""
    return Check(code, Result.OK, detail, None, facts)


def warning(code: str, detail: str, do: str, **facts: Any) -> Check:
    """Something may be wrong, which only a person can say, or will be wrong soon."""
    return Check(code, Result.WARNING, detail, do, facts)


def problem(code: str, detail: str, do: str, **facts: Any) -> Check:
    """Something is wrong."""
    return Check(code, Result.PROBLEM, detail, do, facts)


def skipped(code: str, detail: str) -> Check:
    """It could not be looked at."""
    return Check(code, Result.SKIPPED, detail)
