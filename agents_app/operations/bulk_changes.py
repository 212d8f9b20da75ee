"""Helpers that make the changes of a bulk act, and of its undo, from locked agents. They write nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.errors import Conflict, ConsoleError, InvalidInput, Stale
from agents_app.models import Agent, AgentVersion
from agents_app.operations import agent_states as states
from agents_app.operations import snapshots
from agents_app.operations.agent_states import State
from agents_app.operations.agent_writes import Change
from agents_app.operations.permissions import Actor
from agents_app.schemas.bulk_agents import FIELDS, BulkAct, BulkValues
from agents_app.values import limits
from agents_app.values.choices import AgentStatus
from agents_app.values.text import to_nfc
from agents_app.wording import number_text

STATUS_ACTIONS = {AgentStatus.ACTIVE: "agent.enabled", AgentStatus.DISABLED: AgentVersion.DISABLED}
UNDONE = "agent.change_undone"
# What the event of an agent says that was disabled already, and only got a new reason.
REASON_REPLACED = "reason_replaced"
NO_VERSION = "Its previous version is not stored, or cannot be read."

# For each locked agent of a batch its change, None if there is nothing to change, or why it cannot be changed.
Results = dict[UUID, Change | ConsoleError | None]
MakeChanges = Callable[[Session, Sequence[Agent]], Results]


def of_act(wanted: BulkValues, details: Mapping[str, Any]) -> MakeChanges:
    """The changes of an act. `details` are for the event and the version of each agent."""

    def make(_session: Session, agents: Sequence[Agent]) -> Results:
        return {agent.id: _change(wanted, agent, details) for agent in agents}

    return make


def of_undo(
    actor: Actor, act: BulkAct, versions: Mapping[UUID, int], note: str | None, details: Mapping[str, Any]
) -> MakeChanges:
    """The changes that undo an act. `versions` are those that the act made: an agent at another one is not changed.

    The event and the version of each agent say which act was undone, and which version the agent is like again.
    """
    details = {**details, "undone_act": act.value}

    def make(session: Session, agents: Sequence[Agent]) -> Results:
        previous = sa.select(AgentVersion.agent_id, AgentVersion.snapshot).where(
            AgentVersion.account_id == actor.account_id,
            sa.tuple_(AgentVersion.agent_id, AgentVersion.version).in_([(a.id, versions[a.id] - 1) for a in agents]),
        )
        before = {row.agent_id: row.snapshot for row in session.execute(previous)}
        return {
            agent.id: _reverted(
                act, agent, before.get(agent.id), note, {**details, "restored_version": versions[agent.id] - 1}
            )
            if agent.version == versions[agent.id]
            else Stale(f"It was changed since. It is at version {agent.version} now.")
            for agent in agents
        }

    return make


def _change(wanted: BulkValues, agent: Agent, details: Mapping[str, Any]) -> Change | ConsoleError | None:
    old, note = states.of_agent(agent), getattr(wanted, "note", None)
    if wanted.act is BulkAct.DELETE:
        return Change(AgentVersion.DELETED, agent, old, note, details)
    if wanted.act in FIELDS:
        name = FIELDS[wanted.act]
        value = wanted.model_dump(mode="json")[name]
        if name == "labels":
            labels = {**old.fields[name], **value}
            value = {label: text for label, text in labels.items() if text is not None}
            if len(value) > limits.LABELS:
                return InvalidInput([("/labels", _too_many_labels(len(value)))])
        return _unless_same(
            old, replace(old, fields={**old.fields, name: value}), "agent.updated", agent, note, details
        )
    status = AgentStatus.ACTIVE if wanted.act is BulkAct.ENABLE else AgentStatus.DISABLED
    state = replace(old, status=status, reason=getattr(wanted, "reason", None))
    if old.status is status is AgentStatus.DISABLED:
        details = {**details, REASON_REPLACED: True}
    return _unless_same(old, state, STATUS_ACTIONS[status], agent, note, details)


def _reverted(
    act: BulkAct, agent: Agent, snapshot: Any, note: str | None, details: Mapping[str, Any]
) -> Change | ConsoleError | None:
    """The change to what the act changed. Everything else is as it was before, as there is no later version."""
    old = states.of_agent(agent)
    if not isinstance(snapshot, dict):
        return Conflict(NO_VERSION, code=snapshots.UNREADABLE)
    if act in FIELDS:
        name = FIELDS[act]
        state = replace(old, fields={**old.fields, name: snapshots.content(snapshot)[name]})
        return _unless_same(old, state, UNDONE, agent, note, details)
    try:
        then = snapshots.status_and_origin(snapshot)
    except Conflict as unreadable:
        return unreadable
    state = replace(old, status=then.status, reason=then.status_reason)
    return _unless_same(old, state, UNDONE, agent, note, details)


def _unless_same(
    old: State, state: State, action: str, agent: Agent, note: str | None, details: Mapping[str, Any]
) -> Change | None:
    is_same_reason = to_nfc(old.reason or "") == (state.reason or "")
    if (old.status, is_same_reason, old.fields) == (state.status, True, state.fields):
        return None
    return Change(action, agent, state, note, details)


def _too_many_labels(number: int) -> str:
    return f"It would have {number_text(number)} labels. Use at most {number_text(limits.LABELS)}."
