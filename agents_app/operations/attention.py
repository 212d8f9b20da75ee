"""Operations that say which agents need attention, and why. `attention_reasons.py` says what that means."""

from typing import Any
from uuid import UUID

from agents_app.db import db
from agents_app.errors import NotFound
from agents_app.models import Agent
from agents_app.operations import attention_reasons, departures
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.departures import Departed
from agents_app.operations.permissions import Actor

BY_NAME = attention_reasons.AGENTS.order_by(Agent.name_key, Agent.id)


def listing(actor: Actor) -> list[dict[str, Any]]:
    """The agents that need attention, by name: id, name and reasons. Raises Forbidden.

    It reads every agent of the account and decrypts every secret, which a list of agents does not.
    """
    actor.require("agents.read")
    with db.reading() as connection:
        departed = departures.find(connection, actor.account_id)
        return attention_reasons.find(connection, actor.account_id, BY_NAME, departed)


def of_agent(actor: Actor, agent_id: UUID) -> attention_reasons.Reasons:
    """Why this agent needs attention: a code and a sentence for each reason. Raises Forbidden, NotFound."""
    actor.require("agents.read")
    with db.reading() as connection:
        this = attention_reasons.AGENTS.where(Agent.id == agent_id)
        row = connection.execute(this, {"account_id": actor.account_id}).one_or_none()
        if row is None:
            raise NotFound(NO_AGENT)
        departed = departures.find(connection, actor.account_id) if row.owner else Departed()
    return attention_reasons.reasons(row._asdict(), actor.account_id, departed)
