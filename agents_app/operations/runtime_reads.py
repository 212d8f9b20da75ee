"""Helpers that keep which version of an agent each runtime has: the rows of `runtime_reads`.

The first fetch of a version by a token is stored with its event. Other fetches are counted in the memory of the
process, and stored at most once a minute per agent and token. What is in memory is lost when the process ends, so the
stored count is the least number of fetches.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session

from agents_app.db import Base, db
from agents_app.errors import Conflict, NotFound, Unavailable
from agents_app.models import Agent, RuntimeRead
from agents_app.operations import event_records
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.permissions import Actor

AnyRow = Row[*tuple[Any, ...]]

STORE_EVERY = timedelta(minutes=1)
# Runtimes check often, and each check would write a row for each of its agents. A new version is stored at once.
STORE_CHECKS_EVERY = timedelta(minutes=15)
# More pairs of an agent and a token than this are not counted in memory.
HELD_MAX = 10_000
READS = Base.metadata.tables[RuntimeRead.__tablename__]
KEY = ["agent_id", "token_id"]
# The row of the token in the parameter `token_id`, for statements on agents with an outer join.
OF_TOKEN = sa.and_(RuntimeRead.agent_id == Agent.id, RuntimeRead.token_id == sa.bindparam("token_id"))
COLUMNS = (
    RuntimeRead.version.label("known_version"),
    RuntimeRead.fetched_version,
    RuntimeRead.last_fetched_at,
    RuntimeRead.seen_at,
)

logger = logging.getLogger(__name__)


class HeldCounts:
    """The fetches that this process has not stored yet, by agent and token."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[UUID, UUID]] = Counter()
        self._lock = Lock()

    def add(self, key: tuple[UUID, UUID], number: int = 1) -> None:
        """Hold so many fetches more."""
        with self._lock:
            if key in self._counts or len(self._counts) < HELD_MAX:
                self._counts[key] += number

    def take(self, key: tuple[UUID, UUID]) -> int:
        """The number that is held, which is 0 from now on."""
        with self._lock:
            return self._counts.pop(key, 0)


held = HeldCounts()


def store_fetch(actor: Actor, agent: AnyRow, moment: datetime) -> None:
    """Store that a token gets the secrets of an agent. `agent` has COLUMNS, id, name and version.

    The first time for this version, there is an event, and what is not stored must not be sent: raises Unavailable,
    and NotFound if the agent was deleted in the meantime.
    """
    if agent.fetched_version is not None and agent.fetched_version >= agent.version:
        store_sign_of_life(actor, agent, moment)
        return
    key = _key(actor, agent)
    number = held.take(key) + 1
    try:
        with db.transaction() as session:
            if _is_first(session, _new(actor, agent, moment, number)):
                event_records.add(
                    session, actor, "agent.fetched", ("agent", agent.id, agent.name), version=agent.version
                )
    except Conflict:
        raise NotFound(NO_AGENT) from None
    except Unavailable:
        held.add(key, number - 1)
        raise


def store_sign_of_life(actor: Actor, agent: AnyRow, moment: datetime) -> None:
    """Count a fetch of a version that the runtime has, or has been sent before. It is stored once a minute.

    If the database cannot store it now, it is counted until the next fetch.
    """
    key = _key(actor, agent)
    is_fresh = agent.last_fetched_at is not None and moment - agent.last_fetched_at < STORE_EVERY
    if is_fresh and agent.known_version >= agent.version:
        held.add(key)
        return
    number, is_stored = held.take(key) + 1, False
    values = _new(actor, agent, moment, number) | {"fetched_version": None}
    try:
        with db.transaction(waits=False) as session:
            is_stored = _insert(session, values) or _update(session, values, _is_due(values))
    except (Conflict, Unavailable) as error:
        logger.warning("A fetch was not counted yet: %s", error.code)
    if not is_stored:
        held.add(key, number)


def store_checks(actor: Actor, agents: Sequence[tuple[UUID, int]], moment: datetime) -> None:
    """Store for all these agents that the runtime checked them, with the version that it has, in one statement.

    A check is no fetch. If the database cannot store it now, the next check is stored.
    """
    if not agents or actor.token_id is None:
        return
    # In one order, so that two checks at once do not wait for each other.
    rows = [
        {
            "agent_id": agent_id,
            "token_id": actor.token_id,
            "account_id": actor.account_id,
            "version": version,
            "fetch_count": 0,
            "seen_at": moment,
        }
        for agent_id, version in sorted(agents)
    ]
    try:
        with db.transaction(waits=False) as session:
            new = _inserting(session).values(rows)
            later = {"version": _greater(new.excluded.version), "seen_at": new.excluded.seen_at}
            is_later = READS.c.seen_at < new.excluded.seen_at
            session.execute(new.on_conflict_do_update(index_elements=KEY, set_=later, where=is_later))
    except (Conflict, Unavailable) as error:
        logger.warning("A check was not stored: %s", error.code)


def _is_first(session: Session, values: dict[str, Any]) -> bool:
    """Store a fetch with secrets. Whether it is the first of its version by its token, of several at once too."""
    version = READS.c.fetched_version
    is_newer = sa.or_(version.is_(None), version < values["fetched_version"])
    if _insert(session, values) or _update(session, values, is_newer, {"fetched_version": values["fetched_version"]}):
        return True
    _update(session, values, sa.true())
    return False


def _insert(session: Session, values: dict[str, Any]) -> bool:
    return _count(session, _inserting(session).values(values).on_conflict_do_nothing()) > 0


def _update(
    session: Session, values: dict[str, Any], condition: sa.ColumnElement[bool], more: dict[str, Any] | None = None
) -> bool:
    mine = (READS.c.agent_id == values["agent_id"], READS.c.token_id == values["token_id"])
    moment = values["seen_at"]
    changed = {
        "version": _greater(sa.literal(values["version"])),
        "fetch_count": READS.c.fetch_count + values["fetch_count"],
        "first_fetched_at": sa.func.coalesce(READS.c.first_fetched_at, moment),
        "last_fetched_at": moment,
        "seen_at": moment,
    }
    return _count(session, READS.update().where(*mine, condition).values(changed | (more or {}))) > 0


def _count(session: Session, statement: Any) -> int:
    found: int = session.connection().execute(statement).rowcount
    return found


def _is_due(values: dict[str, Any]) -> sa.ColumnElement[bool]:
    # Another process may have stored a fetch since the row was read.
    last = READS.c.last_fetched_at
    is_old = sa.or_(last.is_(None), last <= values["seen_at"] - STORE_EVERY)
    return sa.or_(is_old, READS.c.version < values["version"])


def _greater(version: Any) -> sa.ColumnElement[int]:
    return sa.case((READS.c.version > version, READS.c.version), else_=version)


def _inserting(session: Session) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(READS)


def _key(actor: Actor, agent: AnyRow) -> tuple[UUID, UUID]:
    # Only tokens have the scope runtime.
    return agent.id, actor.token_id or actor.account_id


def _new(actor: Actor, agent: AnyRow, moment: datetime, number: int) -> dict[str, Any]:
    return {
        "agent_id": agent.id,
        "token_id": actor.token_id,
        "account_id": actor.account_id,
        "version": agent.version,
        "fetched_version": agent.version,
        "fetch_count": number,
        "first_fetched_at": moment,
        "last_fetched_at": moment,
        "seen_at": moment,
    }
