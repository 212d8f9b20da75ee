"""Operations that read all events that match, for files: in batches, and complete."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.db import db
from agents_app.models import Event
from agents_app.operations import event_facts
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

# The number of events that the statements of one batch read, whether they match or not. It limits their time.
BATCH = 1_000


def export(actor: Actor, query: EventQuery, *, newest_first: bool = False) -> Iterator[dict[str, Any]]:
    """All events of the account that match, oldest first, whatever limit and cursor the query has. Raises Forbidden.

    Each event that is stored when the first is read comes once. Later events are not read. The items have also what
    `event_facts.py` adds. No connection and no transaction is kept from one batch to the next.
    """
    actor.require("events.read")
    return _items(_Export(actor, query, newest_first))


@dataclass(frozen=True)
class _Export:
    """What is read, and in which order."""

    actor: Actor
    query: EventQuery
    newest_first: bool

    def in_order(self, columns: Select, after: Place | None, to: Place) -> Select:
        """The events after one place in the order, up to another one."""
        statement, place = of_account(columns, self.actor, self.query), sa.tuple_(*PLACE)
        if after:
            begin = literal_place(after)
            statement = statement.where(place < begin if self.newest_first else place > begin)
        end = literal_place(to)
        statement = statement.where(place >= end if self.newest_first else place <= end)
        return statement.order_by(*(column.desc() if self.newest_first else column for column in PLACE))


def _items(asked: _Export) -> Iterator[dict[str, Any]]:
    with db.reading() as connection:
        to = _last_place(connection, asked)
    after = None
    while to:
        with db.reading() as connection:
            # Rows that do not match count too: a filter that matches few events must not make one statement read all.
            places = asked.in_order(sa.select(*PLACE), after, to).offset(BATCH - 1).limit(1)
            row = connection.execute(places).first()
            end = (row.created_at, row.id) if row else to
            items = read_items(connection, asked.in_order(SHOWN, after, end).where(*filters(asked.query)))
            items = _found(items, asked.query.words)
            event_facts.add_agent_facts(connection, asked.actor, items)
        yield from items
        after, to = end, (to if row else None)


def _last_place(connection: Connection, asked: _Export) -> Place | None:
    """The place of the last event of the order, None if there is no event."""
    columns = PLACE if asked.newest_first else tuple(column.desc() for column in PLACE)
    query = of_account(sa.select(Event.created_at, Event.id), asked.actor, asked.query)
    row = connection.execute(query.order_by(*columns).limit(1)).first()
    return (row.created_at, row.id) if row else None


def _found(items: list[dict[str, Any]], words: list[str]) -> list[dict[str, Any]]:
    # A search for each batch, as it remembers the names that it has seen.
    search = NameSearch(words)
    return [item for item in items if not words or search.finds(item["actor_name"], item["target_name"] or "")]
