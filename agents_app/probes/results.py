"""What a test answers. These are plain data: the child process sends them to its parent, and the last one is stored."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a step or a whole test ended. A warning is something that works, but should be changed."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Step:
    """One step of a test. Its label is in `steps.LABELS`."""

    name: str
    outcome: Outcome
    milliseconds: int


@dataclass(frozen=True)
class Finding:
    """A cause or a warning: its code in `causes.CAUSES`, and the values for its sentence. It has no driver text."""

    code: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The result of one probe.

    `steps` ends with the failed step, if there is one, and then `cause` says why. `warnings` are found by steps that
    did not fail. `facts` are values that a step read, such as the name of a dataset. `statements` would give the role
    the rights that it should have.
    """

    steps: tuple[Step, ...]
    cause: Finding | None = None
    warnings: tuple[Finding, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    statements: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """How the test ended."""
        if self.cause is not None:
            return Outcome.FAILED
        return Outcome.WARNING if self.warnings else Outcome.PASSED

    def to_json(self) -> dict[str, Any]:
        """The result in JSON types."""
        found = asdict(self)
        lists = {name: list(found[name]) for name in ("steps", "warnings", "statements")}
        return {**found, **lists, "outcome": self.outcome}
