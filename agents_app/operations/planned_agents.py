"""Helpers that hold what a file of agents does with each agent of an account: its plan, and what was done."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import UUID

from agents_app.values.choices import AgentStatus
from agents_app.wording import number_text


class Kind(StrEnum):
    """What a file means for an agent."""

    NEW = "new"
    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"
    """The file does not have the agent. It is deleted only if the plan prunes."""


@dataclass(frozen=True)
class Difference:
    """A value that the file changes, at a JSON pointer of the agent. None of them is a secret."""

    pointer: str
    before: Any
    after: Any


@dataclass(frozen=True)
class PlannedAgent:
    """What a file does with one agent."""

    kind: Kind
    name: str
    external_id: str | None
    place: str = ""
    """Its JSON pointer in the file. Empty for a missing agent."""
    agent_id: UUID | None = None
    """The id of the stored agent. None for one that is not stored yet."""
    connection_type: str = ""
    connection: Mapping[str, Any] = field(default_factory=dict)
    """The fields that say what the connection leads to, such as the host, as lists of agents have them."""
    differences: list[Difference] = field(default_factory=list)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The secrets that change, by JSON pointer: set, replaced or removed."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where the secrets that are set or replaced are read from, such as env:NAME, by JSON pointer."""
    destinations: Mapping[str, list[str]] = field(default_factory=dict)
    """Where these secrets are sent, by JSON pointer: what is known of it, such as the database type and the host."""
    secrets_to_set: list[str] = field(default_factory=list)
    """The JSON pointers of the secrets that the agent needs or had where the file was written, and does not have."""
    is_incomplete: bool = False
    """Whether the agent then lacks something to sign in."""

    @property
    def is_disabled(self) -> bool:
        """Whether the file disables it, and it is active now."""
        return any(one.pointer == "/status" and one.after == AgentStatus.DISABLED for one in self.differences)


@dataclass(frozen=True)
class Plan:
    """What a file does with the agents of an account: those of the file in its order, then the missing ones."""

    agents: list[PlannedAgent]
    prune: bool = False
    """Whether missing agents are deleted."""

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of agents of each kind."""
        return {kind.value: sum(agent.kind is kind for agent in self.agents) for kind in Kind}

    @property
    def deletes(self) -> int:
        """The number of agents that are deleted."""
        return self.counts[Kind.MISSING] if self.prune else 0

    @property
    def ending(self) -> dict[str, list[UUID]]:
        """The ids of the agents that runtimes can no longer fetch: disabled ones and deleted ones."""
        disabled = [one for one in self.agents if one.kind is Kind.CHANGED and one.is_disabled]
        deleted = [one for one in self.agents if one.kind is Kind.MISSING and self.prune]
        found = {"disabled": disabled, "deleted": deleted}
        return {name: [one.agent_id for one in agents if one.agent_id] for name, agents in found.items()}

    @property
    def doubt(self) -> str:
        """Why the deletions may be a mistake: most agents of the account are missing in the file. Empty otherwise."""
        missing = self.deletes
        stored = missing + self.counts[Kind.SAME] + self.counts[Kind.CHANGED]
        if missing * 2 <= stored:
            return ""
        number = f"{number_text(missing)} of {number_text(stored)} agent{'s' * (stored != 1)}"
        are = "is" if missing == 1 else "are"
        return f"{number} {are} missing in this file and would be deleted. Was it exported with a filter?"

    @property
    def changes_something(self) -> bool:
        """Whether to apply the file would change anything."""
        return bool(self.counts[Kind.NEW] or self.counts[Kind.CHANGED] or self.deletes)

    @property
    def digest(self) -> str:
        """A text that two plans have in common only if they do the same. A missing agent counts if it is deleted."""
        counted = [asdict(one) for one in self.agents if self.prune or one.kind is not Kind.MISSING]
        return sha256(json.dumps([self.prune, counted], default=str, sort_keys=True).encode()).hexdigest()


def as_json(plan: Plan) -> dict[str, Any]:
    """A plan in JSON types, as the API and the terminal show it."""
    return {
        "digest": plan.digest,
        "changes_something": plan.changes_something,
        "prune": plan.prune,
        "counts": plan.counts,
        "agents": [{**vars(agent), "differences": [vars(one) for one in agent.differences]} for agent in plan.agents],
    }
