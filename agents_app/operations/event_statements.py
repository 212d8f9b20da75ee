"""Helpers that read the rows of events which match a query. They write nothing."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.models import Event
from agents_app.operations import token_owners
from agents_app.operations.permissions import Actor
from agents_app.schemas.events import EventQuery, EventSubject

# A time as a cursor or a row has it, and the id of an event.
Place = tuple[Any, UUID]
Select = sa.Select[*tuple[Any, ...]]
PLACE = (Event.created_at, Event.id)

SHOWN = sa.select(
    Event.id,
    Event.created_at,
    Event.action,
    Event.door,
    Event.actor_name,
    Event.user_id,
    Event.token_id,
    Event.target_kind,
    Event.target_id,
    Event.target_name,
    Event.address,
    Event.request_id,
    Event.details,
    token_owners.owner_of(Event),
)


def of_account(columns: Select, actor: Actor, query: EventQuery) -> Select:
    """The events of the account within the times of the query, whatever else it asks for."""
    statement = columns.where(Event.account_id == actor.account_id)
    if query.since_moment:
        statement = statement.where(Event.created_at >= query.since_moment)
    if query.until_moment:
        statement = statement.where(Event.created_at < query.until_moment)
    return statement


def filters(query: EventQuery) -> list[sa.ColumnElement[bool]]:
    """The conditions of the query on single columns, without its times."""
    exact = {Event.door: query.door, Event.target_id: query.target, Event.user_id: query.person}
    conditions = [column == value for column, value in exact.items() if value is not None]
    if query.about:
        first = query.about.value
        conditions.append(Event.action.startswith(f"{first}.", autoescape=True))
        # An index finds what is between two texts, in the order of any language: here letters decide it.
        # Most events are about agents. They are found in the order of time.
        if query.about is not EventSubject.AGENT:
            conditions.append(Event.action.between(first, f"{first[:-1]}{chr(ord(first[-1]) + 1)}"))
    return conditions


def literal_place(place: Place) -> sa.ColumnElement[Any]:
    """A place in the order of time, to compare with `sa.tuple_(*PLACE)`."""
    return sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(place, PLACE, strict=True)))


def read_items(connection: Connection, statement: Select) -> list[dict[str, Any]]:
    """The events of a statement on SHOWN. Details that are no object, of other releases, are left out."""
    return [
        {**row._mapping, "details": row.details if isinstance(row.details, dict) else {}}
        for row in connection.execute(statement)
    ]
