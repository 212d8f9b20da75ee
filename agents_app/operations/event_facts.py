"""Helpers that add to events what is known of their records now. They write nothing."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.models import Agent, AgentVersion, ApiToken, User
from agents_app.operations import known_ids
from agents_app.operations.permissions import Actor
from agents_app.schemas.versions import VERSION_MAX

Item = dict[str, Any]
# SQLite limits the number of parameters of a statement.
ROWS_OF_A_QUERY = 500


def add_agent_facts(connection: Connection, actor: Actor, items: Sequence[Item]) -> None:
    """Add to events of agents whether the agent exists, whether the event is its last deletion, and what it changed.

    `changes` is what its version recorded, None where there is no such version.
    """
    for start in range(0, len(items), ROWS_OF_A_QUERY):
        some = items[start : start + ROWS_OF_A_QUERY]
        _add_presence(connection, actor, some)
        _add_changes(connection, actor, some)


def record_name(connection: Connection, actor: Actor, record_id: UUID) -> str | None:
    """The name of an agent, which may be deleted, of a person or of a token of the account."""
    versions = sa.select(AgentVersion.snapshot["name"].as_string()).order_by(AgentVersion.version.desc()).limit(1)
    queries = (
        versions.where(AgentVersion.agent_id == record_id, AgentVersion.account_id == actor.account_id),
        sa.select(User.name).where(User.id == record_id, User.account_id == actor.account_id),
        sa.select(ApiToken.name).where(ApiToken.id == record_id, ApiToken.account_id == actor.account_id),
    )
    found = (connection.scalar(query) for query in queries)
    return next((name for name in found if name is not None), None)


def _add_presence(connection: Connection, actor: Actor, items: Sequence[Item]) -> None:
    wanted = {item["target_id"] for item in items if item["target_kind"] == "agent"}
    query = sa.select(Agent.id).where(known_ids.are_of(actor.account_id, Agent), Agent.id.in_(wanted))
    there = set(connection.scalars(query)) if wanted else set()
    gone = {item["target_id"] for item in items if item["action"] == AgentVersion.DELETED} - there
    versions = sa.select(AgentVersion.agent_id, sa.func.max(AgentVersion.version)).group_by(AgentVersion.agent_id)
    last = versions.where(known_ids.are_of(actor.account_id, AgentVersion), AgentVersion.agent_id.in_(gone))
    # If an agent was deleted twice, only the second deletion can be undone.
    undoable = {(row[0], row[1]) for row in connection.execute(last)} if gone else set()
    for item in items:
        item["is_there"] = item["target_id"] in there
        item["can_be_undone"] = item["action"] == AgentVersion.DELETED and _version(item) in undoable


def _add_changes(connection: Connection, actor: Actor, items: Sequence[Item]) -> None:
    wanted = sorted(set(filter(None, map(_version, items))), key=str)
    query = sa.select(
        AgentVersion.agent_id,
        AgentVersion.version,
        AgentVersion.changes,
        AgentVersion.snapshot["connection_type"].as_string().label("connection_type"),
    ).where(
        known_ids.are_of(actor.account_id, AgentVersion),
        sa.tuple_(AgentVersion.agent_id, AgentVersion.version).in_(wanted),
    )
    if connection.dialect.name == "sqlite":
        # It finds no row by a pair.
        agent_ids, numbers = ({pair[place] for pair in wanted} for place in (0, 1))
        query = query.where(AgentVersion.agent_id.in_(agent_ids), AgentVersion.version.in_(numbers))
    found = {(row.agent_id, row.version): row for row in connection.execute(query)} if wanted else {}
    for item in items:
        version = _version(item)
        row = found.get(version) if version else None
        item["changes"] = None if row is None else row.changes if isinstance(row.changes, dict) else {}
        item["connection_type"] = row and row.connection_type


def _version(item: Item) -> tuple[UUID, int] | None:
    """The agent and the version of an event. None where it names no version that can exist."""
    version = item["details"].get("version")
    is_one = item["target_kind"] == "agent" and type(version) is int and 0 < version <= VERSION_MAX
    return (item["target_id"], version) if is_one else None
