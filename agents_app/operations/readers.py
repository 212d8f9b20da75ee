"""Operations that say who runs an agent: which token fetched it, at which version, when and how often."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from agents_app.db import db, now
from agents_app.errors import NotFound
from agents_app.models import Agent, ApiToken, RuntimeRead
from agents_app.operations import token_records
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.event_facts import ROWS_OF_A_QUERY
from agents_app.operations.permissions import Actor

# A runtime that asked within these days will notice that an agent or a token ends.
LATELY_DAYS = 7
# More tokens than an account has at one time. Their rows stay when they are replaced.
READERS_MAX = 200
# The states of tokens that can be used. A replaced one works until it expires.
WORKING = ("active", "replaced")
# One row with empty columns for an agent that no token fetched.
ROWS = (
    sa.select(
        Agent.version.label("agent_version"),
        ApiToken.id.label("token_id"),
        ApiToken.name.label("token_name"),
        ApiToken.expires_at,
        ApiToken.revoked_at,
        ApiToken.replaced_at,
        RuntimeRead.version,
        RuntimeRead.fetch_count,
        RuntimeRead.first_fetched_at,
        RuntimeRead.last_fetched_at,
        RuntimeRead.seen_at,
    )
    .outerjoin(RuntimeRead, RuntimeRead.agent_id == Agent.id)
    .outerjoin(ApiToken, ApiToken.id == RuntimeRead.token_id)
    .where(Agent.id == sa.bindparam("id"), Agent.account_id == sa.bindparam("account_id"))
    .order_by(RuntimeRead.seen_at.desc(), RuntimeRead.token_id)
    .limit(READERS_MAX)
)


class FetchedAgent(NamedTuple):
    """An agent that a token fetched or checked, and when it did last."""

    id: UUID
    name: str
    seen_at: datetime


class RecentReader(NamedTuple):
    """A token that asked for at least one of some agents within LATELY_DAYS, and when it did last."""

    token_id: UUID
    token_name: str
    token_state: str
    seen_at: datetime

    @property
    def works(self) -> bool:
        """Whether the token can be used now, so that its runtime notices that an agent ends."""
        return self.token_state in WORKING


def who_runs(actor: Actor, agent_id: UUID) -> list[dict[str, Any]]:
    """Each token that fetched or checked this agent, the last one first, at most READERS_MAX.

    Raises Forbidden, NotFound.
    """
    actor.require("agents.read")
    with db.reading() as connection:
        rows = connection.execute(ROWS, {"id": agent_id, "account_id": actor.account_id}).all()
    if not rows:
        raise NotFound(NO_AGENT)
    return readers(rows)


def recent(actor: Actor, agent_ids: Collection[UUID]) -> list[RecentReader]:
    """The tokens that asked lately for at least one of these agents, the last one first. Raises Forbidden."""
    actor.require("agents.read")
    ids, found = list(agent_ids), dict[UUID, RecentReader]()
    with db.reading() as connection:
        for start in range(0, len(ids), ROWS_OF_A_QUERY):
            some = RuntimeRead.agent_id.in_(ids[start : start + ROWS_OF_A_QUERY])
            for row in connection.execute(_recent(actor).where(some)):
                seen_at = max(row.seen_at, found[row.id].seen_at) if row.id in found else row.seen_at
                found[row.id] = RecentReader(row.id, row.name, _token_state(row), seen_at)
    return sorted(found.values(), key=lambda one: (one.seen_at, one.token_name), reverse=True)


def _recent(actor: Actor) -> sa.Select[*tuple[Any, ...]]:
    token = (ApiToken.id, ApiToken.name, ApiToken.expires_at, ApiToken.revoked_at, ApiToken.replaced_at)
    return (
        sa.select(*token, sa.func.max(RuntimeRead.seen_at).label("seen_at"))
        .join(ApiToken, ApiToken.id == RuntimeRead.token_id)
        .where(RuntimeRead.account_id == actor.account_id)
        .where(RuntimeRead.seen_at >= now() - timedelta(days=LATELY_DAYS))
        .group_by(*token)
    )


def agents_of_token(actor: Actor, token_id: UUID) -> list[FetchedAgent]:
    """The agents that a token fetched or checked lately, the last one first. Raises Forbidden."""
    actor.require("tokens.manage")
    fetched = (
        sa.select(Agent.id, Agent.name, RuntimeRead.seen_at)
        .join(RuntimeRead, RuntimeRead.agent_id == Agent.id)
        .where(RuntimeRead.token_id == token_id, RuntimeRead.account_id == actor.account_id)
        .where(RuntimeRead.seen_at >= now() - timedelta(days=LATELY_DAYS))
        .order_by(RuntimeRead.seen_at.desc(), Agent.id)
    )
    with db.reading() as connection:
        return [FetchedAgent(*row) for row in connection.execute(fetched)]


def readers(rows: Sequence[Row[*tuple[Any, ...]]]) -> list[dict[str, Any]]:
    """The readers in the rows of the statement ROWS."""
    return [_reader(row) for row in rows if row.token_id is not None]


def _reader(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    return {
        "token_id": row.token_id,
        "token_name": row.token_name,
        "token_state": _token_state(row),
        "version": row.version,
        # An agent that an older release writes can be behind what was read.
        "versions_behind": max(0, row.agent_version - row.version),
        "fetches_at_least": row.fetch_count,
        "first_fetched_at": row.first_fetched_at,
        "last_fetched_at": row.last_fetched_at,
        "last_seen_at": row.seen_at,
    }


def _token_state(row: Row[*tuple[Any, ...]]) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if token_records.is_expired(row.expires_at):
        return "expired"
    return "replaced" if row.replaced_at is not None else "active"
