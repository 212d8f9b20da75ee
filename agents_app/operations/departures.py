"""Helpers that find the owners of agents who have left: people of the account who were deactivated or deleted.

The owner of an agent is a text. It means a person if it is their name or their email address, as search compares texts.
"""

from dataclasses import dataclass
from functools import cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import aliased

from agents_app.models import Agent, Event, User
from agents_app.values.text import fold_for_search

ACCOUNT: sa.BindParameter[UUID] = sa.bindparam("account_id")
# Events keep the names of deleted people, but not their addresses. Written as in the index that finds these events.
DELETED = sa.select(Event.target_name, sa.null(), sa.false()).where(
    Event.account_id == ACCOUNT, sa.literal_column("action") == sa.literal_column("'user.deleted'")
)
PEOPLE = sa.select(User.name, User.email, User.is_active).where(User.account_id == ACCOUNT).union_all(DELETED)


@dataclass(frozen=True)
class Departed:
    """The names and addresses of people who have left, folded, without those of people who are active."""

    texts: frozenset[str] = frozenset()

    def includes(self, owner: str | None) -> bool:
        """Whether this owner of an agent is a person who has left."""
        return bool(self.texts and owner) and _fold(owner or "") in self.texts


def find(connection: Connection, account_id: UUID) -> Departed:
    """The people of the account who have left."""
    rows = connection.execute(PEOPLE, {"account_id": account_id}).all()
    if all(row.is_active for row in rows):
        return Departed()
    active, left = (
        {_fold(text) for row in rows if bool(row.is_active) is is_active for text in row[:2] if text}
        for is_active in (True, False)
    )
    return Departed(frozenset(left - active))


def owners(connection: Connection, account_id: UUID, departed: Departed) -> tuple[str, ...]:
    """The owners of agents of the account who have left, as their agents spell them."""
    if not departed.texts:
        return ()
    found = connection.scalars(_owners(), {"account_id": account_id})
    return tuple(owner for owner in found if departed.includes(owner))


@cache
def _owners() -> sa.Select[str]:
    """Each owner once. The statement goes from each value to the next one in the index, as in `attention_columns`."""
    agents = aliased(Agent)
    values = sa.select(sa.func.min(agents.owner).label("value")).where(agents.account_id == ACCOUNT)
    found = values.cte("owners", recursive=True)
    following = sa.select(sa.func.min(agents.owner)).where(agents.account_id == ACCOUNT, agents.owner > found.c.value)
    found = found.union_all(sa.select(following.scalar_subquery()).where(found.c.value.is_not(None)))
    return sa.select(found.c.value)


def _fold(text: str) -> str:
    return " ".join(fold_for_search(text).split())
