"""Operations on events: list them, and record a refusal. `event_records.py` adds the events of other operations."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from agents_app.db import db, now
from agents_app.errors import Conflict
from agents_app.models import Agent, AgentVersion, Event, User
from agents_app.operations import event_records
from agents_app.operations.agent_reads import Page
from agents_app.operations.permissions import Actor
from agents_app.schemas.events import EventQuery
from agents_app.schemas.listing import make_cursor, read_cursor

SHOWN = sa.select(
    Event.id,
    Event.created_at,
    Event.action,
    Event.door,
    Event.actor_name,
    Event.user_id,
    Event.target_kind,
    Event.target_id,
    Event.target_name,
    Event.address,
    Event.request_id,
    Event.details,
)
DENIED = "access.denied"
# How long one event counts the refusals that follow it.
ONE_DENIAL_IN = timedelta(minutes=1)


def listing(actor: Actor, query: EventQuery) -> Page:
    """The account's events that match, newest first. Raises Forbidden, Malformed (cursor).

    Each says whether its agent `is_there`, and whether it is the deletion that `can_be_undone`.
    """
    actor.require("activity.read")
    statement = SHOWN.where(Event.account_id == actor.account_id, *_conditions(query))
    if query.cursor:
        place = read_cursor(query.cursor, EventQuery.ORDER)
        literals = (sa.literal(v, c.type) for v, c in zip(place, (Event.created_at, Event.id), strict=True))
        statement = statement.where(sa.tuple_(Event.created_at, Event.id) < sa.tuple_(*literals))
    newest = statement.order_by(Event.created_at.desc(), Event.id.desc()).limit(query.limit + 1)
    with db.reading() as connection:
        items = [_item(row) for row in connection.execute(newest)]
        shown = items[: query.limit]
        _tell_agents(connection, actor, shown)
    return Page(shown, _next(shown[-1]) if len(items) > query.limit else None)


def user_names(actor: Actor) -> dict[UUID, str]:
    """Whose acts may be asked for: names by id, in the order of names. Raises Forbidden."""
    actor.require("activity.read")
    mine = sa.select(User.id, User.name).where(User.account_id == actor.account_id)
    with db.reading() as connection:
        rows = connection.execute(mine.order_by(sa.func.lower(User.name), User.id))
        return {row.id: row.name for row in rows}


def record_denial(actor: Actor, asked: str, sentence: str) -> None:
    """Keep, in a transaction of its own, that somebody asked for what they may not do; `asked` names it.

    Further tries of the same actor at the same within a minute are a count in the details of that event.
    """
    try:
        _count_denial(actor, asked, sentence)
    except Conflict:
        # Another process has just recorded the first one: its event has the same id.
        _count_denial(actor, asked, sentence)


def _item(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    # Other releases may have stored details in another form.
    return {**row._mapping, "details": row.details if isinstance(row.details, dict) else {}}


def _tell_agents(connection: Connection, actor: Actor, items: list[dict[str, Any]]) -> None:
    wanted = {item["target_id"] for item in items if item["target_kind"] == "agent"}
    mine = sa.select(Agent.id).where(Agent.account_id == actor.account_id, Agent.id.in_(wanted))
    there = set(connection.scalars(mine)) if wanted else set()
    gone = {item["target_id"] for item in items if item["action"] == "agent.deleted"} - there
    versions = sa.select(AgentVersion.agent_id, sa.func.max(AgentVersion.version)).group_by(AgentVersion.agent_id)
    last = versions.where(AgentVersion.account_id == actor.account_id, AgentVersion.agent_id.in_(gone))
    # Of two deletions of one agent only the second can be undone.
    undoable = {(row[0], row[1]) for row in connection.execute(last)} if gone else set()
    for item in items:
        item["is_there"] = item["target_id"] in there
        version = item["details"].get("version")
        is_last = isinstance(version, int) and (item["target_id"], version) in undoable
        item["can_be_undone"] = is_last and item["action"] == "agent.deleted"


def _count_denial(actor: Actor, asked: str, sentence: str) -> None:
    moment = now()
    same = sa.select(Event).where(
        Event.account_id == actor.account_id,
        Event.created_at > moment - ONE_DENIAL_IN,
        Event.action == DENIED,
        Event.user_id == actor.user_id,
        Event.token_id == actor.token_id,
        Event.details["asked"].as_string() == asked,
    )
    with db.transaction() as session:
        event = session.scalars(same.limit(1).with_for_update()).first()
        if event is not None:
            event.details = {**event.details, "count": event.details.get("count", 1) + 1}
            return
        event = event_records.new(actor, DENIED, None, {"asked": asked, "detail": sentence, "count": 1})
        minute = moment.timestamp() // ONE_DENIAL_IN.total_seconds()
        event.id = uuid5(actor.account_id, f"{actor.user_id} {actor.token_id} {asked} {minute}")
        session.add(event)


def _conditions(query: EventQuery) -> list[sa.ColumnElement[bool]]:
    exact = {Event.door: query.door, Event.target_id: query.target, Event.user_id: query.person}
    conditions = [column == value for column, value in exact.items() if value is not None]
    if query.about:
        conditions.append(Event.action.startswith(f"{query.about.value}.", autoescape=True))
    if query.since_moment:
        conditions.append(Event.created_at >= query.since_moment)
    if query.until_moment:
        conditions.append(Event.created_at < query.until_moment)
    return conditions


def _next(last: Mapping[str, Any]) -> str:
    return make_cursor(EventQuery.ORDER, last["created_at"], last["id"])
