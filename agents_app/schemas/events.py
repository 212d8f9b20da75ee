"""What a valid query of the list of events is: filters, days, limit, cursor."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import ValidationInfo, field_validator

from agents_app.schemas.listing import CURSOR_MAX, LIMIT, LIMIT_MAX, Sort
from agents_app.values import fields, limits
from agents_app.values.choices import Door
from agents_app.values.fields import Schema, field, refusal
from agents_app.values.rules import choice, day_or_moment, line, uuid_text, whole_number
from agents_app.values.text import fold_for_search

ENDS_BEFORE_IT_BEGINS = "The period ends before it begins, so no event can match. Exchange its two ends."


class EventSubject(StrEnum):
    """The subject of an event: the first part of its action."""

    AGENT = "agent"
    USER = "user"
    TOKEN = "token"
    ACCOUNT = "account"
    SECRETS = "secrets"
    ACCESS = "access"


class EventQuery(Schema):
    """A query of the list of events. Days are in UTC, and both are included.

    In place of a day there can be an aware time. Events of the time `since` are included, those of `until` are not, so
    that two queries which share a time share no event and leave none out.
    """

    ORDER: ClassVar = Sort.CREATED_DOWN

    q: Annotated[str | None, line(limits.SEARCH)] = field(
        "Search",
        "Only events with all these words in the name of who acted or of the record. Ignores case and accents.",
        default=None,
    )
    about: Annotated[EventSubject | None, choice(EventSubject)] = field("Record type", default=None)
    door: Annotated[Door | None, choice(Door)] = field(
        "Interface", "The interface: pages, API or terminal.", default=None
    )
    person: Annotated[UUID | None, uuid_text()] = field("Person", "A user's id.", default=None)
    target: Annotated[UUID | None, uuid_text()] = field("Record", "The id of an agent, person or token.", default=None)
    since: Annotated[date | datetime | None, day_or_moment()] = field(
        "From", "A day, or a time with its zone (2026-11-27T09:30:00Z).", default=None
    )
    until: Annotated[date | datetime | None, day_or_moment()] = field(
        "To", "A day, which is included, or a time, which is not.", default=None
    )
    limit: Annotated[int, whole_number("Limit", 1, LIMIT_MAX)] = field("Limit", default=LIMIT)
    cursor: Annotated[str | None, line(CURSOR_MAX)] = field(
        "Cursor", "The `next_cursor` of the previous page.", default=None
    )

    @field_validator("until")
    @classmethod
    def _require_period(cls, until: date | datetime | None, info: ValidationInfo) -> date | datetime | None:
        # A day ends with its last moment. If `since` is refused itself, there is nothing to compare.
        since = info.data.get("since")
        if since and until and _begin(since) > (until if isinstance(until, datetime) else _begin(until, time.max)):
            raise refusal(ENDS_BEFORE_IT_BEGINS)
        return until

    @property
    def words(self) -> list[str]:
        """The words to search, folded."""
        return [word for word in map(fold_for_search, (self.q or "").split()) if word.strip()]

    @property
    def since_moment(self) -> datetime | None:
        """The first moment of the query."""
        return _begin(self.since) if self.since else None

    @property
    def until_moment(self) -> datetime | None:
        """The first moment after the query. None if no date is later."""
        if self.until is None or self.until == date.max:
            return None
        return _begin(self.until) + timedelta(days=not isinstance(self.until, datetime))


def parse_query(values: Mapping[str, Any]) -> EventQuery:
    """The query of these values. Raises InvalidInput with every broken rule."""
    return fields.parse(EventQuery, values)


def _begin(at: date, of_day: time = time.min) -> datetime:
    """The first moment of a day in UTC, or another one; a time itself."""
    return at if isinstance(at, datetime) else datetime.combine(at, of_day, UTC)
