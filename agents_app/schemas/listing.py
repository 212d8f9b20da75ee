"""What a valid query of a list is: search, filters, sort, limit, cursor."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from agents_app.errors import Malformed
from agents_app.values import fields, limits
from agents_app.values.choices import AgentStatus, ConnectionType, Environment, FileFormat, LastTest, ModelProvider
from agents_app.values.fields import Schema, field
from agents_app.values.labels import label_filter
from agents_app.values.moments import moment
from agents_app.values.rules import boolean, choice, flag, is_uuid, line, plan_digest, uuid_text, whole_number
from agents_app.values.text import fold_for_search

LIMIT = 50
LIMIT_MAX = 200
CURSOR_MAX = 4_000
# The value of `before` for the last page.
END = "end"
# The fields of a query that are no filters.
PLACE = frozenset({"sort", "limit", "cursor", "before"})
NO_FILTERS = ""
START_AGAIN = "Start again without a cursor."


class Sort(StrEnum):
    """The sort orders of the list of agents. A minus means descending."""

    UPDATED_DOWN = "-updated_at"
    UPDATED_UP = "updated_at"
    CREATED_DOWN = "-created_at"
    CREATED_UP = "created_at"
    NAME_UP = "name"
    NAME_DOWN = "-name"


class PageQuery(Schema):
    """A query of one page of a list that has no filters."""

    limit: Annotated[int, whole_number("Limit", 1, LIMIT_MAX)] = field("Limit", default=LIMIT, may_be_empty=True)
    cursor: Annotated[str | None, line(CURSOR_MAX)] = field(
        "Cursor", "The `next_cursor` of the previous page. Empty: the first page.", default=None, may_be_empty=True
    )


class AgentQuery(Schema):
    """A query of the list of agents. The search finds words, and ignores case and accents."""

    q: Annotated[str | None, line(limits.SEARCH)] = field(
        "Search",
        "Only agents that contain all these words in the name, description, external id, owner, model or destination.",
        default=None,
    )
    status: Annotated[AgentStatus | None, choice(AgentStatus)] = field("Status", default=None)
    connection_type: Annotated[ConnectionType | None, choice(ConnectionType)] = field("Connection", default=None)
    model_type: Annotated[str | None, line(limits.MODEL_TYPE)] = field("Model", "The exact name.", default=None)
    model_provider: Annotated[ModelProvider | None, choice(ModelProvider)] = field("Model provider", default=None)
    environment: Annotated[Environment | None, choice(Environment)] = field("Environment", default=None)
    owner: Annotated[str | None, line(limits.OWNER)] = field("Owner", "The exact name.", default=None)
    external_id: Annotated[str | None, line(limits.EXTERNAL_ID)] = field("External ID", default=None)
    label: Annotated[str | None, label_filter()] = field(
        "Label",
        "As name:value or name=value, such as team:finance. A name without a value finds every value.",
        default=None,
    )
    created_by: Annotated[str | None, uuid_text()] = field("Created by", "A user's id.", default=None)
    test: Annotated[LastTest | None, choice(LastTest)] = field(
        "Last test",
        "The outcome of the last test, if what it tested is unchanged. `out_of_date`: it was changed after the test. "
        + "`never`: the agent was not tested.",
        default=None,
    )
    updated_since: Annotated[datetime | None, moment()] = field(
        "Changed since",
        "Only agents that were changed at this time or later: RFC 3339 with a zone, such as 2026-11-27T09:30:00Z. A "
        + "change counts from its beginning and is visible from its end, so ask from a minute before the last request. "
        + "Deleted agents are in another list.",
        default=None,
    )
    needs_attention: Annotated[bool | None, boolean()] = field(
        "Needs attention",
        "Only agents that need attention (true) or do not (false): the last test failed, something that is "
        + "needed to sign in is missing, a credential expires within 30 days or has expired, the owner has left, "
        + "runtimes fetched it and have not for 30 days, or a secret cannot be decrypted.",
        default=None,
    )
    sort: Annotated[Sort, choice(Sort)] = field("Sort", default=Sort.UPDATED_DOWN, may_be_empty=True)
    limit: Annotated[int, whole_number("Limit", 1, LIMIT_MAX)] = field("Limit", default=LIMIT, may_be_empty=True)
    cursor: Annotated[str | None, line(CURSOR_MAX)] = field(
        "Cursor", "The `next_cursor` of the previous page. Empty: the first page.", default=None, may_be_empty=True
    )
    before: Annotated[str | None, line(CURSOR_MAX)] = field(
        "Before", "Where the next page begins. `end` is the end of the list.", default=None
    )

    @property
    def words(self) -> list[list[str]]:
        """The words to search: each as this release folds it, and as earlier releases did."""
        words = [[fold_for_search(word), word.casefold()] for word in (self.q or "").split()]
        return [list(dict.fromkeys(word)) for word in words if word[0].strip()]

    def wanted(self, name: str) -> list[Any]:
        """The values of a filter, one of which an agent must have. Empty if the filter was not sent."""
        value = getattr(self, name)
        return value if isinstance(value, list) else [] if value is None else [value]

    @property
    def label_pairs(self) -> list[tuple[str, str | None]]:
        """The name of each wanted label and its value, which is None if every value matches."""
        parts = [label.partition(":") for label in self.wanted("label")]
        return [(name, value if separator else None) for name, separator, value in parts]

    @property
    def filters(self) -> dict[str, Any]:
        """The filters that were sent, with their values."""
        sent = self.model_fields_set - PLACE
        return {name: value for name in sent if (value := getattr(self, name)) is not None}

    @property
    def is_backwards(self) -> bool:
        """Whether the page ends at a place, instead of beginning at one."""
        return self.before is not None and self.cursor is None

    @property
    def cursor_filters(self) -> str:
        """A hash of the filters that the cursors of this list need again. Pages write the filters into each link."""
        return NO_FILTERS

    @property
    def column(self) -> str:
        """The field that the list is sorted by, without the direction."""
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether the greatest value comes first."""
        return self.sort.startswith("-")


