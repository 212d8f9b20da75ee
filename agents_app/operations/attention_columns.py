"""Helpers for the columns by which the database finds the agents that need attention.

The one write path stores them with each version. An older release writes the version and not these columns. So where
they are of another version, the whole agent is read instead. `attention_reasons.py` says why agents need attention.

If a release changes what agents that exist need to sign in, a migration of that release fills the columns again
(CONTRIBUTING.md, Add a field to agents).
"""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import aliased

from agents_app.config import settings
from agents_app.db import now
from agents_app.encryption import key_id_of
from agents_app.models import Agent, ConnectionTest, RuntimeRead
from agents_app.operations import attention_reasons, departures, small_facts
from agents_app.operations.agent_search import FEW
from agents_app.operations.agent_states import State
from agents_app.operations.departures import Departed
from agents_app.operations.small_facts import Facts
from agents_app.probes.results import Outcome
from agents_app.schemas import completeness
from agents_app.schemas.agents import CONFIG
from agents_app.values import limits
from agents_app.values.choices import AgentStatus

# The date of an agent that lacks something to sign in.
INCOMPLETE = date.min
# Unknown, and so false, for an agent that an older release wrote.
IS_INCOMPLETE = sa.and_(Agent.attention_date == INCOMPLETE, Agent.examined_version == Agent.version).label(
    "is_incomplete"
)
# An alias, so that these statements can be used within statements on agents.
MINE = aliased(Agent)
# Written as in the index that finds such agents, which `models/agent.py` explains.
NOT_EXAMINED = sa.cast(Agent.examined_version != Agent.version, sa.Integer) == sa.literal_column("1")
# PostgreSQL expects that almost all rows satisfy this, and almost none `examined_version = version`.
IS_EXAMINED = sa.cast(MINE.examined_version != MINE.version, sa.Integer) != sa.literal_column("1")
OF_OTHER_RELEASE = attention_reasons.AGENTS.where(NOT_EXAMINED)
ACCOUNT: sa.BindParameter[UUID] = sa.bindparam("account_id")
OTHER_RELEASE = "other_release"
QUESTIONS = (
    *departures.PEOPLE,
    *departures.OWNERS,
    small_facts.select(OTHER_RELEASE).where(sa.exists().where(Agent.account_id == ACCOUNT, NOT_EXAMINED)),
)
"""What is asked before the agents that need attention can be found."""


def of_state(state: State, version: int) -> dict[str, Any]:
    """The values of these columns for this version of an agent."""
    is_incomplete = completeness.missing({**state.fields, CONFIG: state.config}, state.secrets.encrypted)
    days = [day for day in (state.expires_on, state.columns()["api_key_expires_at"]) if day]
    return {
        "attention_date": INCOMPLETE if is_incomplete else min(days, default=None),
        "secret_key_ids": key_ids(state.secrets.encrypted),
        "examined_version": version,
    }


def key_ids(encrypted: Mapping[str, str]) -> str:
    """The ids of the keys that encrypt these secrets, each in angle brackets."""
    return "".join(f"<{key_id}>" for key_id in sorted({key_id_of(value) for value in encrypted.values()}))


class Found(NamedTuple):
    """The ids of the agents that need attention, for statements with the parameter `account_id`; who has left.

    `some` has at most `FEW` + 1 of each reason, so it has all of them where they are at most `FEW`.
    """

    ids: sa.CTE
    some: sa.CTE
    departed: Departed


def find(connection: Connection, account_id: UUID) -> Found:
    """The agents that need attention.

    Of a stored secret only the id of its key is compared. `attention_reasons.py` decrypts it.
    """
    return find_by_facts(connection, account_id, small_facts.read(connection, QUESTIONS, {"account_id": account_id}))


def find_by_facts(connection: Connection, account_id: UUID, facts: Facts) -> Found:
    """The same as `find`, for a caller that has the answers to QUESTIONS."""
    departed = departures.of_facts(facts)
    has_others = bool(facts[OTHER_RELEASE])
    of_other_release = attention_reasons.find(connection, account_id, OF_OTHER_RELEASE, departed) if has_others else []
    others = json.dumps({agent["id"].hex: None for agent in of_other_release}) if of_other_release else ""
    owners = departures.owners(facts, departed)
    last_day = now().date() + timedelta(days=limits.EXPIRY_WARNING_DAYS)
    return Found(*_ids(tuple(settings().keys.encryption.ids), last_day, others, owners), departed)


