"""Operations that list the agents that need attention. `attention_reasons.py` says what that means."""

from typing import Any

from agents_app.db import db
from agents_app.operations import attention_reasons
from agents_app.operations.permissions import Actor


def listing(actor: Actor) -> list[dict[str, Any]]:
    """The agents that need attention, by name: id, name and reasons. Raises Forbidden."""
    actor.require("agents.read")
    with db.reading() as connection:
        return list(attention_reasons.find(connection, actor.account_id).values())
