"""Helpers that say what a file of agents would do with one stored or new agent. They read and write nothing."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import UUID

from agents_app.config import settings
from agents_app.connections import TYPES
from agents_app.errors import InvalidInput
from agents_app.models import Agent
from agents_app.operations import agent_file_secrets, agent_merge, agent_secrets
from agents_app.operations import agent_states as states
from agents_app.operations.agent_secrets import Secrets
from agents_app.operations.agent_states import State
from agents_app.operations.permissions import Actor
from agents_app.schemas import agents as schema
from agents_app.schemas import completeness
from agents_app.schemas.agent_files import STATUS, AgentFile, Entry, Problems
from agents_app.schemas.agents import CONFIG, STATUS_REASON
from agents_app.schemas.change_notes import check_reason
from agents_app.values.choices import AgentStatus, ConnectionType
from agents_app.values.fields import is_empty
from agents_app.values.pem import without_private_keys
from agents_app.values.text import normalise_text

NOT_A_STATUS = "Choose one of: active, disabled."
REASON_OF_ACTIVE = "Only a disabled agent has a reason. Write status: disabled, or remove the reason."
OTHER_RELEASE = "This agent has a connection type that this release does not know. Upgrade the console."


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
    differences: list[Difference] = field(default_factory=list)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The secrets that change, by JSON pointer: set, replaced or removed."""
    secrets_to_set: list[str] = field(default_factory=list)
    """The JSON pointers of the secrets that the agent needs or had where the file was written, and does not have."""
    is_incomplete: bool = False
    """Whether the agent then lacks something to sign in."""


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
    def changes_something(self) -> bool:
        """Whether to apply the file would change anything."""
        return bool(self.counts[Kind.NEW] or self.counts[Kind.CHANGED] or self.deletes)

    @property
    def digest(self) -> str:
        """A text that two plans have in common only if they do the same. A missing agent counts if it is deleted."""
        counted = [asdict(one) for one in self.agents if self.prune or one.kind is not Kind.MISSING]
        return sha256(json.dumps([self.prune, counted], default=str, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Step:
    """One agent of a file with what is written for it. `before` is None for a new agent."""

    shown: PlannedAgent
    agent_id: UUID
    version: int
    before: State | None
    state: State

    @property
    def is_of_status_only(self) -> bool:
        """Whether nothing changes but the status or its reason."""
        pointers = {difference.pointer for difference in self.shown.differences}
        return not self.shown.secrets and pointers <= {f"/{STATUS}", f"/{STATUS_REASON}"}


def as_json(plan: Plan) -> dict[str, Any]:
    """A plan in JSON types, as the API and the terminal show it."""
    return {
        "changes_something": plan.changes_something,
        "prune": plan.prune,
        "counts": plan.counts,
        "agents": [{**vars(agent), "differences": [vars(one) for one in agent.differences]} for agent in plan.agents],
    }


def step(actor: Actor, file: AgentFile, entry: Entry, stored: Agent | None) -> Step:
    """What the file does with this agent, or with a new one. Raises InvalidInput with every problem, by its place."""
    if stored is not None and stored.connection_type not in TYPES:
        raise InvalidInput([(entry.place, OTHER_RELEASE)])
    old = None if stored is None else states.of_agent(stored)
    agent_id = stored.id if stored is not None else uuid.uuid4()
    problems: Problems = []
    status, reason = _status(entry, old, problems)
    secrets, wanted = agent_file_secrets.read(file, entry, problems)
    draft = _draft(entry, old, secrets, problems)
    if problems or draft is None:
        raise InvalidInput(problems)
    keyring = settings().keys.encryption
    old_secrets = old.secrets if old else Secrets({}, {}, {})
    if old:
        agent_file_secrets.drop_unchanged(keyring, actor, agent_id, draft, old)
    encrypted = agent_secrets.merge(keyring, actor, agent_id, draft, old_secrets)
    state = replace(states.of_draft(draft, encrypted), status=status, reason=reason)
    shown = _planned(entry, old, state, wanted)
    shown = replace(shown, agent_id=agent_id) if stored is not None else shown
    return Step(shown, agent_id, stored.version if stored is not None else 0, old, state)


def _draft(
    entry: Entry, old: State | None, secrets: Mapping[str, str | None], problems: Problems
) -> schema.Draft | None:
    values = agent_file_secrets.add(_declared(entry, old), secrets)
    try:
        return states.draft_of_change(old, values) if old else schema.draft_of_new(values)
    except InvalidInput as refusal:
        # A secret that has a problem of its own may also be found missing.
        known = {pointer for pointer, _ in problems}
        placed = [(agent_file_secrets.place(entry, pointer), sentence) for pointer, sentence in refusal.fields]
        problems += [one for one in placed if one[0] not in known]
        return None


def _declared(entry: Entry, old: State | None) -> dict[str, Any]:
    """The values of an entry. For a stored agent every field is named, as an absent one has its default."""
    values = agent_file_secrets.without_secrets(entry)
    if old is None:
        return values
    kind, config = entry.connection_type, values.get(CONFIG)
    if kind is not None and isinstance(config, Mapping | None):
        secrets = TYPES[kind].secret_names()
        public = (name for name in TYPES[kind].model_fields if name not in secrets)
        values[CONFIG] = {**dict.fromkeys(public), **(config or {})}
    return {**dict.fromkeys(schema.FIELDS), **values}


def _status(entry: Entry, old: State | None, problems: Problems) -> tuple[AgentStatus, str | None]:
    written, reason = entry.members.get(STATUS), entry.members.get(STATUS_REASON)
    if not is_empty(written) and written not in list(AgentStatus):
        problems.append((f"{entry.place}/{STATUS}", NOT_A_STATUS))
        return AgentStatus.ACTIVE, None
    if written != AgentStatus.DISABLED:
        if not is_empty(reason):
            problems.append((f"{entry.place}/{STATUS_REASON}", REASON_OF_ACTIVE))
        return AgentStatus.ACTIVE, None
    stored = old.reason if old and old.status is AgentStatus.DISABLED else None
    is_same = normalise_text(reason) == normalise_text(stored or "") if isinstance(reason, str) else reason is stored
    if is_same and old and old.status is AgentStatus.DISABLED:
        return AgentStatus.DISABLED, stored
    try:
        return AgentStatus.DISABLED, check_reason({"reason": reason})[0]
    except InvalidInput as refusal:
        problems += [(f"{entry.place}/{STATUS_REASON}", sentence) for _, sentence in refusal.fields]
        return AgentStatus.DISABLED, None


def _planned(entry: Entry, old: State | None, state: State, wanted: list[str]) -> PlannedAgent:
    differences = _differences(old, state) if old else []
    changes, kept = state.secrets.changes, state.secrets.encrypted
    kind = Kind.NEW if old is None else Kind.CHANGED if differences or changes else Kind.SAME
    lacking = completeness.missing({**state.fields, CONFIG: state.config}, kept)
    needed = [pointer for pointer, _ in lacking if pointer in schema.secret_pointers(_type(state))]
    to_set = [pointer for pointer in dict.fromkeys([*needed, *wanted]) if pointer not in kept]
    return PlannedAgent(
        kind,
        state.fields["name"],
        state.fields["external_id"],
        entry.place,
        connection_type=_type(state).value,
        differences=differences,
        secrets=dict(sorted(changes.items())),
        secrets_to_set=to_set,
        is_incomplete=bool(lacking),
    )


def _differences(old: State, state: State) -> list[Difference]:
    before, after = _content(old), _content(state)
    if before == after:
        # Most agents of a file are as they were, and to normalise a long text takes time.
        return []
    before, after = _facts(before), _facts(after)
    pointers = [one for one in dict.fromkeys([*after, *before]) if before.get(one) != after.get(one)]
    return [Difference(pointer, before.get(pointer), after.get(pointer)) for pointer in pointers]


def _content(state: State) -> dict[str, Any]:
    status = {STATUS: state.status.value, STATUS_REASON: state.reason}
    return {**state.fields, CONFIG: without_private_keys(state.config), **status}


def _facts(content: Mapping[str, Any]) -> dict[str, Any]:
    return agent_merge.facts(content, {}) | {f"/{name}": content[name] for name in (STATUS, STATUS_REASON)}


def _type(state: State) -> ConnectionType:
    return ConnectionType(state.fields["connection_type"])
