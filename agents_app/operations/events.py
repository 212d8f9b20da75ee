"""Operations on events: list them, and record a refusal.

`event_exports.py` reads all of them, and `event_records.py` adds the events of other operations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.db import db, now
from agents_app.errors import Conflict
from agents_app.models import Event, User
from agents_app.operations import event_facts, event_records
from agents_app.operations.agent_reads import Page
from agents_app.operations.event_search import NameSearch
from agents_app.operations.event_statements import (
    PLACE,
    SHOWN,
    Place,
    Select,
    filters,
    literal_place,
    of_account,
    read_items,
)
from agents_app.operations.permissions import Actor
from agents_app.schemas.events import EventQuery
from agents_app.schemas.listing import make_cursor, read_cursor

NAMES = sa.select(Event.id, Event.created_at, Event.actor_name, Event.target_name)
# The number of events that one query of a search reads.
SEARCH_BATCH = 2_000
DENIED = "access.denied"
# One event counts all equal refusals of this time.
DENIAL_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True)
class EventPage(Page):
    """Some events. Where a search did not read all: how many it has read, and the time of the oldest of them."""

    searched: int = 0
    searched_to: datetime | None = None


def listing(actor: Actor, query: EventQuery) -> EventPage:
    """The events of the account that match, newest first. Raises Forbidden, Malformed (cursor).

    A search stops at the limits of `event_search.py`. The cursor of its page continues there. The items have also what
    `event_facts.py` adds.
    """
    actor.require("events.read")
    with db.reading() as connection:
        if query.words:
            page = _search(connection, actor, query)
        else:
            statement = _statement(SHOWN, actor, query, _place(query), query.limit + 1)
            page = _page(read_items(connection, statement), query)
        event_facts.add_agent_facts(connection, actor, page.items)
    return page


def record_name(actor: Actor, record_id: UUID) -> str | None:
    """The name of a record of the account, None where there is no such record. Raises Forbidden."""
    actor.require("events.read")
    with db.reading() as connection:
        return event_facts.record_name(connection, actor, record_id)


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


def _search(connection: Connection, actor: Actor, query: EventQuery) -> EventPage:
    """Read the names of events until the page is full. Folding is not done by the database."""
    found: list[UUID] = []
    search, is_stopped, row = NameSearch(query.words), False, None
    for row in _names(connection, actor, query):
        if search.finds(row.actor_name, row.target_name or ""):
            found.append(row.id)
        is_stopped = search.is_over
        if is_stopped or len(found) > query.limit:
            break
    items: list[dict[str, Any]] = []
    for start in range(0, len(found), SEARCH_BATCH):
        some = SHOWN.where(Event.id.in_(found[start : start + SEARCH_BATCH]))
        items += read_items(connection, _statement(some, actor, query, None, SEARCH_BATCH))
    page = _page(items, query)
    if page.next_cursor or row is None or not is_stopped:
        return page
    cursor = make_cursor(EventQuery.ORDER, row.created_at, row.id)
    return EventPage(page.items, cursor, searched=search.events, searched_to=row.created_at)


def _names(connection: Connection, actor: Actor, query: EventQuery) -> Iterator[Any]:
    """The names of the events that match the filters, newest first, in batches."""
    place = _place(query)
    while True:
        rows = connection.execute(_statement(NAMES, actor, query, place, SEARCH_BATCH)).all()
        yield from rows
        if len(rows) < SEARCH_BATCH:
            return
        place = rows[-1].created_at, rows[-1].id


def _place(query: EventQuery) -> Place | None:
    return read_cursor(query.cursor, EventQuery.ORDER) if query.cursor else None


def _statement(columns: Select, actor: Actor, query: EventQuery, place: Place | None, limit: int) -> Select:
    """The newest events that match the filters, and are older than the event at `place`."""
    statement = of_account(columns, actor, query).where(*filters(query))
    if place:
        statement = statement.where(sa.tuple_(*PLACE) < literal_place(place))
    return statement.order_by(*(column.desc() for column in PLACE)).limit(limit)


def _page(items: list[dict[str, Any]], query: EventQuery) -> EventPage:
    shown = items[: query.limit]
    if len(items) <= query.limit:
        return EventPage(shown, None)
    return EventPage(shown, make_cursor(EventQuery.ORDER, shown[-1]["created_at"], shown[-1]["id"]))


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
