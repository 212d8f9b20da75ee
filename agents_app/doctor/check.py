"""The result of one check."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# In the order in which they are shown.
GROUPS = ("program", "settings", "sign_on", "keys", "files", "disk", "database", "migrations", "backups", "clock")


class Result(StrEnum):
    """How a check ended. Only a problem makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    # Something that the check needs is not available. Another check says why.
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One check: a sentence with what was found, and what to do if something is wrong.

    `code` is stable, for programs, and begins with the group; `facts` has the numbers of the sentence.
    """

    code: str
    result: Result
    detail: str
    do: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The part of the installation that was checked."""
        return self.code.partition(".")[0]


def ok(code: str, detail: str, **facts: Any) -> Check:
    """Nothing is wrong."""
    return Check(code, Result.OK, detail, None, facts)


def warning(code: str, detail: str, do: str, **facts: Any) -> Check:
    """Something may be wrong, or will be wrong soon."""
    return Check(code, Result.WARNING, detail, do, facts)


def problem(code: str, detail: str, do: str, **facts: Any) -> Check:
    """Something is wrong."""
    return Check(code, Result.PROBLEM, detail, do, facts)


def skipped(code: str, detail: str) -> Check:
    """The check could not run."""
    return Check(code, Result.SKIPPED, detail)
