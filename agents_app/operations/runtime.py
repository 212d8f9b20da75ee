"""Operations for runtimes: fetch the working configuration of an agent, with its secrets; check which agents changed.

The first fetch of a version by a token is an event. `runtime_reads.py` stores who has which version.
"""

from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Row

from agents_app.config import settings
from agents_app.database.prepared import prepared
from agents_app.db import db, now
from agents_app.errors import Forbidden, NotFound
from agents_app.models import Agent, RuntimeRead
from agents_app.operations import agent_secrets, external_ids, runtime_reads, version_marks
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import API_KEY, CONFIG, FIELDS
from agents_app.schemas.listing import Sort, make_cursor, read_cursor
from agents_app.schemas.repeated_filters import RuntimeQuery
from agents_app.values import limits
from agents_app.values.choices import AgentStatus
from agents_app.values.rules import is_uuid
from agents_app.values.text import clean_text

OF_ACCOUNT = Agent.account_id == sa.bindparam("account_id")
ONE = prepared(
    sa.select(
        Agent.id,
        Agent.version,
        Agent.status,
        Agent.status_reason,
        Agent.api_key,
        Agent.connection_config,
        *(getattr(Agent, name) for name in FIELDS),
        Agent.updated_at,
        *runtime_reads.COLUMNS,
    )
    .outerjoin(RuntimeRead, runtime_reads.OF_TOKEN)
    .where(Agent.id == sa.bindparam("id"), OF_ACCOUNT)
)
CHECKED = (
    sa.select(
        Agent.id,
        Agent.external_id,
        Agent.version,
        Agent.updated_at,
        Agent.status,
        Agent.status_reason,
        *runtime_reads.COLUMNS,
    )
    .outerjoin(RuntimeRead, runtime_reads.OF_TOKEN)
    .where(OF_ACCOUNT)
)
IDS, EXTERNAL_IDS = "ids", "external_ids"
# PostgreSQL takes lists as arrays, so that one plan is for lists of any length.
CHECKED_ON = {
    "postgresql": prepared(
        CHECKED.where(
            sa.or_(
                Agent.id == sa.any_(sa.bindparam(IDS, type_=ARRAY(sa.Uuid))),
                Agent.external_id == sa.any_(sa.bindparam(EXTERNAL_IDS, type_=ARRAY(sa.String))),
            )
        )
    ),
    "sqlite": CHECKED.where(
        sa.or_(
            Agent.id.in_(sa.bindparam(IDS, expanding=True)),
            Agent.external_id.in_(sa.bindparam(EXTERNAL_IDS, expanding=True)),
        )
    ),
}
FETCHABLE = sa.select(Agent.id, Agent.external_id, Agent.name, Agent.version, Agent.updated_at, Agent.created_at).where(
    OF_ACCOUNT, Agent.status == AgentStatus.ACTIVE
)
# How often a runtime should ask, in seconds. What it asks is stored as often.
CHECK_AGAIN_AFTER_S = int(runtime_reads.STORE_EVERY.total_seconds())
NOT_FOUND = {"state": "not_found", "id": None, "version": None, "marked": None, "reason": None}


def fetch(actor: Actor, agent_id: UUID, known: Container[str] = (), *, is_head: bool = False) -> dict[str, Any] | str:
    """The working configuration of an active agent, with its secrets; only its marked version if that is in `known`.

    The first fetch of a version by a token is recorded before it returns. Other fetches are counted (see
    `runtime_reads.py`). A HEAD request gets no secret, so it is no fetch. Raises Forbidden (also `agent_disabled`),
    NotFound, Unavailable.
    """
    actor.require("agents.runtime")
    parameters = {"id": agent_id, "account_id": actor.account_id, "token_id": actor.token_id}
    with db.reading() as connection:
        row = connection.execute(ONE, parameters).one_or_none()
    if row is None or not _may_fetch(actor, agent_id):
        raise NotFound(NO_AGENT)
    if row.status != AgentStatus.ACTIVE:
        raise Forbidden(f"The agent is disabled: {row.status_reason or 'no reason given.'}", code="agent_disabled")
    is_known = (version := _marked(row)) in known
    answer = version if is_known else _working_configuration(actor, row)
    if not is_head:
        (runtime_reads.store_sign_of_life if is_known else runtime_reads.store_fetch)(actor, row, now())
    return answer


def id_to_fetch(actor: Actor, external_id: str) -> UUID:
    """The id of the agent with this external id, for `fetch`. Raises Forbidden, and NotFound as `fetch` does."""
    actor.require("agents.runtime")
    with db.reading() as connection:
        agent_id = external_ids.find(connection, actor, external_id)
    if not _may_fetch(actor, agent_id):
        raise NotFound(external_ids.NO_AGENT)
    return agent_id


