"""What can be asked of the list of events: filters, days, limit, cursor."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from agents_app.schemas.listing import CURSOR_MAX, LIMIT, LIMIT_MAX, Sort
from agents_app.values import fields
from agents_app.values.choices import Door
from agents_app.values.fields import Schema, field
from agents_app.values.rules import calendar_date, choice, line, uuid_text, whole_number


class EventSubject(StrEnum):
    """What an event is about: the first part of its action."""

    AGENT = "agent"
    USER = "user"
    TOKEN = "token"
    ACCOUNT = "account"
    SECRETS = "secrets"
    ACCESS = "access"


class EventQuery(Schema):
    """One question to the list of events; days are in UTC, both ends included."""

    ORDER: ClassVar = Sort.CREATED_DOWN

    about: Annotated[EventSubject | None, choice(EventSubject)] = field("About", default=None)
    door: Annotated[Door | None, choice(Door)] = field("Through", default=None)
    person: Annotated[UUID | None, uuid_text()] = field("Person", "A user's id.", default=None)
    target: Annotated[UUID | None, uuid_text()] = field("Of", "The id of an agent, person or token.", default=None)
    since: Annotated[date | None, calendar_date()] = field("From", default=None)
    until: Annotated[date | None, calendar_date()] = field("To", default=None)
    limit: Annotated[int, whole_number("Limit", 1, LIMIT_MAX)] = field("Limit", default=LIMIT)
    cursor: Annotated[str | None, line(CURSOR_MAX)] = field("Cursor", "Where the previous page ended.", default=None)

    @property
    def since_moment(self) -> datetime | None:
        """The first moment asked for."""
        return datetime.combine(self.since, time(), UTC) if self.since else None

    @property
    def until_moment(self) -> datetime | None:
        """The first moment after what is asked for; None where there is no later one."""
        if self.until is None or self.until == date.max:
            return None
        return datetime.combine(self.until, time(), UTC) + timedelta(days=1)


def parse_query(values: Mapping[str, Any]) -> EventQuery:
    """The question that the values ask. Raises InvalidInput with every broken rule."""
    return fields.parse(EventQuery, values)
