"""Helpers that find the owners of agents who have left: people of the account who were deactivated or deleted.

The owner of an agent is a text. It means a person if it is their name or their email address, as search compares texts.
"""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import aliased

from agents_app.models import Agent, Event, User
from agents_app.operations import small_facts
from agents_app.operations.small_facts import Facts, Question
from agents_app.values.text import fold_for_search

ACCOUNT: sa.BindParameter[UUID] = sa.bindparam("account_id")
PERSON, OWNER = "person", "owner"
# Written as in the index that finds these events.
IS_DELETION = sa.and_(Event.account_id == ACCOUNT, sa.literal_column("action") == sa.literal_column("'user.deleted'"))


@dataclass(frozen=True)
class Departed:
    """The names and addresses of people who have left, folded, without those of people who are active."""

    texts: frozenset[str] = frozenset()

    def includes(self, owner: str | None) -> bool:
        """Whether this owner of an agent is a person who has left."""
        return bool(self.texts and owner) and _fold(owner or "") in self.texts


def find(connection: Connection, account_id: UUID) -> Departed:
    """The people of the account who have left."""
    return of_facts(small_facts.read(connection, PEOPLE, {"account_id": account_id}))


def of_facts(facts: Facts) -> Departed:
    """The people of the account who have left. `facts` answer PEOPLE."""
    people = facts[PERSON]
    if all(person.number for person in people):
        return Departed()
    active, left = (
        {_fold(text) for one in people if bool(one.number) is is_active for text in (one.text, one.more) if text}
        for is_active in (True, False)
    )
    return Departed(frozenset(left - active))


def owners(facts: Facts, departed: Departed) -> tuple[str, ...]:
    """The owners of agents of the account who have left, as their agents spell them. `facts` answer OWNERS."""
    return tuple(sorted(owner.text for owner in facts[OWNER] if departed.includes(owner.text)))


def _owners() -> Question:
    """Each owner once, where at least one person has left.

    The statement goes from each value to the next one in the index, as in `attention_columns`.
    """
    agents = aliased(Agent)
    has_left = sa.or_(
        sa.exists().where(User.account_id == ACCOUNT, User.is_active.is_(False)), sa.exists().where(IS_DELETION)
    )
    first = sa.select(sa.func.min(agents.owner)).where(agents.account_id == ACCOUNT).scalar_subquery()
    found = sa.select(sa.case((has_left, first)).label("value")).cte("owners", recursive=True)
    following = sa.select(sa.func.min(agents.owner)).where(agents.account_id == ACCOUNT, agents.owner > found.c.value)
    found = found.union_all(sa.select(following.scalar_subquery()).where(found.c.value.is_not(None)))
    return small_facts.select(OWNER, text=found.c.value).where(found.c.value.is_not(None))


def _fold(text: str) -> str:
    return " ".join(fold_for_search(text).split())


PEOPLE = (
    small_facts.select(PERSON, text=User.name, more=User.email, number=sa.cast(User.is_active, sa.Integer)).where(
        User.account_id == ACCOUNT
    ),
    # Events keep the names of deleted people, but not their addresses.
    small_facts.select(PERSON, text=Event.target_name, number=0).where(IS_DELETION),
)
"""The questions who the people of an account are, and who they were."""
OWNERS = (_owners(),)
