"""Helpers that read the rows of agents for a file: all that match as a file shows them, and those that a plan needs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.models import Agent
from agents_app.operations import agent_list_statements, agent_secrets, attention_columns, few_agents
from agents_app.operations.agent_list_statements import OF_ACCOUNT
from agents_app.operations.agent_matching import Known
from agents_app.operations.permissions import Actor
from agents_app.schemas import agent_files as schema
from agents_app.schemas.agents import CONFIG, FIELDS
from agents_app.schemas.listing import AgentQuery, Sort, make_cursor
from agents_app.values.choices import AgentStatus

# A statement must not take long, and SQLite limits the number of its parameters.
ROWS_OF_A_QUERY = 500
KNOWN = sa.select(Agent.id, Agent.external_id, Agent.name, Agent.version).where(OF_ACCOUNT)
SHARED_NAMES = (
    sa.select(Agent.name)
    .where(OF_ACCOUNT, Agent.external_id.is_(None))
    .group_by(Agent.name)
    .having(sa.func.count() > 1)
    .order_by(Agent.name)
)
# As text: an older release that runs at the same time reads agents of types that it does not know.
TYPE = sa.type_coerce(Agent.connection_type, sa.String).label("connection_type")
WHOLE = sa.select(
    Agent.id,
    Agent.version,
    Agent.created_at,
    *(getattr(Agent, name) for name in FIELDS if name != "connection_type"),
    TYPE,
    Agent.connection_config,
    Agent.api_key,
    Agent.secret_facts,
    Agent.credential_expires_at,
    Agent.status,
    Agent.status_reason,
).where(OF_ACCOUNT)


def known(connection: Connection, actor: Actor) -> list[Known]:
    """Every agent of the account, as far as it is needed to find it."""
    return [Known(*row) for row in connection.execute(KNOWN, {"account_id": actor.account_id})]


def shared_names(connection: Connection, actor: Actor) -> list[str]:
    """The names that several agents without an external id have."""
    return list(connection.scalars(SHARED_NAMES, {"account_id": actor.account_id}))


def rows(connection: Connection, actor: Actor, agent_ids: Sequence[UUID]) -> Mapping[UUID, Agent]:
    """These agents of the account, as rows with the columns of a state, by id."""
    found: dict[UUID, Agent] = {}
    for start in range(0, len(agent_ids), ROWS_OF_A_QUERY):
        some = WHOLE.where(Agent.id.in_(agent_ids[start : start + ROWS_OF_A_QUERY]))
        # A row has the attributes of the entity that a state is read from.
        found |= {row.id: cast("Agent", row) for row in connection.execute(some, {"account_id": actor.account_id})}
    return found


def shown(connection: Connection, actor: Actor, query: AgentQuery) -> Iterator[dict[str, Any]]:
    """Every agent that matches, as a file shows it. Sort, limit and place of the query do not matter."""
    changes = {"sort": Sort.CREATED_UP, "limit": ROWS_OF_A_QUERY, "cursor": None, "before": None}
    attention = attention_columns.find(connection, actor.account_id).ids if query.needs_attention is not None else None
    while True:
        part = query.model_copy(update=changes)
        found = few_agents.find(connection, actor.account_id, part)
        statement = agent_list_statements.page(WHOLE, part, attention, found)
        read = connection.execute(statement, {"account_id": actor.account_id}).all()
        yield from (_shown(row) for row in read[:ROWS_OF_A_QUERY])
        if len(read) <= ROWS_OF_A_QUERY:
            return
        last = read[ROWS_OF_A_QUERY - 1]
        changes["cursor"] = make_cursor(Sort.CREATED_UP, last.created_at, last.id)


def _shown(row: sa.Row[*tuple[Any, ...]]) -> dict[str, Any]:
    values = {name: row._mapping[name] for name in FIELDS}
    values["api_key_expires_at"] = row.api_key_expires_at and row.api_key_expires_at.isoformat()
    config = agent_secrets.shown_config(row.connection_type, row.connection_config)
    encrypted = agent_secrets.encrypted_values(row.api_key, row.connection_config)
    return schema.shown({**values, CONFIG: config}, (AgentStatus(row.status).value, row.status_reason), encrypted)
