"""Operations on all accounts: find and remove private keys that 0.1.0 stored in clear in public fields."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.db import db
from agents_app.models import Agent, AgentVersion
from agents_app.operations import agent_secrets, event_records
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.values.choices import Door
from agents_app.values.pem import without_private_keys

# How many rows one statement reads, and one transaction changes.
BATCH = 1_000
# Every private key in PEM contains this. The database returns only the rows that contain it.
MARK = "-----"


@dataclass
class MisplacedKey:
    """A public field of one agent that contains a private key: in the agent, or in versions of its history."""

    agent_id: UUID
    account_id: UUID
    name: str
    pointer: str
    kind: str
    is_in_agent: bool = False
    versions: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Row:
    """A row with a private key: an agent if `version` is None, else one version."""

    agent_id: UUID
    account_id: UUID
    name: str
    is_deleted: bool
    version: int | None
    config: Any


def find() -> list[MisplacedKey]:
    """All public fields that contain a private key, in all accounts and deleted agents."""
    found: dict[tuple[UUID, str], MisplacedKey] = {}
    for row in chain(_agents(), _versions()):
        kind = "deleted agent" if row.is_deleted else "agent"
        for name in _members(row.config):
            pointer = f"/{CONFIG}/{name}"
            new = MisplacedKey(row.agent_id, row.account_id, row.name, pointer, kind)
            one = found.setdefault((row.agent_id, pointer), new)
            if row.version is None:
                one.is_in_agent = True
            else:
                one.versions.append(row.version)
    return list(found.values())


def remove(operator: str, found: Sequence[MisplacedKey]) -> None:
    """Remove these private keys from agents and versions, with one event for each agent. Version numbers stay."""
    for one in found:
        # The row of the agent is changed with the first versions, or alone if there are none.
        for begin in range(0, max(len(one.versions), 1), BATCH):
            with db.transaction() as session:
                _remove(session, operator, one, one.versions[begin : begin + BATCH])


def _remove(session: Session, operator: str, one: MisplacedKey, numbers: list[int]) -> None:
    agent = session.get(Agent, one.agent_id, with_for_update=True)
    is_changed = agent is not None and _members(agent.connection_config) != []
    if agent is not None and is_changed:
        config = without_private_keys(agent.connection_config)
        change = sa.update(Agent).where(Agent.id == agent.id).values(connection_config=config)
        session.execute(change.execution_options(synchronize_session=False))
    query = sa.select(AgentVersion).where(AgentVersion.agent_id == one.agent_id, AgentVersion.version.in_(numbers))
    rows = [row for row in session.scalars(query.with_for_update()) if _members(row.snapshot.get(CONFIG))]
    for row in rows:
        row.snapshot = {**row.snapshot, CONFIG: without_private_keys(row.snapshot[CONFIG])}
    if is_changed or rows:
        actor, target = Actor(one.account_id, operator, Door.TERMINAL), ("agent", one.agent_id, one.name)
        event_records.add(session, actor, "secrets.private_key_removed", target, versions=len(rows))


def _members(config: Any) -> list[str]:
    """The public fields of a stored configuration that contain a private key."""
    return [name for name, value in agent_secrets.public_config(config).items() if without_private_keys(value) != value]


def _agents() -> Iterator[_Row]:
    has_mark = sa.cast(Agent.connection_config, sa.Text).contains(MARK, autoescape=True)
    config = sa.case((has_mark, Agent.connection_config)).label("config")
    query = sa.select(Agent.id, Agent.account_id, Agent.name, config).order_by(Agent.id).limit(BATCH)
    last = UUID(int=0)
    while True:
        with db.reading() as connection:
            rows = connection.execute(query.where(Agent.id > last)).all()
        yield from (_Row(row.id, row.account_id, row.name, False, None, row.config) for row in rows if row.config)
        if len(rows) < BATCH:
            return
        last = rows[-1].id


def _versions() -> Iterator[_Row]:
    key = sa.tuple_(AgentVersion.agent_id, AgentVersion.version)
    has_mark = sa.cast(AgentVersion.snapshot, sa.Text).contains(MARK, autoescape=True)
    snapshot = sa.case((has_mark, AgentVersion.snapshot)).label("snapshot")
    query = sa.select(
        AgentVersion.agent_id,
        AgentVersion.version,
        AgentVersion.account_id,
        Agent.id.is_(None).label("is_deleted"),
        Agent.name,
        snapshot,
    ).outerjoin(Agent, Agent.id == AgentVersion.agent_id)
    page = query.order_by(AgentVersion.agent_id, AgentVersion.version).limit(BATCH)
    last = (UUID(int=0), 0)
    while True:
        here = sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(last, key, strict=True)))
        with db.reading() as connection:
            rows = connection.execute(page.where(key > here)).all()
        for row in rows:
            if isinstance(row.snapshot, dict):
                name = row.name or str(row.snapshot.get("name", ""))
                config = row.snapshot.get(CONFIG)
                yield _Row(row.agent_id, row.account_id, name, row.is_deleted, row.version, config)
        if len(rows) < BATCH:
            return
        last = (rows[-1].agent_id, rows[-1].version)
