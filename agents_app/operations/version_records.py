"""Helpers that record a version of an agent, for the one write path in `agents.py`."""

from typing import Any

from agents_app.config import settings
from agents_app.models import Agent, AgentVersion
from agents_app.operations.agent_states import State
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG


def new(actor: Actor, action: str, agent: Agent, state: State, changes: dict[str, Any]) -> AgentVersion:
    """The version that this change makes. It is not stored yet. A deletion keeps the encrypted secrets."""
    is_kept = action == AgentVersion.DELETED and settings().deleted_secrets_days > 0
    kept = {"kept_secrets": {"sealed": state.secrets.encrypted, "facts": state.secrets.facts}} if is_kept else {}
    made = {"created_by": str(agent.created_by) if agent.created_by else None}
    made |= {"created_at": agent.created_at.isoformat()}
    return AgentVersion(
        agent_id=agent.id,
        version=agent.version,
        account_id=actor.account_id,
        action=action,
        actor_name=actor.name,
        user_id=actor.user_id,
        snapshot={**state.snapshot(), **made},
        changes=changes,
        **kept,
    )


def changes(old: State | None, state: State) -> dict[str, Any]:
    """The names of the changed fields, those of a changed configuration, and what was done with each changed secret."""
    before, after = old.snapshot() if old else {}, state.snapshot()
    fields = [name for name in after if name != "secrets" and before.get(name) != after[name]]
    changed: dict[str, Any] = {"fields": fields, "secrets": state.secrets.changes}
    if old is None or CONFIG not in fields or "connection_type" in fields:
        return changed
    members, others = after[CONFIG], before[CONFIG]
    return changed | {CONFIG: [name for name in members if members[name] != others.get(name)]}
