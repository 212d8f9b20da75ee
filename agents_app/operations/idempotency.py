"""A request that is repeated with its key finds the agent that the first one made, or is refused with the reason."""

import uuid
from uuid import UUID

import sqlalchemy as sa

from agents_app.db import db
from agents_app.errors import Conflict
from agents_app.models import Agent, AgentVersion
from agents_app.operations import snapshots
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import Draft


def id_for(actor: Actor, key: str) -> UUID:
    """The id of the agent that this key makes in the actor's account: the second of two inserts meets the first."""
    return uuid.uuid5(actor.account_id, key)


def check_repeated(actor: Actor, agent_id: UUID, draft: Draft, failed: Conflict) -> None:
    """Return where the agent is at version 1 and its public content is the draft's; else raise Conflict.

    Values of secrets are not compared: that would answer guesses. Which secrets are set is public. `failed` is why the
    agent could not be added; it is raised again where there is no such agent and was none.
    """
    mine = sa.select(AgentVersion.snapshot, Agent.version).outerjoin(Agent, Agent.id == AgentVersion.agent_id)
    first = mine.where(
        AgentVersion.agent_id == agent_id, AgentVersion.version == 1, AgentVersion.account_id == actor.account_id
    )
    with db.reading() as connection:
        row = connection.execute(first).one_or_none()
    if row is None:
        raise failed
    told = sorted(pointer for pointer, value in draft.secrets.items() if value)
    if not snapshots.records(row.snapshot, draft) or row.snapshot.get("secrets", []) != told:
        sentence = "This Idempotency-Key was used before with other content. Nothing was stored. Use a new key."
        raise Conflict(sentence, code="idempotency_key_reused")
    if row.version is None:
        sentence = "The agent that this Idempotency-Key made was deleted since. Nothing was stored. Use a new key."
        raise Conflict(sentence, code="idempotency_deleted")
    if row.version > 1:
        sentence = "The agent that this Idempotency-Key made was changed since. Nothing was stored."
        raise Conflict(sentence, code="idempotency_changed")
