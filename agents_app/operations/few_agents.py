"""Helpers that find the agents of a query, if they are few, by an index. They write nothing.

In the order of a list, a database would read all agents of the account before it knows that few of them match.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection

from agents_app.models import Agent
from agents_app.operations import agent_list_statements, agent_search
from agents_app.operations.agent_search import ALL, Found
from agents_app.schemas.listing import AgentQuery

# The filters that have an index, but for the status, which has two values.
WITH_INDEX = ("connection_type", "model_provider", "model_type", "environment", "owner", "created_by", "label")


def find(connection: Connection, account_id: UUID, query: AgentQuery, attention: sa.CTE | None = None) -> Found:
    """The agents that match the query, if they are few: by the words of its search, or by the index of a filter.

    `attention` has some agents that need attention (see `attention_columns.Found`).
    """
    if query.words:
        return agent_search.find(connection, account_id, query)
    if not any(map(query.wanted, WITH_INDEX)):
        if attention is None or not query.needs_attention:
            return ALL
        return agent_search.few(connection, account_id, sa.select(attention.c.id))
    ids = agent_list_statements.matching_ids(query)
    if query.label_pairs and connection.dialect.name == "postgresql":
        ids = ids.where(sa.or_(*(_is_in_label_index(*pair) for pair in query.label_pairs)))
    return agent_search.few(connection, account_id, ids)


def _is_in_label_index(name: str, value: str | None) -> sa.ColumnElement[bool]:
    # The same as the filter, in the operators of the index.
    labels = sa.type_coerce(Agent.labels, JSONB)
    found: sa.ColumnElement[bool] = labels.has_key(name) if value is None else labels.contains({name: value})
    return found
