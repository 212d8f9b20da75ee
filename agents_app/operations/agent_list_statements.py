"""Helpers that build the statements of the list of agents: filters, order, one page, and counts of agents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from agents_app.database.prepared import prepared
from agents_app.models import Agent
from agents_app.operations import agent_search, test_results
from agents_app.operations.agent_search import ALL, Found
from agents_app.schemas.listing import END, PLACE, AgentQuery, read_cursor
from agents_app.values.choices import AgentStatus
from agents_app.values.text import spellings

AnySelect = sa.Select[*tuple[Any, ...]]

# So the list of agents with a rare word is known as a whole.
COUNT_UP_TO = agent_search.FEW
OF_ACCOUNT = agent_search.OF_ACCOUNT
# The values of a cursor.
PLACE_PARAMETERS = ("place_value", "place_id")
# How many orders, each with its limit and with or without a cursor, are kept as a statement.
ORDERS_MAX = 32
AGENTS = sa.select(sa.literal(1)).select_from(Agent).where(OF_ACCOUNT)
# The filters that compare a column with a value.
EXACT = ("status", "connection_type", "model_provider", "environment", "owner", "external_id")


# The filters of the tabs, as `AgentQuery.filters` has them.
FILTERS_OF_TABS: Mapping[str, dict[str, Any]] = {
    "all": {},
    "active": {"status": AgentStatus.ACTIVE},
    "disabled": {"status": AgentStatus.DISABLED},
    "attention": {"needs_attention": True},
}


@dataclass(frozen=True)
class Tabs:
    """Numbers of agents of the account. Each count stops at COUNT_UP_TO + 1."""

    all: int
    active: int
    disabled: int
    attention: int

    @classmethod
    def of_row(cls, row: Row[*tuple[Any, ...]]) -> Self:
        """The counts in a row of a statement that has the columns `tab_counts`."""
        return cls(**{one.name: row._mapping[f"count_{one.name}"] for one in fields(cls)})


@dataclass(frozen=True)
class Counts(Tabs):
    """The same, with the numbers for one query, which stop there too."""

    matching: int
    before_cursor: int
    """The matching agents before the place of the cursor; 0 without one."""

    @classmethod
    def of(cls, tabs: Tabs, query: AgentQuery, row: Row[*tuple[Any, ...]] | None) -> Self:
        """The counts for this query. `row` is of a statement with the columns `counts`; None where there is no row."""
        found = {} if row is None else row._mapping
        matching = found.get("count_matching", getattr(tabs, _tab(query) or "all"))
        return cls(**vars(tabs), matching=matching, before_cursor=found.get("count_before_cursor", 0))


def matching_ids(query: AgentQuery) -> AnySelect:
    """The ids of the agents that match the filters, in no order, but for those that need attention."""
    return _filtered(sa.select(Agent.id).where(OF_ACCOUNT), query, None, ALL)


def page_and_place(
    listed: AnySelect, query: AgentQuery, attention: sa.CTE | None, found: Found = ALL
) -> tuple[AnySelect, Mapping[str, Any]]:
    """The statement `page`, and parameters that it has besides the account.

    Without filters it is built once for each order, and planned once a connection.
    """
    if not query.model_fields_set <= PLACE:
        return page(listed, query, attention, found), {}
    values = _place_values(query)
    return _page_of_all(
        listed, query.column, query.limit, is_descending=_is_descending(query), has_place=bool(values)
    ), dict(zip(PLACE_PARAMETERS, values, strict=False))


def page(listed: AnySelect, query: AgentQuery, attention: sa.CTE | None, found: Found = ALL) -> AnySelect:
    """The rows of one page, from its place on, and one more. They are in the opposite order if read backwards."""
    rows, is_descending = _filtered(listed, query, attention, found), _is_descending(query)
    return _from_place(rows, _column(query.column), _place(query), is_descending=is_descending).limit(query.limit + 1)


@lru_cache(maxsize=ORDERS_MAX)
def _page_of_all(listed: AnySelect, name: str, limit: int, *, is_descending: bool, has_place: bool) -> AnySelect:
    columns = (_column(name), Agent.id)
    parameters = [sa.bindparam(name, type_=one.type) for name, one in zip(PLACE_PARAMETERS, columns, strict=True)]
    rows = _from_place(listed, columns[0], sa.tuple_(*parameters) if has_place else None, is_descending=is_descending)
    # PostgreSQL expects a tenth of all rows for a LIMIT that is a parameter, and then makes a plan at each use.
    return prepared(rows.limit(sa.literal_column(str(limit + 1))))


def _from_place(rows: AnySelect, column: Any, place: "sa.Tuple | None", *, is_descending: bool) -> AnySelect:
    if place is not None:
        here = sa.tuple_(column, Agent.id)
        rows = rows.where(here < place if is_descending else here > place)
    return rows.order_by(*_order(column, Agent.id, is_descending=is_descending))


def page_with_counts(
    listed: AnySelect,
    query: AgentQuery,
    attention: sa.CTE,
    found: Found,
    more: Sequence[sa.ColumnElement[Any]] = (),
) -> tuple[AnySelect, Mapping[str, Any]]:
    """The same as `page_and_place`, for rows that have the columns `counts` and `more` too.

    Where there are such columns, a page without agents is one row without an id.
    """
    asked = [*counts(query, attention, found), *more]
    if not asked:
        return page_and_place(listed, query, attention, found)
    counted = sa.select(*asked).subquery("counted")
    rows = page(listed, query, attention, found).subquery("page")
    order = _order(rows.c[_column(query.column).key], rows.c.id, is_descending=_is_descending(query))
    return sa.select(counted, rows).select_from(counted.outerjoin(rows, sa.true())).order_by(*order), {}


def tab_counts(attention: sa.CTE) -> list[sa.Label[int]]:
    """The columns of `Tabs`, for a statement with the parameter `account_id`."""
    groups = {
        "all": AGENTS,
        "active": AGENTS.where(Agent.status == AgentStatus.ACTIVE),
        "disabled": AGENTS.where(Agent.status == AgentStatus.DISABLED),
        "attention": sa.select(sa.literal(1)).select_from(attention),
    }
    return [_capped(rows).label(f"count_{name}") for name, rows in groups.items()]


def counts(query: AgentQuery, attention: sa.CTE, found: Found = ALL) -> list[sa.Label[int]]:
    """The columns of `Counts` that the counts of the tabs do not have: none for the first page of a tab."""
    matching = _filtered(AGENTS, query, attention, found)
    groups = {
        **({} if _tab(query) else {"matching": matching}),
        **({} if _place(query) is None else {"before_cursor": matching.where(_is_before_cursor(query))}),
    }
    return [_capped(rows).label(f"count_{name}") for name, rows in groups.items()]


def _tab(query: AgentQuery) -> str | None:
    """The tab that has the agents of this query. None where there are other filters too."""
    return next((name for name, wanted in FILTERS_OF_TABS.items() if query.filters == wanted), None)


def _is_descending(query: AgentQuery) -> bool:
    return query.descending is not query.is_backwards


def _order(*place: Any, is_descending: bool) -> list[sa.ColumnElement[Any]]:
    return [column.desc() if is_descending else column for column in place]


def _column(name: str) -> Any:
    return Agent.name_key if name == "name" else getattr(Agent, name)


def _place(query: AgentQuery) -> "sa.Tuple | None":
    columns = (_column(query.column), Agent.id)
    values = zip(_place_values(query), columns, strict=False)
    literals = [sa.literal(value, column.type) for value, column in values]
    return sa.tuple_(*literals) if literals else None


def _place_values(query: AgentQuery) -> tuple[Any, ...]:
    """The sorted value and the id at which the page begins; nothing for a page at an end of the list."""
    cursor = query.cursor or query.before
    if not cursor or (query.is_backwards and cursor == END):
        return ()
    return read_cursor(cursor, query.sort, query.cursor_filters)


def _is_before_cursor(query: AgentQuery) -> sa.ColumnElement[bool]:
    # The row of the cursor itself is before the next page, and is not before the row that the previous page ends with.
    place, here = _place(query), sa.tuple_(_column(query.column), Agent.id)
    if place is None:
        return sa.false()
    if query.is_backwards:
        return here > place if query.descending else here < place
    return here >= place if query.descending else here <= place


def _filtered(statement: AnySelect, query: AgentQuery, attention: sa.CTE | None, found: Found) -> AnySelect:
    conditions = [_is_one_of(getattr(Agent, name), values) for name in EXACT if (values := query.wanted(name))]
    if labels := [_has_label(*pair) for pair in query.label_pairs]:
        conditions.append(sa.or_(*labels))
    if models := query.wanted("model_type"):
        conditions.append(Agent.model_type.in_([spelling for model in models for spelling in spellings(model)]))
    if creators := query.wanted("created_by"):
        conditions.append(_is_one_of(Agent.created_by, list(map(UUID, creators))))
    if tests := query.wanted("test"):
        conditions.append(sa.or_(*map(test_results.has, tests)))
    if query.updated_since is not None:
        conditions.append(Agent.updated_at >= query.updated_since)
    if query.needs_attention is not None and attention is not None:
        # PostgreSQL finds their ids once. It would read all of them before it sorts, instead of some in their order.
        needs_attention = Agent.id.in_(sa.select(attention.c.id)).is_(sa.true())
        conditions.append(needs_attention if query.needs_attention else ~needs_attention)
    return agent_search.narrowed(statement.where(*conditions), query, found)


def _is_one_of(column: Any, values: list[Any]) -> sa.ColumnElement[bool]:
    # Most filters have one value, and the plan for it does not depend on their number.
    found: sa.ColumnElement[bool] = column == values[0] if len(values) == 1 else column.in_(values)
    return found


def _has_label(name: str, value: str | None) -> sa.ColumnElement[bool]:
    label = Agent.labels[name].as_string()
    found: sa.ColumnElement[bool] = label.is_not(None) if value is None else label == value
    return found


def _capped(rows: AnySelect) -> sa.ScalarSelect[int]:
    # Without `correlate(None)` the count would refer to the rows of the list.
    few = rows.limit(COUNT_UP_TO + 1).correlate(None).subquery()
    return sa.select(sa.func.count()).select_from(few).scalar_subquery()