class PagedQuery(AgentQuery):
    """A query of a list that a program reads page by page: changes of others do not move its agents."""

    sort: Annotated[Sort, choice(Sort)] = field(
        "Sort",
        "With `created_at`, no agent is missing and none is repeated while others change agents.",
        default=Sort.CREATED_UP,
        may_be_empty=True,
    )

    @property
    def cursor_filters(self) -> str:
        """A hash of the filters that the cursors of this list need again."""
        return hash_of_filters(self)


class ExportQuery(AgentQuery):
    """A query of the agents to export."""

    format: Annotated[FileFormat, choice(FileFormat)] = field("Format", default=FileFormat.JSON)


class ImportQuery(Schema):
    """How to import a file of agents."""

    plan: Annotated[bool, flag()] = field("Plan", "Say what would change, and change nothing.", default=False)
    prune: Annotated[bool, flag()] = field("Prune", "Delete the agents that the file does not have.", default=False)
    expected_plan: Annotated[str | None, plan_digest()] = field(
        "Expected plan",
        "The `digest` of a plan. If the plan is another one now, the answer is 409 and nothing is changed.",
        default=None,
    )
    note: Annotated[str | None, line(limits.CHANGE_NOTE)] = field(
        "Note", "Why you make these changes. The history shows it.", default=None
    )


def hash_of_filters(query: Schema) -> str:
    """A short hash of the filters of a query. The order of several values of one filter does not matter."""
    filters = query.model_dump(mode="json", exclude=set(PLACE), exclude_defaults=True)
    ordered = {name: sorted(value) if isinstance(value, list) else value for name, value in filters.items()}
    return sha256(json.dumps(ordered, sort_keys=True).encode()).hexdigest()[:8]


def parse(values: Mapping[str, Any]) -> AgentQuery:
    """The query of these values. Raises InvalidInput with every broken rule."""
    return fields.parse(AgentQuery, values)


def make_cursor(sort: Sort, value: datetime | str, row_id: UUID, filters: str = NO_FILTERS) -> str:
    """The cursor of the page after this row: base64url of JSON `[sort, value, id]`, with the hash of filters if any."""
    text = value.isoformat() if isinstance(value, datetime) else value
    parts = [sort, text, str(row_id), *([filters] if filters else [])]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(cursor: str, sort: Sort, filters: str = NO_FILTERS) -> tuple[datetime | str, UUID]:
    """The value and id of a cursor. Raises Malformed if it is not valid, or of another sort order or other filters.

    A cursor of an earlier release has no hash of its filters.
    """
    try:
        made_with, value, row_id, *rest = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not (isinstance(value, str) and isinstance(row_id, str) and is_uuid(row_id)) or len(rest) > bool(filters):
            raise ValueError
        order = Sort(made_with)
        place = _require_storable(value) if order in (Sort.NAME_UP, Sort.NAME_DOWN) else _parse_moment(value)
    except (ValueError, TypeError, binascii.Error, RecursionError, OverflowError):
        raise Malformed(f"The cursor is not valid. {START_AGAIN}", code="bad_cursor") from None
    if order != sort:
        ways = f"Send sort={order} with this cursor, or start again without a cursor."
        sentence = f"The cursor belongs to the sort order {order}, and this request has {sort}. {ways}"
        raise Malformed(sentence, code="bad_cursor")
    if rest and rest != [filters]:
        ways = "Send the same filters on every page, or start again without a cursor."
        raise Malformed(f"The cursor belongs to a list with other filters. {ways}", code="bad_cursor")
    return place, UUID(row_id)


def _parse_moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _require_storable(text: str) -> str:
    # An unpaired surrogate raises, as it has no UTF-8. PostgreSQL refuses U+0000.
    if b"\0" in text.encode():
        raise ValueError
    return text
