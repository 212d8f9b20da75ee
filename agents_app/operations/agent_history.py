"""Operations that read the history of an agent. `agents.py` writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from agents_app.db import db
from agents_app.errors import Conflict
from agents_app.models import AgentVersion
from agents_app.operations import snapshots
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG

VERSION_MAX = 2**31 - 1
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


def _values(snapshot: Any) -> dict[str, Any] | None:
    if not isinstance(snapshot, dict):
        return None
    try:
        recorded = snapshots.draft(snapshot)
    except Conflict:
        return None
    return {**recorded.fields, CONFIG: recorded.config}


def _change(row: Row[*tuple[Any, ...]]) -> Change:
    secrets = (row.changes or {}).get("secrets", {})
    return Change(row.version, row.action, row.actor_name, row.user_id, row.created_at, secrets)
