"""Operations that read agents: one, or a list. They return rows, not entities. `agents.py` changes agents."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from agents_app.db import db
from agents_app.errors import NotFound
from agents_app.operations import (
    agent_list_statements,
    agent_rows,
    around_lists,
    attention_columns,
    attention_reasons,
    departures,
    few_agents,
    filter_choices,
    first_steps,
    known_names,
    small_facts,
    user_records,
)
from agents_app.operations.agent_list_statements import COUNT_UP_TO, Counts, Tabs
from agents_app.operations.agent_rows import AnyRow
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.departures import Departed
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import END, AgentQuery, make_cursor

AROUND_AN_AGENT = (*departures.PEOPLE, *user_records.ADMINS)


@dataclass(frozen=True)
class AgentPage:
    """What the page of an agent shows."""

    agent: dict[str, Any]
    reasons: attention_reasons.Reasons
    """Why the agent needs attention."""
    admins: list[str]
    """The names of those who can do what the actor may not."""


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and the cursors of the next and the previous page (None at the ends)."""

    items: list[dict[str, Any]]
    next_cursor: str | None
    previous_cursor: str | None = None
    # Only a list with counts has the fields below.
    reasons: Mapping[UUID, attention_reasons.Reasons] = field(default_factory=dict)
    """Why each agent needs attention, where the query asks for these agents."""
    incomplete: Collection[UUID] = ()
    """The agents that lack a value."""
    owner_left: Collection[UUID] = ()
    """The agents whose owner was deactivated or deleted."""
    names: Mapping[UUID, dict[str, str]] = field(default_factory=dict)
    """The names that a test found for the ids in a connection, by agent."""
    creator: str | None = None
    """The name of the person whose agents are asked for."""
    rows_before: int | None = None
    """The number of matching agents before these. None if they are more than COUNT_UP_TO."""
    choices: filter_choices.FilterChoices | None = None
    steps: first_steps.FirstSteps | None = None
    """The first steps of the account, where they are shown."""


def read(actor: Actor, agent_id: UUID) -> dict[str, Any]:
    """One agent, with what is known of its secrets in place of their values. Raises Forbidden, NotFound."""
    actor.require("agents.read")
    with db.reading() as connection:
        row = connection.execute(agent_rows.ONE, {"id": agent_id, "account_id": actor.account_id}).one_or_none()
    if row is None:
        raise NotFound(NO_AGENT)
    return agent_rows.whole(row, actor.account_id)


def read_page(actor: Actor, agent_id: UUID, permission: str) -> AgentPage:
    """The same as `read`, with what the page shows around it: for one, whom to ask who lacks this permission.

    Raises Forbidden, NotFound.
    """
    actor.require("agents.read")
    account = {"account_id": actor.account_id}
    with db.reading() as connection:
        row = connection.execute(agent_rows.ONE_WITH_REASONS, {"id": agent_id, **account}).one_or_none()
        if row is None:
            raise NotFound(NO_AGENT)
        may = actor.may(permission)
        people = small_facts.read(connection, AROUND_AN_AGENT, account) if row.owner or not may else small_facts.NONE
    reasons = attention_reasons.reasons(row._asdict(), actor.account_id, departures.of_facts(people))
    admins = [] if may else user_records.admin_names(people)
    return AgentPage(agent_rows.whole(row, actor.account_id), reasons, admins)


def listing(actor: Actor, query: AgentQuery) -> Page:
    """The agents that match, in order, at most `query.limit`. Raises Forbidden, Malformed (cursor)."""
    actor.require("agents.read")
    with db.reading() as connection:
        needing = attention_columns.find(connection, actor.account_id) if query.needs_attention is not None else None
        found = few_agents.find(connection, actor.account_id, query, needing and needing.some)
        attention = needing and needing.ids
        statement, place = agent_list_statements.page_and_place(agent_rows.LIST, query, attention, found)
        rows = connection.execute(statement, {"account_id": actor.account_id, **place}).all()
    return _page(query, rows)


