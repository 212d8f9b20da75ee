"""Helpers that say what the filters of the list of agents can offer: the models and owners in use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from agents_app.models import Agent, User
from agents_app.operations import small_facts
from agents_app.operations.agent_list_statements import COUNT_UP_TO, OF_ACCOUNT
from agents_app.operations.small_facts import Fact, Facts

OFFERED = 50
# Statements for every account read as much: the agents that were changed last.
NEWEST = (
    sa.select(Agent.model_type, Agent.owner)
    .where(OF_ACCOUNT)
    .order_by(Agent.updated_at.desc(), Agent.id.desc())
    .limit(COUNT_UP_TO + 1)
    .cte("newest")
)
QUESTIONS = (
    *(
        small_facts.select(f"filter {name}", text=NEWEST.c[name], number=sa.func.count())
        .where(NEWEST.c[name].is_not(None))
        .group_by(NEWEST.c[name])
        for name in ("model_type", "owner")
    ),
    small_facts.select("filtered agents", number=sa.func.count()).select_from(NEWEST),
)
"""What is asked for the choices."""


@dataclass(frozen=True)
class Choices:
    """The values of one filter, with the number of agents that have each."""

    agents: Mapping[str, int]
    are_all: bool
    """Whether they are all values in use. Else they are the most used ones of the agents that were changed last."""
    are_counted: bool
    """Whether the numbers count every agent of the account. Else they count only those that were changed last."""


@dataclass(frozen=True)
class FilterChoices:
    """What the filters can offer."""

    model_type: Choices
    owner: Choices


def of_facts(facts: Facts) -> FilterChoices:
    """The choices for an account. `facts` answer QUESTIONS."""
    are_counted = facts["filtered agents"][0].number <= COUNT_UP_TO
    return FilterChoices(
        _choices(facts["filter model_type"], are_counted),
        _choices(facts["filter owner"], are_counted),
    )


def has_agents(facts: Facts) -> bool:
    """Whether the account has an agent. `facts` answer QUESTIONS."""
    return bool(facts["filtered agents"][0].number)


def creator(user_id: UUID) -> sa.Label[str]:
    """The column with the name of the person whose agents are asked for."""
    person = sa.select(User.name).where(User.id == user_id, User.account_id == sa.bindparam("account_id"))
    return person.scalar_subquery().label("filter_creator")


def _choices(rows: Sequence[Fact], are_counted: bool) -> Choices:
    used = {row.text: row.number for row in rows}
    most = sorted(used.items(), key=lambda item: (-item[1], item[0].casefold()))[:OFFERED]
    return Choices(dict(most), are_counted and len(used) <= OFFERED, are_counted)
