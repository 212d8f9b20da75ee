"""Operations that say what the filters of the list of agents can offer: the models and owners in use."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from agents_app.db import db
from agents_app.models import Agent, User
from agents_app.operations.agent_list_statements import COUNT_UP_TO, OF_ACCOUNT
from agents_app.operations.permissions import Actor

OFFERED = 50
# Statements for every account read as much: the agents that were changed last.
NEWEST = (
    sa.select(Agent.model_type, Agent.owner)
    .where(OF_ACCOUNT)
    .order_by(Agent.updated_at.desc(), Agent.id.desc())
    .limit(COUNT_UP_TO + 1)
    .cte("newest")
)
USED = sa.union_all(
    *(
        sa.select(sa.literal(name).label("field"), NEWEST.c[name].label("value"), sa.func.count().label("agents"))
        .where(NEWEST.c[name].is_not(None))
        .group_by(NEWEST.c[name])
        for name in ("model_type", "owner")
    ),
    sa.select(sa.literal("created_by"), User.name, sa.literal(0)).where(
        User.id == sa.bindparam("created_by", type_=sa.Uuid), User.account_id == sa.bindparam("account_id")
    ),
    sa.select(sa.literal("all"), sa.literal(""), sa.func.count()).select_from(NEWEST),
)


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
    """What the filters can offer, and the name of the person whose agents are asked for."""

    model_type: Choices
    owner: Choices
    creator: str | None


def read(actor: Actor, created_by: UUID | None) -> FilterChoices:
    """The choices for this account, from one statement. Raises Forbidden."""
    actor.require("agents.read")
    with db.reading() as connection:
        rows = connection.execute(USED, {"account_id": actor.account_id, "created_by": created_by}).all()
    used: dict[str, dict[str, int]] = {"model_type": {}, "owner": {}, "created_by": {}, "all": {}}
    for row in rows:
        used[row.field][row.value] = row.agents
    are_counted = used["all"][""] <= COUNT_UP_TO
    return FilterChoices(
        _choices(used["model_type"], are_counted),
        _choices(used["owner"], are_counted),
        next(iter(used["created_by"]), None),
    )


def _choices(used: dict[str, int], are_counted: bool) -> Choices:
    most = sorted(used.items(), key=lambda item: (-item[1], item[0].casefold()))[:OFFERED]
    return Choices(dict(most), are_counted and len(used) <= OFFERED, are_counted)