def counts(actor: Actor) -> Tabs:
    """The numbers of agents of the account without a filter. Raises Forbidden."""
    actor.require("agents.read")
    with db.reading() as connection:
        around = around_lists.of(connection, actor)
        if not around.is_complete:
            statement = sa.select(*around_lists.columns(actor, around))
            row = connection.execute(statement, {"account_id": actor.account_id}).one()
            around = around_lists.complete(actor, around, row)
    return around.tabs


def listing_with_counts(actor: Actor, query: AgentQuery) -> tuple[Page, Counts]:
    """The same as `listing`, with what the page shows around the list. Raises Forbidden, Malformed (cursor).

    What is not kept is asked: first what the statement of the list depends on, the rest with the list.
    """
    actor.require("agents.read")
    creator = [filter_choices.creator(UUID(query.created_by))] if query.created_by else []
    with db.reading() as connection:
        around = around_lists.of(connection, actor)
        more = [*around_lists.columns(actor, around), *creator]
        listed = agent_rows.ON_PAGES_WITH_REASONS if query.needs_attention else agent_rows.ON_PAGES
        found = few_agents.find(connection, actor.account_id, query, around.found.some)
        statement, place = agent_list_statements.page_with_counts(listed, query, around.found.ids, found, more)
        rows = connection.execute(statement, {"account_id": actor.account_id, **place}).all()
    first, agents = rows[0] if rows else None, [row for row in rows if row.id]
    if not around.is_complete and first:
        around = around_lists.complete(actor, around, first)
    counted = Counts.of(around.tabs, query, first)
    page = _page_of(actor, query, counted, agents, around.found.departed)
    name = first.filter_creator if creator and first else None
    return replace(page, choices=around.choices, steps=around.steps, creator=name), counted


def _page_of(actor: Actor, query: AgentQuery, counts: Counts, rows: Sequence[AnyRow], departed: Departed) -> Page:
    page, facts = _page(_ending(query, counts), rows), {row.id: row.test_facts for row in rows}
    names = {item["id"]: known_names.of_facts(facts[item["id"]], item["connection"]) for item in page.items}
    shown = [row for row in rows if row.id in names] if query.needs_attention else []
    found = {row.id: attention_reasons.reasons(row._asdict(), actor.account_id, departed) for row in shown}
    return replace(
        page,
        names=names,
        incomplete=frozenset(row.id for row in rows if row.is_incomplete),
        owner_left=frozenset(row.id for row in rows if departed.includes(row.owner)),
        rows_before=_rows_before(query, counts, len(page.items)),
        reasons={agent_id: reasons for agent_id, reasons in found.items() if reasons},
    )


def _page(query: AgentQuery, rows: Sequence[AnyRow]) -> Page:
    more = len(rows) > query.limit
    shown = rows[: query.limit]
    items = [agent_rows.item(row) for row in (reversed(shown) if query.is_backwards else shown)]
    has_next, has_previous = (query.before != END, more) if query.is_backwards else (more, query.cursor is not None)
    return Page(
        items,
        _cursor(query, shown[0 if query.is_backwards else -1]) if shown and has_next else None,
        _cursor(query, shown[-1 if query.is_backwards else 0]) if shown and has_previous else None,
    )


def _ending(query: AgentQuery, counts: Counts) -> AgentQuery:
    # The last page has the rows that the full pages before it leave, as for those who go there page by page.
    if not (query.is_backwards and query.before == END and 0 < counts.matching <= COUNT_UP_TO):
        return query
    return query.model_copy(update={"limit": (counts.matching - 1) % query.limit + 1})


def _rows_before(query: AgentQuery, counts: Counts, shown: int) -> int | None:
    is_end = query.is_backwards and query.before == END
    before = counts.matching if is_end else counts.before_cursor
    if before > COUNT_UP_TO:
        return None
    return before - shown if query.is_backwards else before


def _cursor(query: AgentQuery, row: AnyRow) -> str:
    value = row.name_key if query.column == "name" else row._mapping[query.column]
    return make_cursor(query.sort, value, row.id, query.cursor_filters)