def fetchable(actor: Actor, query: RuntimeQuery) -> tuple[list[dict[str, Any]], str | None]:
    """The active agents that this token may fetch, the oldest first, with marked versions; and the next cursor.

    It is no fetch and no check: nothing is stored. Raises Forbidden, Malformed (cursor).
    """
    actor.require("agents.runtime")
    statement = FETCHABLE.order_by(Agent.created_at, Agent.id).limit(query.limit + 1)
    if actor.agent_ids:
        statement = statement.where(Agent.id.in_(actor.agent_ids))
    if query.external_id:
        statement = statement.where(Agent.external_id.in_(query.external_id))
    if query.cursor:
        created_at, agent_id = read_cursor(query.cursor, Sort.CREATED_UP, query.cursor_filters)
        place = sa.tuple_(sa.literal(created_at, Agent.created_at.type), sa.literal(agent_id, Agent.id.type))
        statement = statement.where(sa.tuple_(Agent.created_at, Agent.id) > place)
    with db.reading() as connection:
        rows = connection.execute(statement, {"account_id": actor.account_id}).all()
    shown, more = rows[: query.limit], len(rows) > query.limit
    cursor = make_cursor(Sort.CREATED_UP, shown[-1].created_at, shown[-1].id, query.cursor_filters) if more else None
    names = ("id", "external_id", "name", "version")
    return [{**{name: row._mapping[name] for name in names}, "marked": _marked(row)} for row in shown], cursor


def check(actor: Actor, known: Mapping[str, Collection[str]]) -> dict[str, dict[str, Any]]:
    """For each agent, by its id or else its external id, whether the runtime has its version, marked, in `known`.

    The states are `unchanged`, `changed`, `disabled` with the reason, and `not_found`, also where the token cannot
    fetch the agent. One statement reads all. That the token checked is stored now and then. Raises Forbidden.
    """
    actor.require("agents.runtime")
    texts = {key: clean_text(key, most=limits.EXTERNAL_ID, one_line=True) for key in known}
    ids = {text: UUID(text) for text in texts.values() if is_uuid(text)}
    parameters = {"account_id": actor.account_id, "token_id": actor.token_id}
    wanted = {IDS: list(ids.values()), EXTERNAL_IDS: list(texts.values())}
    with db.reading() as connection:
        rows = connection.execute(CHECKED_ON[connection.dialect.name], parameters | wanted).all()
    by_id = {row.id: row for row in rows}
    by_external_id = {row.external_id: row for row in rows}
    found = {key: by_id.get(ids.get(text)) or by_external_id.get(text) for key, text in texts.items()}
    found = {key: row if row and _may_fetch(actor, row.id) else None for key, row in found.items()}
    _store_checks(actor, [(row, known[key]) for key, row in found.items() if row])
    return {key: _checked(row, known[key]) if row else NOT_FOUND for key, row in found.items()}


def _may_fetch(actor: Actor, agent_id: UUID) -> bool:
    return not actor.agent_ids or agent_id in actor.agent_ids


def _marked(row: Row[*tuple[Any, ...]]) -> str:
    return version_marks.runtime_marked(row.id, row.version, row.updated_at)


def _checked(row: Row[*tuple[Any, ...]], known: Collection[str]) -> dict[str, Any]:
    found = {"id": row.id, "version": row.version, "marked": _marked(row), "reason": None}
    if row.status != AgentStatus.ACTIVE:
        return found | {"state": "disabled", "reason": row.status_reason}
    return found | {"state": "unchanged" if found["marked"] in known else "changed"}


def _store_checks(actor: Actor, asked: Sequence[tuple[Row[*tuple[Any, ...]], Collection[str]]]) -> None:
    """Store the checks of active agents where the runtime has a new version, or gave no sign of life for long.

    A runtime that never fetched an agent, and does not have its version, does not run it.
    """
    moment = now()
    due: dict[UUID, int] = {}
    for row, known in asked:
        version = row.version if _marked(row) in known else row.known_version
        is_known = row.known_version is not None and version is not None and version <= row.known_version
        is_fresh = row.seen_at is not None and moment - row.seen_at < runtime_reads.STORE_CHECKS_EVERY
        if row.status == AgentStatus.ACTIVE and version is not None and not (is_known and is_fresh):
            due[row.id] = max(version, due.get(row.id, 0))
    runtime_reads.store_checks(actor, list(due.items()), moment)


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
