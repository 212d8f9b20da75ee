"""Helpers that lock agents and write their changes: the one write path of every operation on agents."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.database import inserts
from agents_app.db import now
from agents_app.errors import NotFound, Stale
from agents_app.models import Agent, AgentVersion, Event
from agents_app.operations import agent_states as states
from agents_app.operations import (
    attention_columns,
    deleted_tests,
    event_records,
    external_ids,
    known_ids,
    test_results,
    version_marks,
)
from agents_app.operations.agent_states import State
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.values.text import sort_key

# The number of the version that a caller has seen, or any of several with their marks (see `version_marks.py`).
Versions = int | Collection[str]

Row = dict[str, Any]

LOCKED = (
    sa.select(Agent)
    .where(Agent.id.in_(sa.bindparam("ids", expanding=True)), known_ids.are_of(sa.bindparam("account_id"), Agent))
    .order_by(Agent.id)
    .with_for_update()
)
AGENTS, VERSIONS, EVENTS = (cast(sa.Table, model.__table__) for model in (Agent, AgentVersion, Event))
NO_AGENT = "There is no agent with this id."


@dataclass(frozen=True)
class Change:
    """A change to write. `agent` is a locked row, or a new one that has only its id; `state` is what it becomes."""

    action: str
    agent: Agent
    state: State
    note: str | None = None
    """Why the change was made, as its maker says."""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def why(self) -> str | None:
        """The note, or the reason of an agent that is disabled without one."""
        return self.note or (self.state.reason if self.action == AgentVersion.DISABLED else None)


def find(session: Session, actor: Actor, agent_id: UUID, version: Versions | None = None) -> Agent:
    """The agent, locked until the end of the transaction. Raises NotFound, and Stale if it has another version."""
    found = _lock(session, actor, [agent_id])
    if not found:
        raise NotFound(NO_AGENT)
    check_version(found[0], version)
    return found[0]


def find_all(session: Session, actor: Actor, agent_ids: Iterable[UUID]) -> list[Agent]:
    """Those of these agents that exist in the account, locked until the end of the transaction, by id.

    All operations lock in this order, so that no two wait for each other.
    """
    return _lock(session, actor, sorted(set(agent_ids)))


def check_version(agent: Agent, version: Versions | None) -> None:
    """Raise Stale if a version is given and the agent has another one."""
    if version is None or version == agent.version:
        return
    current = version_marks.marked(agent.id, agent.version, agent.updated_at)
    wanted = {str(version)} if isinstance(version, int) else version
    if current not in wanted:
        raise Stale(version_marks.why_stale(current, wanted))


def write(session: Session, actor: Actor, *changes: Change) -> None:
    """Write the row, the version and the event of each change in the caller's transaction.

    Raises InvalidInput if another agent of the account has one of the external ids.
    """
    # An agent can be changed more than once, such as its fields and then its status.
    tested_alike: Counter[UUID] = Counter()
    rows: dict[sa.Table, list[Row]] = {AGENTS: [], VERSIONS: [], EVENTS: []}
    deleted = [change.agent.id for change in changes if change.action == AgentVersion.DELETED]
    kept_tests = deleted_tests.last_tests(session, deleted)
    for change in changes:
        agent, state = change.agent, change.state
        old = states.of_agent(agent) if sa.inspect(agent).persistent else None
        columns = _set_row(actor, agent, state)
        rows[AGENTS].extend([] if old else [columns])
        snapshot = state.snapshot()
        changed = {**_changes(old, state, snapshot), **change.details, **kept_tests.get(agent.id, {})}
        rows[VERSIONS].append(_version(actor, change, snapshot, changed))
        rows[EVENTS].append(_event(actor, change))
        if old and states.tested(old) == states.tested(state):
            tested_alike[agent.id] += 1
    with external_ids.kept_unique():
        # Changed agents first: they may give up an external id that a new one has.
        session.flush()
        inserts.insert(session.connection(), rows)
    for versions in sorted(set(tested_alike.values())):
        of_agents = [agent_id for agent_id, number in tested_alike.items() if number == versions]
        test_results.keep_valid(session, of_agents, versions)


def _set_row(actor: Actor, agent: Agent, state: State) -> Row:
    """Make the agent as the state says. Returns its columns."""
    moment, version = now(), (agent.version or 0) + 1
    is_first = agent.version is None
    columns = {
        "id": agent.id,
        "account_id": actor.account_id,
        "created_at": moment if is_first else agent.created_at,
        "created_by": actor.user_id if is_first else agent.created_by,
        **state.columns(),
        **attention_columns.of_state(state, version),
        "connection_config": state.stored_config(),
        "api_key": state.secrets.api_key,
        "secret_facts": state.secrets.facts,
        "status": state.status,
        "status_reason": state.reason,
        "credential_expires_at": state.expires_on,
        "updated_at": moment,
        "version": version,
        "name_key": sort_key(state.fields["name"]),
        "search_text": states.search_text(state),
    }
    for name, value in columns.items():
        setattr(agent, name, value)
    return columns


def _version(actor: Actor, change: Change, snapshot: Row, changes: Row) -> Row:
    """The version that this change makes. A deletion keeps the encrypted secrets."""
    agent, state = change.agent, change.state
    is_kept = change.action == AgentVersion.DELETED and settings().deleted_secrets_days > 0
    kept = {"sealed": state.secrets.encrypted, "facts": state.secrets.facts} if is_kept else None
    made = {"created_by": str(agent.created_by) if agent.created_by else None}
    made |= {"created_at": agent.created_at.isoformat()}
    return {
        "agent_id": agent.id,
        "version": agent.version,
        "account_id": actor.account_id,
        "action": change.action,
        "actor_name": actor.name,
        "user_id": actor.user_id,
        "created_at": now(),
        "snapshot": {**snapshot, **made},
        "changes": changes,
        "kept_secrets": kept,
        "door": actor.door,
        "note": change.why,
    }


def _event(actor: Actor, change: Change) -> Row:
    about = ("agent", change.agent.id, change.agent.name)
    note = {"note": change.why} if change.why else {}
    return event_records.row(actor, change.action, about, {"version": change.agent.version, **change.details, **note})


def _changes(old: State | None, state: State, after: Row) -> Row:
    """The names of the changed fields, those of a changed configuration, and what was done with each changed secret.

    `after` is the snapshot of the state.
    """
    before = old.snapshot() if old else {}
    fields = [name for name in after if name != "secrets" and before.get(name) != after[name]]
    changed: Row = {"fields": fields, "secrets": state.secrets.changes}
    if old is None or CONFIG not in fields or "connection_type" in fields:
        return changed
    members, others = after[CONFIG], before[CONFIG]
    return changed | {CONFIG: [name for name in members if members[name] != others.get(name)]}


def _lock(session: Session, actor: Actor, agent_ids: list[UUID]) -> list[Agent]:
    return list(session.scalars(LOCKED, {"ids": agent_ids, "account_id": actor.account_id}))
