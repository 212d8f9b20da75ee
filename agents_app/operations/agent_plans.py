"""Helpers that say what a file of agents would do with one stored or new agent. They read and write nothing."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from agents_app.operations.planned_agents import Difference, Kind, PlannedAgent
from agents_app.schemas import agents as schema
from agents_app.schemas import completeness
from agents_app.schemas.agent_files import STATUS, AgentFile, Entry, Problems
from agents_app.schemas.agents import CONFIG, NOTE, STATUS_REASON
from agents_app.schemas.change_notes import SECRET, check_reason, repeats_secret
from agents_app.values.choices import AgentStatus, ConnectionType
from agents_app.values.fields import is_empty
from agents_app.values.pem import without_private_keys
from agents_app.values.text import normalise_text

NOT_A_STATUS = "Choose one of: active, disabled."
REASON_OF_ACTIVE = "Only a disabled agent has a reason. Write status: disabled, or remove the reason."
OTHER_RELEASE = "This agent has a connection type that this release does not know. Upgrade the console."


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


def step(actor: Actor, file: AgentFile, entry: Entry, stored: Agent | None, note: str | None = None) -> Step:
    """What the file does with this agent, or with a new one, and with a note that must not repeat its secrets.

    Raises InvalidInput with every problem, by its place.
    """
    if stored is not None and stored.connection_type not in TYPES:
        raise InvalidInput([(entry.place, OTHER_RELEASE)])
    old = None if stored is None else states.of_agent(stored)
    agent_id = stored.id if stored is not None else uuid.uuid4()
    problems: Problems = []
    status, reason = _status(entry, old, problems)
    secrets, wanted = agent_file_secrets.read(file, entry, problems)
    draft = _draft(entry, old, secrets, problems)
    new_reason = reason if old is None or reason != old.reason else None
    kept = {f"/{NOTE}": note, f"{entry.place}/{STATUS_REASON}": new_reason}
    sent = [*secrets.values(), *(draft.secrets.values() if draft else ())]
    problems += [(place, SECRET) for place, text in kept.items() if text and repeats_secret(text, sent)]
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
    written = agent_file_secrets.without_secrets(entry)
    values = agent_file_secrets.add(states.with_defaults(written, entry.connection_type) if old else written, secrets)
    try:
        return states.draft_of_change(old, values) if old else schema.draft_of_new(values)
    except InvalidInput as refusal:
        # A secret that has a problem of its own may also be found missing.
        known = {pointer for pointer, _ in problems}
        placed = [(agent_file_secrets.place(entry, pointer), sentence) for pointer, sentence in refusal.fields]
        problems += [one for one in placed if one[0] not in known]
        return None


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
    connection_type, set_here = _type(state), [pointer for pointer, change in changes.items() if change != "removed"]
    return PlannedAgent(
        kind,
        state.fields["name"],
        state.fields["external_id"],
        entry.place,
        connection_type=connection_type.value,
        connection={name: state.config.get(name) for name in TYPES[connection_type].title_fields},
        differences=differences,
        secrets=dict(sorted(changes.items())),
        sources={pointer: entry.secrets[pointer.rpartition("/")[2]] for pointer in set_here},
        destinations={pointer: _destination(pointer, state) for pointer in set_here},
        secrets_to_set=to_set,
        is_incomplete=bool(lacking),
    )


def _destination(pointer: str, state: State) -> list[str]:
    found = [str(part) for part in schema.destination(pointer, state.fields, state.config) if not is_empty(part)]
    # Not the certificate of the server.
    return [part for part in found if "\n" not in part]


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
