"""Helpers that find the agents that need attention, and say why. `reasons` is the only definition of it."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.config import settings
from agents_app.connections import TYPES
from agents_app.db import now
from agents_app.encryption import Keyring
from agents_app.models import Agent, ConnectionTest
from agents_app.operations import agent_secrets, agent_states
from agents_app.probes.results import Outcome
from agents_app.schemas import completeness
from agents_app.schemas.agents import CONFIG
from agents_app.values import limits

EXPIRY_DATES = {"credential_expires_at": "credential", "api_key_expires_at": "API key"}
# Whether a key decrypts an encrypted value never changes. The values are cached encrypted.
_can_decrypt = lru_cache(maxsize=20_000)(agent_secrets.can_decrypt)
UNREADABLE = "A stored secret cannot be decrypted: {}."
AGENTS = (
    sa.select(
        Agent.id,
        Agent.name,
        # As text: a newer release may have stored a type that this release does not know.
        sa.type_coerce(Agent.connection_type, sa.String).label("connection_type"),
        Agent.connection_config,
        Agent.api_key,
        *(getattr(Agent, name) for name in (*agent_states.MODEL, *EXPIRY_DATES)),
        ConnectionTest.outcome,
        ConnectionTest.is_out_of_date,
    )
    .outerjoin(ConnectionTest, ConnectionTest.agent_id == Agent.id)
    .where(Agent.account_id == sa.bindparam("account_id"))
    .order_by(Agent.name_key, Agent.id)
)

Reasons = list[dict[str, str]]
"""Why an agent needs attention: for each reason a code for programs, and a sentence."""


def find(connection: Connection, account_id: UUID) -> dict[UUID, dict[str, Any]]:
    """The agents of the account that need attention, by id, in the order of their names: id, name and reasons."""
    rows = connection.execute(AGENTS, {"account_id": account_id})
    found = [{"id": row.id, "name": row.name, "reasons": reasons(row._asdict(), account_id)} for row in rows]
    return {agent["id"]: agent for agent in found if agent["reasons"]}


def reasons(agent: Mapping[str, Any], account_id: UUID) -> Reasons:
    """Why an agent needs attention. `agent` has the columns of AGENTS."""
    encrypted = agent_secrets.encrypted_values(agent["api_key"], agent["connection_config"])
    found: Reasons = []
    if agent["outcome"] == Outcome.FAILED and not agent["is_out_of_date"]:
        found.append({"code": "test_failed", "detail": "The last test failed."})
    config = _sign_in_config(agent["connection_type"], agent["connection_config"])
    for _, sentence in completeness.missing({**agent, CONFIG: config}, encrypted):
        found.append({"code": "incomplete", "detail": sentence})
    found += [found_one for name in EXPIRY_DATES if (found_one := _expiry(name, agent[name]))]
    return found + _unreadable(settings().keys.encryption, account_id, agent, encrypted)


def _sign_in_config(kind: Any, config: Any) -> Any:
    # Every page of the list reads all agents of the account, so only what older rows lack is completed.
    declaration = TYPES.get(kind)
    if not isinstance(config, Mapping) or declaration is None:
        return agent_secrets.complete_config(kind, config)
    is_whole = "auth_method" not in declaration.model_fields or config.get("auth_method")
    return config if is_whole else agent_secrets.complete_config(kind, config)


def _expiry(name: str, day: date | None) -> dict[str, str] | None:
    today = now().date()
    if day is None or day > today + timedelta(days=limits.EXPIRY_WARNING_DAYS):
        return None
    what = EXPIRY_DATES[name]
    if day < today:
        return {"code": "expired", "detail": f"The {what} expired on {day.isoformat()}."}
    return {"code": "expiring", "detail": f"The {what} expires on {day.isoformat()}."}


def _unreadable(keyring: Keyring, account_id: UUID, agent: Mapping[str, Any], encrypted: Mapping[str, str]) -> Reasons:
    return [
        {"code": "secret_unreadable", "detail": UNREADABLE.format(pointer[1:].replace("/", "."))}
        for pointer, value in encrypted.items()
        if not _can_decrypt(keyring, account_id, agent["id"], pointer, value)
    ]
