"""What happened in an account: the events, newest first. Writing them lives in `events.py`."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from agents_app.db import db
from agents_app.models import Event
from agents_app.operations.agent_reads import Page
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import ActivityQuery, make_cursor, read_cursor

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


def listing(actor: Actor, query: ActivityQuery) -> Page:
    """The account's events that match, newest first. Raises Forbidden, Malformed (cursor)."""
    actor.require("activity.read")
    statement = SHOWN.where(Event.account_id == actor.account_id, *_conditions(query))
    if query.cursor:
        place = read_cursor(query.cursor, ActivityQuery.ORDER)
        literals = (sa.literal(v, c.type) for v, c in zip(place, (Event.created_at, Event.id), strict=True))
        statement = statement.where(sa.tuple_(Event.created_at, Event.id) < sa.tuple_(*literals))
    newest = statement.order_by(Event.created_at.desc(), Event.id.desc()).limit(query.limit + 1)
    with db.reading() as connection:
        items = [dict(row._mapping) for row in connection.execute(newest)]
    shown = items[: query.limit]
    return Page(shown, _next(shown[-1]) if len(items) > query.limit else None)


def _conditions(query: ActivityQuery) -> list[sa.ColumnElement[bool]]:
    exact = {Event.door: query.door, Event.target_id: query.target, Event.user_id: query.person}
    conditions = [column == value for column, value in exact.items() if value is not None]
    if query.about:
        conditions.append(Event.action.startswith(f"{query.about.value}.", autoescape=True))
    if query.since:
        conditions.append(Event.created_at >= query.since_moment)
    if query.until:
        conditions.append(Event.created_at < query.until_moment)
    return conditions


def _next(last: Mapping[str, Any]) -> str:
    return make_cursor(ActivityQuery.ORDER, last["created_at"], last["id"])