# Without the cache, each page would spend milliseconds to build the same statement.
@lru_cache(maxsize=4)
def _ids(known: tuple[str, ...], last_day: date, others: str, owners: tuple[str, ...]) -> tuple[sa.CTE, sa.CTE]:
    agents = sa.select(MINE.id).where(MINE.account_id == ACCOUNT)
    more = [agents.where(MINE.owner.in_(owners))] if owners else []
    found = [*_parts(agents, known, last_day), *([_in_json(others)] if others else []), *more]
    # As in a search, PostgreSQL plans a part for all of its rows, and reads no more of them than the limit allows.
    parts = [part.cte(f"part_{at}").prefix_with("MATERIALIZED", dialect="postgresql") for at, part in enumerate(found)]
    some = sa.union(*(sa.select(sa.select(part.c.id).limit(FEW + 1).subquery().c.id) for part in parts))
    return sa.union(*found).cte("attention"), some.cte("some_attention")


def _in_json(ids: str) -> sa.Select[UUID]:
    """The ids that are the names in a JSON object: one parameter, as a database takes no list of any length."""
    names = sa.func.json_each(ids).table_valued("key")
    return sa.select(sa.cast(names.c.key, sa.Uuid).label("id"))


def _parts(agents: sa.Select[UUID], known: tuple[str, ...], last_day: date) -> list[sa.Select[UUID]]:
    """The agents with a failed test, an early date, a missing key and no fetch for long.

    Each part reads only such agents, by an index.
    """
    of_version = sa.and_(ConnectionTest.agent_id == MINE.id, ConnectionTest.valid_for_version == MINE.version)
    failed = sa.and_(ConnectionTest.account_id == ACCOUNT, ConnectionTest.outcome == Outcome.FAILED.value)
    return [
        agents.join(ConnectionTest, of_version).where(failed),
        agents.where(MINE.attention_date <= last_day, IS_EXAMINED),
        # Few agents have such a key. PostgreSQL would expect half of them.
        agents.where(MINE.secret_key_ids.in_(_unreadable_key_ids(known)), MINE.examined_version == MINE.version),
        _not_fetched(agents, last_day),
    ]


def _not_fetched(agents: sa.Select[UUID], last_day: date) -> sa.Select[UUID]:
    """The agents that runtimes have left. The statement begins with the tokens that have not asked for so long."""
    before = attention_reasons.not_fetched_before(last_day - timedelta(days=limits.EXPIRY_WARNING_DAYS))
    later = aliased(RuntimeRead)
    # With the account, an index finds the rows of the account. PostgreSQL would read those of all accounts.
    is_later = sa.exists().where(
        later.account_id == ACCOUNT, later.agent_id == RuntimeRead.agent_id, later.seen_at >= before
    )
    left = sa.and_(RuntimeRead.account_id == ACCOUNT, RuntimeRead.seen_at < before, ~is_later)
    is_active = MINE.status == AgentStatus.ACTIVE
    return agents.join(RuntimeRead, RuntimeRead.agent_id == MINE.id).where(left, is_active)


def _unreadable_key_ids(known: tuple[str, ...]) -> sa.Select[str]:
    """The values of `secret_key_ids` that have a key which is not set.

    The statement goes from each value to the next one in the index, as an account has few values and many agents.
    """
    first = sa.select(sa.func.min(MINE.secret_key_ids).label("value")).where(MINE.account_id == ACCOUNT)
    values = first.cte("key_ids", recursive=True)
    following = sa.select(sa.func.min(MINE.secret_key_ids)).where(
        MINE.account_id == ACCOUNT, MINE.secret_key_ids > values.c.value
    )
    values = values.union_all(sa.select(following.scalar_subquery()).where(values.c.value.is_not(None)))
    missing: sa.ColumnElement[str] = values.c.value
    for key_id in known:
        missing = sa.func.replace(missing, f"<{key_id}>", "")
    return sa.select(values.c.value).where(missing != "")
