"""Operations for runtimes: fetch the working configuration of an agent, with its secrets. Each fetch is an event."""

from collections.abc import Container
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from agents_app.config import settings
from agents_app.db import db
from agents_app.errors import Forbidden, NotFound
from agents_app.models import Agent
from agents_app.operations import agent_secrets, event_records
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import API_KEY, CONFIG, FIELDS
from agents_app.values.choices import AgentStatus

ONE = sa.select(
    Agent.id,
    Agent.version,
    Agent.status,
    Agent.status_reason,
    Agent.api_key,
    Agent.connection_config,
    *(getattr(Agent, name) for name in FIELDS),
    Agent.updated_at,
).where(Agent.id == sa.bindparam("id"), Agent.account_id == sa.bindparam("account_id"))


def fetch(actor: Actor, agent_id: UUID, known: Container[int] = ()) -> dict[str, Any] | int:
    """The working configuration of an active agent, with its secrets; only its version if that is in `known`.

    A fetch with secrets is recorded before it returns. Raises Forbidden (also `agent_disabled`), NotFound, Unavailable.
    """
    actor.require("agents.runtime")
    with db.reading() as connection:
        row = connection.execute(ONE, {"id": agent_id, "account_id": actor.account_id}).one_or_none()
    if row is None or (actor.agent_ids and agent_id not in actor.agent_ids):
        raise NotFound(NO_AGENT)
    if row.status != AgentStatus.ACTIVE:
        raise Forbidden(f"The agent is disabled: {row.status_reason or 'no reason given.'}", code="agent_disabled")
    if row.version in known:
        return int(row.version)
    answer = _working_configuration(actor, row)
    with db.transaction() as session:
        event_records.add(session, actor, "agent.fetched", ("agent", row.id, row.name), version=row.version)
    return answer


def _working_configuration(actor: Actor, row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    encrypted = agent_secrets.encrypted_values(row.api_key, row.connection_config)
    clear = agent_secrets.decrypt(settings().keys.encryption, actor.account_id, row.id, encrypted)
    # A secret of the type that is not set is null, as the API key is.
    leaves: dict[str, str | None] = dict.fromkeys(agent_secrets.names(row.connection_type))
    leaves |= {pointer.rpartition("/")[2]: value for pointer, value in clear.items() if pointer != API_KEY}
    return {
        "id": row.id,
        "version": row.version,
        **{name: row._mapping[name] for name in FIELDS},
        "api_key": clear.get(API_KEY),
        CONFIG: {**agent_secrets.complete_config(row.connection_type, row.connection_config), **leaves},
        "updated_at": row.updated_at,
    }
