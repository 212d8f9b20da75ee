"""Helpers that name the agents of a bulk act, and say of those that were deleted who did it and when."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.db import db
from agents_app.models import Agent, AgentVersion
from agents_app.operations import deleted_agents, known_ids
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.bulk_results import Done, Failure
from agents_app.operations.deleted_agents import DeletedAgent
from agents_app.operations.event_facts import ROWS_OF_A_QUERY
from agents_app.operations.permissions import Actor
from agents_app.operations.token_owners import who
from agents_app.values.text import day_text


def agents_by_id(connection: Connection, actor: Actor, agent_ids: Sequence[UUID]) -> dict[UUID, Any]:
    """The id, name and status of those of these agents that are in the account, by their id."""
    found: dict[UUID, Any] = {}
    for start in range(0, len(agent_ids), ROWS_OF_A_QUERY):
        some = agent_ids[start : start + ROWS_OF_A_QUERY]
        agents = sa.select(Agent.id, Agent.name, Agent.status).where(known_ids.are_of(actor.account_id, Agent))
        found |= {row.id: row for row in connection.execute(agents.where(Agent.id.in_(some)))}
    return found


def deleted_by_id(connection: Connection, actor: Actor, agent_ids: Sequence[UUID]) -> dict[UUID, DeletedAgent]:
    """Those of these agents that were in the account and are deleted, by their id."""
    found: dict[UUID, DeletedAgent] = {}
    for start in range(0, len(agent_ids), ROWS_OF_A_QUERY):
        some = deleted_agents.SHOWN.where(AgentVersion.agent_id.in_(agent_ids[start : start + ROWS_OF_A_QUERY]))
        rows = connection.execute(some, {"account_id": actor.account_id})
        found |= {row.agent_id: DeletedAgent.of_row(row) for row in rows}
    return found


def by_and_when(deleted: DeletedAgent) -> str:
    """Who deleted an agent, and when, for a sentence."""
    at = deleted.deleted_at
    return f"by “{who(deleted.actor_name, deleted.token_owner)}” on {day_text(at)}, {at:%H:%M} UTC"


def named(actor: Actor, failed: Sequence[Failure]) -> list[Failure]:
    """These failures with the names of the agents of the account. Of a deleted one the reason says who deleted it."""
    wanted = [one.id for one in failed if one.name is None or one.detail == NO_AGENT]
    names, deleted = _names(actor, wanted)
    return [_explained(one._replace(name=one.name or names.get(one.id)), deleted.get(one.id)) for one in failed]


def tested(actor: Actor, agent_ids: Sequence[UUID]) -> list[Done]:
    """These agents with their names, also those that are deleted now."""
    names, _ = _names(actor, agent_ids)
    return [Done(one, names.get(one, str(one))) for one in agent_ids]


def _names(actor: Actor, agent_ids: Sequence[UUID]) -> tuple[dict[UUID, str], dict[UUID, DeletedAgent]]:
    if not agent_ids:
        return {}, {}
    with db.reading() as connection:
        there = agents_by_id(connection, actor, agent_ids)
        deleted = deleted_by_id(connection, actor, [one for one in agent_ids if one not in there])
    names = {one: agent.name for one, agent in there.items()} | {one: agent.name for one, agent in deleted.items()}
    return names, deleted


def _explained(failure: Failure, deleted: DeletedAgent | None) -> Failure:
    if deleted is None or failure.detail != NO_AGENT:
        return failure
    return failure._replace(detail=f"It was deleted {by_and_when(deleted)}.")
