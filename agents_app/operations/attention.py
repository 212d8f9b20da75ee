"""Operations that list the agents that need attention. `attention_reasons.py` says what that means."""

from typing import Any

from agents_app.db import db
from agents_app.models import Agent
from agents_app.operations import attention_reasons
from agents_app.operations.permissions import Actor

BY_NAME = attention_reasons.AGENTS.order_by(Agent.name_key, Agent.id)


def listing(actor: Actor) -> list[dict[str, Any]]:
    """The agents that need attention, by name: id, name and reasons. Raises Forbidden.

    It reads every agent of the account and decrypts every secret, which a list of agents does not.
    """
    actor.require("agents.read")
    with db.reading() as connection:
        return attention_reasons.find(connection, actor.account_id, BY_NAME)
