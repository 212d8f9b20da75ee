"""Helpers that say why an agent needs attention. `attention_columns.py` finds such agents among many."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.config import settings
from agents_app.connections import TYPES
from agents_app.db import now
from agents_app.encryption import Keyring
from agents_app.models import Agent, ApiToken, ConnectionTest, RuntimeRead
from agents_app.operations import agent_secrets, agent_states, test_results
from agents_app.operations.departures import Departed
from agents_app.probes.results import Outcome
from agents_app.schemas import completeness
from agents_app.schemas.agents import CONFIG, AgentValues
from agents_app.values import limits
from agents_app.values.choices import AgentStatus
from agents_app.wording import label_in_sentence

EXPIRY_DATES = ("credential_expires_at", "api_key_expires_at")
SAMPLE = " This result is sample data."
OWNER_LEFT = "The owner has left: this person was deactivated or deleted. Enter another owner."
NOT_FETCHED = "No runtime has asked for it since {}. The last one used the token “{}”."
UNREADABLE = "A stored secret cannot be decrypted: {}."
LAST_SEEN = sa.select(RuntimeRead.seen_at)
LAST_TOKEN = sa.select(ApiToken.name).join(RuntimeRead, RuntimeRead.token_id == ApiToken.id)
COLUMNS = (
    Agent.id,
    Agent.name,
    Agent.owner,
    Agent.status,
    # As text: a newer release may have stored a type that this release does not know.
    sa.type_coerce(Agent.connection_type, sa.String).label("connection_type"),
    Agent.connection_config,
    Agent.api_key,
    *(getattr(Agent, name) for name in (*agent_states.MODEL, *EXPIRY_DATES)),
    ConnectionTest.outcome,
    ConnectionTest.result,
    ConnectionTest.is_sample,
    test_results.IS_OUT_OF_DATE.label("is_out_of_date"),
    *(
        asked.where(RuntimeRead.agent_id == Agent.id)
        .order_by(RuntimeRead.seen_at.desc())
        .limit(1)
        .scalar_subquery()
        .label(name)
        for asked, name in ((LAST_SEEN, "last_seen_at"), (LAST_TOKEN, "last_token"))
    ),
)
"""The columns that `reasons` reads."""
AGENTS = (
    sa.select(*COLUMNS)
    .outerjoin(ConnectionTest, ConnectionTest.agent_id == Agent.id)
    .where(Agent.account_id == sa.bindparam("account_id"))
)

AnySelect = sa.Select[*tuple[Any, ...]]
Reasons = list[dict[str, str]]
"""Why an agent needs attention: for each reason a code for programs, and a sentence."""


def find(connection: Connection, account_id: UUID, agents: AnySelect, departed: Departed) -> list[dict[str, Any]]:
    """The agents of the account that need attention: id, name and reasons. `agents` is AGENTS, limited or in order.

    Each of its agents is read in full. `departed` are the people who have left.
    """
    rows = connection.execute(agents, {"account_id": account_id})
    found = [{"id": row.id, "name": row.name, "reasons": reasons(row._asdict(), account_id, departed)} for row in rows]
    return [agent for agent in found if agent["reasons"]]


def with_columns(agents: AnySelect) -> AnySelect:
    """A statement on agents and their tests, with those of COLUMNS that it lacks."""
    return agents.add_columns(*(column for column in COLUMNS if column.key not in agents.selected_columns))


def reasons(agent: Mapping[str, Any], account_id: UUID, departed: Departed) -> Reasons:
    """Why an agent needs attention. `agent` has COLUMNS, `departed` are the people who have left."""
    encrypted = agent_secrets.encrypted_values(agent["api_key"], agent["connection_config"])
    config = agent_secrets.complete_config(agent["connection_type"], agent["connection_config"])
    missing = [
        {"code": "incomplete", "detail": f"Incomplete: {label_in_sentence(sentence)}"}
        for _, sentence in completeness.missing({**agent, CONFIG: config}, encrypted)
    ]
    found = _failed_test(agent, is_incomplete=bool(missing)) + missing
    found += [found_one for name in EXPIRY_DATES if (found_one := _expiry(agent, name))]
    if departed.includes(agent["owner"]):
        found.append({"code": "owner_left", "detail": OWNER_LEFT})
    found += _not_fetched(agent)
    return found + _unreadable(settings().keys.encryption, account_id, agent, encrypted)


def what_expires(connection_type: str, name: str) -> str:
    """What expires on the day in this field, as the label of the field says it, such as "Password"."""
    # A newer release may have stored a type that this release does not know.
    kind = next((known for known in TYPES if known == connection_type), None)
    model = AgentValues if name in AgentValues.model_fields else TYPES[kind] if kind else None
    label = model.model_fields[name].title if model else None
    return (label or "Credential").removesuffix(" expires on")


def not_fetched_before(today: date) -> datetime:
    """An agent that was fetched or checked before this moment, and not later, has not been for NOT_FETCHED_DAYS."""
    first_day = today - timedelta(days=limits.NOT_FETCHED_DAYS - 1)
    return datetime.combine(first_day, time(), UTC)


def _not_fetched(agent: Mapping[str, Any]) -> Reasons:
    """An active agent that runtimes no longer ask for. One that none ever asked for is not in use yet."""
    last = agent["last_seen_at"]
    if agent["status"] != AgentStatus.ACTIVE or last is None or last >= not_fetched_before(now().date()):
        return []
    return [{"code": "not_fetched", "detail": NOT_FETCHED.format(last.date().isoformat(), agent["last_token"])}]


def _failed_test(agent: Mapping[str, Any], *, is_incomplete: bool) -> Reasons:
    """The failed test, unless it failed only because something is missing, which is a reason of its own."""
    if agent["outcome"] != Outcome.FAILED or agent["is_out_of_date"]:
        return []
    failure = test_results.failure(agent["result"], is_incomplete=is_incomplete)
    return [{"code": "test_failed", "detail": f"{failure}{SAMPLE if agent['is_sample'] else ''}"}] if failure else []


def _expiry(agent: Mapping[str, Any], name: str) -> dict[str, str] | None:
    today, day = now().date(), agent[name]
    if day is None or day > today + timedelta(days=limits.EXPIRY_WARNING_DAYS):
        return None
    what = label_in_sentence(what_expires(agent["connection_type"], name))
    if day < today:
        return {"code": "expired", "detail": f"The {what} expired on {day.isoformat()}."}
    return {"code": "expiring", "detail": f"The {what} expires on {day.isoformat()}."}


def _unreadable(keyring: Keyring, account_id: UUID, agent: Mapping[str, Any], encrypted: Mapping[str, str]) -> Reasons:
    return [
        {"code": "secret_unreadable", "detail": UNREADABLE.format(pointer[1:].replace("/", "."))}
        for pointer, value in encrypted.items()
        if not agent_secrets.can_decrypt(keyring, account_id, agent["id"], pointer, value)
    ]
