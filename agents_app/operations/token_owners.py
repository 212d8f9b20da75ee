"""Helpers that say whose API token did something: the name of the actor is only that of the token.

`who` is how every door names who changed something. `templates/macros/who.html` is the same for pages.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from agents_app.models import AgentVersion, Event, User
from agents_app.values.choices import Door


def owner_of(table: type[AgentVersion | Event]) -> sa.Label[Any]:
    """The column `token_owner`: the present name of the person. NULL without a token, or if the person was deleted."""
    # A query may have users of its own, such as those who created the agents.
    person = aliased(User)
    name = sa.select(person.name).where(person.id == table.user_id, person.account_id == table.account_id)
    return sa.case((table.door == Door.TOKEN.value, name.scalar_subquery())).label("token_owner")


def who(actor_name: str, token_owner: str | None) -> str:
    """Who did something, in plain text: the person and the token, or the name of the actor."""
    return f"{token_owner}, {actor_name}" if token_owner else actor_name
