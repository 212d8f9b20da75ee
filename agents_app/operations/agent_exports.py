"""Operations that read all agents that match, in batches, for a table."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from agents_app.db import db
from agents_app.operations import (
    agent_list_statements,
    agent_secrets,
    attention_columns,
    few_agents,
    test_results,
    token_owners,
)
from agents_app.operations.agent_rows import LONG, SHORT, WHOLE
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.listing import LIMIT_MAX, AgentQuery, Sort, make_cursor

ALL = WHOLE.add_columns(attention_columns.IS_INCOMPLETE)


def export_rows(actor: Actor, query: AgentQuery) -> Iterator[dict[str, Any]]:
    """All agents that match, oldest first, whatever order, limit and cursor the query has. Raises Forbidden.

    `connection_config` has no secrets; `secrets_set` has the JSON pointers of those that are set. The order is that of
    their creation, because agents that others change then keep their place in it. No connection is kept from one
    batch to the next.
    """
    actor.require("agents.read")
    return _rows(actor, query.model_copy(update={"sort": Sort.CREATED_UP, "limit": LIMIT_MAX, "before": None}))


def _rows(actor: Actor, query: AgentQuery) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        asked = query.model_copy(update={"cursor": cursor})
        with db.reading() as connection:
            attention = None
            if asked.needs_attention is not None:
                attention = attention_columns.find(connection, actor.account_id).ids
            found = few_agents.find(connection, actor.account_id, asked)
            statement = agent_list_statements.page(ALL, asked, attention, found)
            rows = connection.execute(statement, {"account_id": actor.account_id}).all()
        yield from map(_shown, rows[:LIMIT_MAX])
        if len(rows) <= LIMIT_MAX:
            return
        last = rows[LIMIT_MAX - 1]
        cursor = make_cursor(asked.sort, last.created_at, last.id)


def _shown(row: sa.Row[*tuple[Any, ...]]) -> dict[str, Any]:
    shown = {column.key: row._mapping[column.key] for column in (*SHORT, *LONG)}
    encrypted = agent_secrets.encrypted_values(row.api_key, row.connection_config)
    return shown | {
        CONFIG: agent_secrets.shown_config(row.connection_type, row.connection_config),
        "secrets_set": list(encrypted),
        "is_incomplete": row.is_incomplete,
        "last_test": test_results.summary(row),
        "created_by": row.creator,
        "updated_by": row.updated_by and token_owners.who(row.updated_by, row.updated_by_token_owner),
    }
