"""Operations that read the history of an agent. `agents.py` writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from agents_app.db import db
from agents_app.errors import Conflict, NotFound
from agents_app.models import Agent, AgentVersion
from agents_app.operations import agent_merge, snapshots
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG, STATUS_REASON

NO_VERSION = "There is no such version of an agent with this id."
VERSION_MAX = 2**31 - 1
# What a version records in addition to the fields that people write.
STATUS = ("status", STATUS_REASON)
CHANGE = (
    AgentVersion.version,
    AgentVersion.action,
    AgentVersion.actor_name,
    AgentVersion.user_id,
    AgentVersion.created_at,
    AgentVersion.changes,
)


@dataclass(frozen=True)
class Change:
    """Who made a version, when, and what changed of its secrets."""

    version: int
    action: str
    actor_name: str
    user_id: UUID | None
    created_at: datetime
    secrets: Mapping[str, str] = field(default_factory=dict)
    """By JSON pointer: set, replaced or removed."""

    def is_by(self, actor: Actor) -> bool:
        """Whether this person made the change on the pages. A token of theirs has another name."""
        return self.user_id is not None and (self.user_id, self.actor_name) == (actor.user_id, actor.name)


@dataclass(frozen=True)
class PastVersion:
    """An agent at one version: its fields, its configuration without secrets, and the later changes."""

    values: dict[str, Any] | None
    """None where the version does not exist or can no longer be read."""
    secrets: frozenset[str]
    """The JSON pointers of the secrets that were set."""
    later: list[Change]


@dataclass(frozen=True)
class Difference:
    """What one version changed in the version before it.

    The values have the fields of an agent with its status, without secrets. They are complete but not checked, as an
    older release may have written them. None where the version does not exist or cannot be read.
    """

    change: Change
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    changed: list[str]
    """The JSON pointers of what differs. Without a version before, of all that is not empty. None is of a secret."""
    newest: int
    """The number of the newest version."""
    is_there: bool
    """Whether the agent exists."""


def changes_since(actor: Actor, agent_id: UUID, version: int) -> PastVersion:
    """The agent at this version, and the changes after it, in order. Raises Forbidden."""
    actor.require("agents.read")
    number = min(max(version, 0), VERSION_MAX)
    agent = (AgentVersion.agent_id == agent_id, AgentVersion.account_id == actor.account_id)
    later = sa.select(*CHANGE).where(*agent, AgentVersion.version > number).order_by(AgentVersion.version)
    with db.reading() as connection:
        snapshot: Any = connection.scalar(
            sa.select(AgentVersion.snapshot).where(*agent, AgentVersion.version == number)
        )
        rows = connection.execute(later).all()
    values = _values(snapshot)
    secrets = frozenset(snapshot.get("secrets", ())) if values else frozenset()
    return PastVersion(values, secrets, [_change(row) for row in rows])


def difference(actor: Actor, agent_id: UUID, version: int) -> Difference:
    """What this version of an agent changed, also of a deleted agent. Raises Forbidden, NotFound."""
    actor.require("agents.read")
    if not 0 < version <= VERSION_MAX:
        raise NotFound(NO_VERSION)
    agent = (AgentVersion.agent_id == agent_id, AgentVersion.account_id == actor.account_id)
    query = sa.select(*CHANGE, AgentVersion.snapshot).where(*agent, AgentVersion.version.in_((version - 1, version)))
    newest = sa.select(sa.func.max(AgentVersion.version)).where(*agent).scalar_subquery()
    there = sa.exists().where(Agent.id == agent_id, Agent.account_id == actor.account_id)
    with db.reading() as connection:
        rows = connection.execute(query.add_columns(newest.label("newest"), there.label("is_there"))).all()
    found = {row.version: row for row in rows}
    if (row := found.get(version)) is None:
        raise NotFound(NO_VERSION)
    previous = found.get(version - 1)
    before, after = _content(previous and previous.snapshot), _content(row.snapshot)
    changed = _changed(before, after) if previous is None or before else []
    return Difference(_change(row), before, after, changed, row.newest, bool(row.is_there))


def _values(snapshot: Any) -> dict[str, Any] | None:
    if not isinstance(snapshot, dict):
        return None
    try:
        recorded = snapshots.draft(snapshot)
    except Conflict:
        return None
    return {**recorded.fields, CONFIG: recorded.config}


def _content(snapshot: Any) -> dict[str, Any] | None:
    if not isinstance(snapshot, dict):
        return None
    return {**snapshots.content(snapshot), **{name: snapshot.get(name) for name in STATUS}}


def _changed(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    if after is None:
        return []
    facts = agent_merge.facts(after, {})
    if before is None:
        return [pointer for pointer, value in facts.items() if value not in (None, "", [], {})]
    status = [f"/{name}" for name in STATUS if before[name] != after[name]]
    return [*agent_merge.changed(agent_merge.facts(before, {}), facts), *status]


def _change(row: Row[*tuple[Any, ...]]) -> Change:
    changes = row.changes if isinstance(row.changes, dict) else {}
    secrets = changes.get("secrets")
    secrets = secrets if isinstance(secrets, dict) else {}
    return Change(row.version, row.action, row.actor_name, row.user_id, row.created_at, secrets)
