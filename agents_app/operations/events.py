"""Operations on events: list them, and record a refusal. `event_records.py` adds the events of other operations."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.engine import Connection

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
# One event counts all equal refusals of this time.
DENIAL_WINDOW = timedelta(minutes=1)


def listing(actor: Actor, query: EventQuery) -> Page:
    """The events of the account that match, newest first. Raises Forbidden, Malformed (cursor).

    `is_there` says whether the agent of the event exists, `can_be_undone` whether the event is its last deletion.
    """
    actor.require("events.read")
    statement = SHOWN.where(Event.account_id == actor.account_id, *_conditions(query))
    if query.cursor:
        place = read_cursor(query.cursor, EventQuery.ORDER)
        literals = (sa.literal(v, c.type) for v, c in zip(place, (Event.created_at, Event.id), strict=True))
        statement = statement.where(sa.tuple_(Event.created_at, Event.id) < sa.tuple_(*literals))
    newest = statement.order_by(Event.created_at.desc(), Event.id.desc()).limit(query.limit + 1)
    with db.reading() as connection:
        # Other releases may have stored details in another form.
        items = [
            {**row._mapping, "details": row.details if isinstance(row.details, dict) else {}}
            for row in connection.execute(newest)
        ]
        shown = items[: query.limit]
        _add_agent_facts(connection, actor, shown)
    if len(items) <= query.limit:
        return Page(shown, None)
    return Page(shown, make_cursor(EventQuery.ORDER, shown[-1]["created_at"], shown[-1]["id"]))


def user_names(actor: Actor) -> dict[UUID, str]:
    """The names of the users of the account by their id, in the order of names. Raises Forbidden."""
    actor.require("events.read")
    query = sa.select(User.id, User.name).where(User.account_id == actor.account_id)
    with db.reading() as connection:
        rows = connection.execute(query.order_by(sa.func.lower(User.name), User.id))
        return {row.id: row.name for row in rows}


def record_denial(actor: Actor, asked: str, sentence: str) -> None:
    """Record in its own transaction that the actor was refused. `asked` names what they asked for.

    Further refusals of the same actor for the same request within a minute only increase the count of that event.
    """
    try:
        _count_denial(actor, asked, sentence)
    except Conflict:
        # Another process has just added the event, which has the same id.
        _count_denial(actor, asked, sentence)


def _add_agent_facts(connection: Connection, actor: Actor, items: list[dict[str, Any]]) -> None:
    wanted = {item["target_id"] for item in items if item["target_kind"] == "agent"}
    query = sa.select(Agent.id).where(Agent.account_id == actor.account_id, Agent.id.in_(wanted))
    there = set(connection.scalars(query)) if wanted else set()
    gone = {item["target_id"] for item in items if item["action"] == "agent.deleted"} - there
    versions = sa.select(AgentVersion.agent_id, sa.func.max(AgentVersion.version)).group_by(AgentVersion.agent_id)
    last = versions.where(AgentVersion.account_id == actor.account_id, AgentVersion.agent_id.in_(gone))
    # If an agent was deleted twice, only the second deletion can be undone.
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
        Event.created_at > moment - DENIAL_WINDOW,
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
        minute = moment.timestamp() // DENIAL_WINDOW.total_seconds()
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
