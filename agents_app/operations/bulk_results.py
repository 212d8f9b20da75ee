"""Helpers that hold what a bulk act did with each agent."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from agents_app.errors import ConsoleError, InvalidInput
from agents_app.operations import bulk_words


class Failure(NamedTuple):
    """An agent that was not changed, and why. The name is None if there is no such agent."""

    id: UUID
    name: str | None
    code: str
    detail: str


class Done(NamedTuple):
    """An agent that was changed, tested or left as it was."""

    id: UUID
    name: str
    version: int | None = None
    reason_replaced: bool = False
    """Whether it was disabled already, and only got a new reason."""


@dataclass
class BulkResult:
    """What a bulk act did with each agent."""

    id: UUID
    act: str
    changed: list[Done] = field(default_factory=list)
    """For a test: the agents whose test did not fail."""
    unchanged: list[Done] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    """What looks like a secret in the values of the act: JSON pointers and sentences."""
    is_repeated: bool = False
    """Whether an earlier request did this, and this one nothing. Then `unchanged` are those that it changed."""

    removes: bool = False
    """Whether the act removes a value, such as the owner."""

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of agents."""
        return {"changed": len(self.changed), "unchanged": len(self.unchanged), "failed": len(self.failed)}

    @property
    def summary(self) -> str:
        """What was done, with the numbers of agents. Empty if no agent was concerned."""
        parts = bulk_words.parts(self.act, self.changed, len(self.unchanged), removes=self.removes)
        return bulk_words.sentences(parts, len(self.failed), self.act)

    def with_others(self, done: Sequence[Done]) -> "BulkResult":
        """The result of the whole act, if other requests for it did `done`. What they changed did not fail."""
        own, found = {one.id for one in self.changed}, {one.id for one in done}
        others = [one for one in done if one.id not in own]
        failed = [one for one in self.failed if one.id not in found]
        return replace(self, changed=[*self.changed, *others], failed=failed)

    def as_repeated(self) -> "BulkResult":
        """What a request is answered for which another one did everything: what that changed is so already."""
        return replace(self, changed=[], unchanged=self.changed, is_repeated=True)

    def as_json(self) -> dict[str, Any]:
        """The result as the API and the terminal write it."""
        parts: dict[str, list[Any]] = {"changed": self.changed, "unchanged": self.unchanged, "failed": self.failed}
        listed: dict[str, Any] = {name: [one._asdict() for one in agents] for name, agents in parts.items()}
        listed["warnings"] = [{"pointer": pointer, "detail": sentence} for pointer, sentence in self.warnings]
        said = {"is_repeated": self.is_repeated, "summary": self.summary, "counts": self.counts}
        return {"id": self.id, "act": self.act, **said, **listed}

    def fail(self, agent_id: UUID, name: str | None, error: ConsoleError) -> None:
        """Add an agent that was not changed."""
        sentences = [text for _, text in error.fields] if isinstance(error, InvalidInput) else [error.detail]
        self.failed.append(Failure(agent_id, name, error.code, " ".join(sentences)))
