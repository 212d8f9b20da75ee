"""Operations on deleted agents: list them, and find one. `agents.py` deletes and restores."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.engine import Row

from agents_app.config import settings
from agents_app.db import db
from agents_app.models import Agent, AgentVersion
from agents_app.operations import token_owners
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import LIMIT, Sort, make_cursor, read_cursor

ORDER = Sort.CREATED_DOWN
LATER = orm.aliased(AgentVersion)
# Written as in the index that finds these versions.
IS_DELETION = sa.literal_column("agent_versions.action") == sa.literal_column(f"'{AgentVersion.DELETED}'")
# The last version of an agent that was deleted, and not restored since.
SHOWN = sa.select(
    AgentVersion.agent_id,
    AgentVersion.snapshot["name"].as_string().label("name"),
    AgentVersion.actor_name,
    AgentVersion.user_id,
    token_owners.owner_of(AgentVersion),
    AgentVersion.created_at,
    AgentVersion.snapshot["secrets"].label("secrets"),
    AgentVersion.kept_secrets.is_not(None).label("has_kept_secrets"),
).where(
    AgentVersion.account_id == sa.bindparam("account_id"),
    IS_DELETION,
    ~sa.exists().where(Agent.id == AgentVersion.agent_id),
    ~sa.exists().where(LATER.agent_id == AgentVersion.agent_id, LATER.version > AgentVersion.version),
)


@dataclass(frozen=True)
class DeletedAgent:
    """An agent that can be restored: its name, who deleted it and when, and what happens to its secrets."""

    id: UUID
    name: str
    actor_name: str
    user_id: UUID | None
    deleted_at: datetime
    has_secrets: bool
    has_kept_secrets: bool
    """Whether its secrets are still stored, so that they are restored with it."""
    token_owner: str | None
    """The present name of the person whose API token deleted it. None without a token."""

    @classmethod
    def of_row(cls, row: Row[*tuple[Any, ...]]) -> Self:
        """The agent of a row of SHOWN. Another release may have recorded no name, or the secrets in another form."""
        name, secrets = row.name or "An agent without a name", (bool(row.secrets), bool(row.has_kept_secrets))
        return cls(row.agent_id, name, row.actor_name, row.user_id, row.created_at, *secrets, row.token_owner)

    @property
    def kept_until(self) -> datetime:
        """The time after which `flask purge` deletes the secrets."""
        return self.deleted_at + timedelta(days=settings().deleted_secrets_days)

    def is_by(self, actor: Actor) -> bool:
        """Whether this person deleted it on the pages. A token of theirs has another name."""
        return self.user_id is not None and (self.user_id, self.actor_name) == (actor.user_id, actor.name)


def listing(actor: Actor, cursor: str | None = None, limit: int = LIMIT) -> tuple[list[DeletedAgent], str | None]:
    """Deleted agents of the account, last deleted first, and the cursor of the next page (None at the end).

    Raises Forbidden, Malformed (cursor).
    """
    actor.require("agents.read")
    statement = SHOWN
    if cursor:
        columns = AgentVersion.created_at, AgentVersion.agent_id
        place = zip(read_cursor(cursor, ORDER), columns, strict=True)
        statement = SHOWN.where(sa.tuple_(*columns) < sa.tuple_(*(sa.literal(v, c.type) for v, c in place)))
    last_first = statement.order_by(AgentVersion.created_at.desc(), AgentVersion.agent_id.desc()).limit(limit + 1)
    with db.reading() as connection:
        found = [DeletedAgent.of_row(row) for row in connection.execute(last_first, {"account_id": actor.account_id})]
    if len(found) <= limit:
        return found, None
    return found[:limit], make_cursor(ORDER, found[limit - 1].deleted_at, found[limit - 1].id)


def find(actor: Actor, agent_id: UUID) -> DeletedAgent | None:
    """A deleted agent of the account. None where there is no such agent, or it is not deleted. Raises Forbidden."""
    actor.require("agents.read")
    with db.reading() as connection:
        values = {"account_id": actor.account_id}
        row = connection.execute(SHOWN.where(AgentVersion.agent_id == agent_id), values).one_or_none()
    return DeletedAgent.of_row(row) if row else None
