"""Helpers for a request that is repeated with its Idempotency-Key: they find the agent that the first one made."""

import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from agents_app.db import db
from agents_app.errors import AlreadyCreated, Conflict, ConsoleError
from agents_app.models import Agent, AgentVersion
from agents_app.operations import snapshots
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import Draft

AnyRow = Row[*tuple[Any, ...]]
IsSame = Callable[[AnyRow], bool]


def id_for(actor: Actor, key: str) -> UUID:
    """The id of the agent that this key makes in the account of the actor. A second insert fails on the same id."""
    return uuid.uuid5(actor.account_id, key)


def was_created_from(draft: Draft) -> IsSame:
    """A check whether a first version was made from this draft.

    It compares which secrets are set, which is public, but not their values: that would let a caller test guesses.
    """
    sent = sorted(pointer for pointer, value in draft.secrets.items() if value)

    def is_same(first: AnyRow) -> bool:
        has_secrets = first.snapshot.get("secrets", []) == sent
        return first.action == "agent.created" and has_secrets and snapshots.matches(first.snapshot, draft)

    return is_same


def was_copied_from(original_id: UUID) -> IsSame:
    """A check whether a first version is a copy of this agent."""
    return lambda first: first.action == "agent.cloned" and first.changes.get("cloned_from") == str(original_id)


def check_repeated(actor: Actor, agent_id: UUID, is_same: IsSame, failed: ConsoleError) -> None:
    """Raise Conflict unless the agent is at version 1 and that version is the same as what is asked for.

    `failed` says why the agent could not be added. It is raised again if there never was an agent with this id.
    """
    columns = (AgentVersion.action, AgentVersion.snapshot, AgentVersion.changes, Agent.version)
    first = (
        sa.select(*columns)
        .outerjoin(Agent, Agent.id == AgentVersion.agent_id)
        .where(AgentVersion.agent_id == agent_id, AgentVersion.version == 1)
        .where(AgentVersion.account_id == actor.account_id)
    )
    with db.reading() as connection:
        row = connection.execute(first).one_or_none()
    if row is None:
        raise failed
    if not is_same(row):
        sentence = "This Idempotency-Key was used before for another request. Nothing was stored. Use a new key."
        raise Conflict(sentence, code="idempotency_key_reused")
    first_made = f"The first request with this Idempotency-Key created the agent {agent_id}, which has been"
    if row.version is None:
        sentence = (
            f"{first_made} deleted since. Nothing was stored. Restore it, or use a new key to create another agent."
        )
        raise Conflict(sentence, code="idempotency_deleted")
    if row.version > 1:
        sentence = f"{first_made} changed since. Nothing was stored. Read that agent instead of creating it again."
        raise AlreadyCreated(sentence, agent_id)
