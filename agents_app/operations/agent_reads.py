"""Operations that read agents: one, or a list. They return rows, not entities. `agents.py` changes agents."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from agents_app.config import settings
from agents_app.connections import TYPES
from agents_app.db import db
from agents_app.errors import NotFound
from agents_app.models import Agent, AgentVersion, ConnectionTest, User
from agents_app.operations import (
    agent_list_statements,
    agent_secrets,
    attention_columns,
    attention_reasons,
    known_names,
    test_results,
)
from agents_app.operations.agent_list_statements import COUNT_UP_TO, OF_ACCOUNT, Counts
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG, FIELDS
from agents_app.schemas.listing import END, AgentQuery, make_cursor

AnyRow = Row[*tuple[Any, ...]]

TITLE_FIELDS = sorted({name for declaration in TYPES.values() for name in declaration.title_fields})
SHORT = (
    Agent.id,
    Agent.name,
    Agent.description,
    Agent.status,
    Agent.status_reason,
    Agent.external_id,
    Agent.owner,
    Agent.environment,
    Agent.labels,
    Agent.model_provider,
    Agent.model_type,
    Agent.api_key_expires_at,
    # As text: an older release that runs at the same time lists agents of types that it does not know.
    sa.type_coerce(Agent.connection_type, sa.String).label("connection_type"),
    Agent.credential_expires_at,
    Agent.version,
    Agent.created_at,
    Agent.updated_at,
    Agent.created_by,
)
# The columns that are too long for a list.
LONG = tuple(getattr(Agent, name) for name in FIELDS if name not in {column.key for column in SHORT})
# The newest version of an agent has the number of the agent.
LAST_CHANGE = sa.and_(AgentVersion.agent_id == Agent.id, AgentVersion.version == Agent.version)
ONE = (
    sa.select(
        *SHORT,
        *LONG,
        Agent.api_key,
        Agent.connection_config,
        Agent.secret_facts,
        *test_results.COLUMNS,
        ConnectionTest.result.label("test_result"),
        User.name.label("creator"),
        AgentVersion.actor_name.label("updated_by"),
    )
    .outerjoin(User, User.id == Agent.created_by)
    .outerjoin(AgentVersion, LAST_CHANGE)
    .outerjoin(ConnectionTest, ConnectionTest.agent_id == Agent.id)
    .where(Agent.id == sa.bindparam("id"), OF_ACCOUNT)
)
LIST = (
    sa.select(
        *SHORT,
        Agent.name_key,
        *(Agent.connection_config[name].as_string().label(f"title_{name}") for name in TITLE_FIELDS),
        *test_results.COLUMNS,
        User.name.label("creator"),
        AgentVersion.actor_name.label("updated_by"),
    )
    .outerjoin(User, User.id == Agent.created_by)
    .outerjoin(AgentVersion, LAST_CHANGE)
    .outerjoin(ConnectionTest, ConnectionTest.agent_id == Agent.id)
    .where(OF_ACCOUNT)
)
ON_PAGES = ConnectionTest.result["connection", "facts"].label("test_facts"), attention_columns.IS_INCOMPLETE


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
    rows_before: int | None = None
    """The number of matching agents before these. None if they are more than COUNT_UP_TO."""


def read(actor: Actor, agent_id: UUID) -> dict[str, Any]:
    """One agent, with what is known of its secrets in place of their values. Raises Forbidden, NotFound."""
    actor.require("agents.read")
    with db.reading() as connection:
        row = connection.execute(ONE, {"id": agent_id, "account_id": actor.account_id}).one_or_none()
    if row is None:
        raise NotFound(NO_AGENT)
    shown = _short(row) | {column.key: row._mapping[column.key] for column in LONG}
    config = agent_secrets.shown_config(row.connection_type, row.connection_config)
    last_test = shown["last_test"] and {**shown["last_test"], "parts": test_results.parts(row.test_result)}
    secrets_set = _secrets_set(row, actor.account_id)
    return shown | {CONFIG: config, "secrets_set": secrets_set, "last_test": last_test}


def listing(actor: Actor, query: AgentQuery) -> Page:
    """The agents that match, in order, at most `query.limit`. Raises Forbidden, Malformed (cursor)."""
    actor.require("agents.read")
    with db.reading() as connection:
        found = attention_columns.find(connection, actor.account_id) if query.needs_attention is not None else None
        statement = agent_list_statements.page(LIST, query, found and found.ids)
        rows = connection.execute(statement, {"account_id": actor.account_id}).all()
    return _page(query, rows)


def counts(actor: Actor) -> Counts:
    """The numbers of agents of the account without a filter. Raises Forbidden."""
    actor.require("agents.read")
    with db.reading() as connection:
        attention, _ = attention_columns.find(connection, actor.account_id)
        statement = sa.select(*agent_list_statements.counts(AgentQuery(), attention))
        return Counts.of_row(connection.execute(statement, {"account_id": actor.account_id}).one())


def listing_with_counts(actor: Actor, query: AgentQuery) -> tuple[Page, Counts]:
    """The same as `listing`, with counts from the same statement. Raises Forbidden, Malformed (cursor)."""
    actor.require("agents.read")
    account = {"account_id": actor.account_id}
    with db.reading() as connection:
        attention, departed = attention_columns.find(connection, actor.account_id)
        columns = agent_list_statements.counts(query, attention)
        statement = agent_list_statements.page(LIST, query, attention).add_columns(*ON_PAGES, *columns)
        rows = connection.execute(statement, account).all()
        counted = Counts.of_row(rows[0] if rows else connection.execute(sa.select(*columns), account).one())
        page, facts = _page(_ending(query, counted), rows), {row.id: row.test_facts for row in rows}
        names = {item["id"]: known_names.of_facts(facts[item["id"]], item["connection"]) for item in page.items}
        page = replace(page, names=names, incomplete=frozenset(row.id for row in rows if row.is_incomplete))
        page = replace(page, owner_left=frozenset(row.id for row in rows if departed.includes(row.owner)))
        page = replace(page, rows_before=_rows_before(query, counted, len(page.items)))
        if query.needs_attention:
            shown = attention_reasons.AGENTS.where(Agent.id.in_([item["id"] for item in page.items]))
            found = attention_reasons.find(connection, actor.account_id, shown, departed)
            page = replace(page, reasons={agent["id"]: agent["reasons"] for agent in found})
    return page, counted


def _secrets_set(row: AnyRow, account_id: UUID) -> dict[str, Any]:
    keyring, encrypted = settings().keys.encryption, agent_secrets.encrypted_values(row.api_key, row.connection_config)
    readable = {
        pointer: agent_secrets.can_decrypt(keyring, account_id, row.id, pointer, value)
        for pointer, value in encrypted.items()
    }
    facts = agent_secrets.shown_facts(encrypted, row.secret_facts)
    return {pointer: {**fact, "readable": readable.get(pointer, False)} for pointer, fact in facts.items()}


def _short(row: AnyRow) -> dict[str, Any]:
    creator = {"id": row.created_by, "name": row.creator} if row.created_by else None
    shown = {column.key: row._mapping[column.key] for column in SHORT}
    last_test = test_results.summary(row)
    return shown | {"created_by": creator, "updated_by": row.updated_by, "last_test": last_test}


def _item(row: AnyRow) -> dict[str, Any]:
    titles = getattr(TYPES.get(row.connection_type), "title_fields", ())
    return _short(row) | {"connection": {name: row._mapping[f"title_{name}"] for name in titles}}


def _page(query: AgentQuery, rows: Sequence[AnyRow]) -> Page:
    more = len(rows) > query.limit
    shown = rows[: query.limit]
    items = [_item(row) for row in (reversed(shown) if query.is_backwards else shown)]
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
    return make_cursor(query.sort, row.name_key if query.column == "name" else row._mapping[query.column], row.id)
