"""Looks after stored secrets: which key each needs, whether it opens, and moving all to the first key."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db
from agents_app.encryption import CannotDecrypt, Keyring, key_id_of
from agents_app.models import Agent, AgentVersion, EncryptionKey
from agents_app.operations import keys, secrets

BATCH = 100


@dataclass(frozen=True)
class Holder:
    """A row with encrypted secrets: an agent, or the last version of a deleted one."""

    kind: str
    account_id: UUID
    agent_id: UUID
    version: int
    name: str
    sealed: dict[str, str]


def counts_by_key() -> Counter[str]:
    """How many stored secrets each key encrypts."""
    return Counter(key_id_of(value) for holder in _holders() for value in holder.sealed.values())


def unreadable() -> list[dict[str, Any]]:
    """Every stored secret that no key of this process opens: agent, name and JSON pointer."""
    keyring = settings().keys.encryption
    return [
        {"agent_id": holder.agent_id, "name": holder.name, "kind": holder.kind, "pointer": pointer}
        for holder in _holders()
        for pointer, value in holder.sealed.items()
        if not _opens(keyring, holder, pointer, value)
    ]


def rotate(tell: Callable[[int], None]) -> Counter[str]:
    """Encrypt every secret anew under the first key; what cannot be opened is left and counted as `unreadable`.

    Safe beside writers and to be killed and called again: every row is moved by itself, under its lock.
    `tell` hears the number of rows done. Old keys that nothing needs any more are forgotten at the end.
    """
    outcome: Counter[str] = Counter()
    with db.transaction() as session:
        first_id = keys.keyring_for_writing(session).first_id
    for done, holder in enumerate(_holders(), start=1):
        if any(key_id_of(value) != first_id for value in holder.sealed.values()):
            outcome += _move(holder)
        tell(done)
    _forget_unused_keys()
    return outcome


def _move(holder: Holder) -> Counter[str]:
    keyring = settings().keys.encryption
    with db.transaction() as session:
        row = _locked(session, holder)
        if row is None:
            return Counter()
        sealed, outcome = dict(_sealed(row)), Counter[str]()
        for pointer, value in sealed.items():
            if key_id_of(value) == keyring.first_id:
                continue
            try:
                clear = secrets.reveal_one(keyring, holder.account_id, holder.agent_id, pointer, value)
            except CannotDecrypt:
                outcome["unreadable"] += 1
                continue
            sealed[pointer] = secrets.seal_one(keyring, holder.account_id, holder.agent_id, pointer, clear)
            outcome["moved"] += 1
        _store(session, row, sealed)
    return outcome


def _locked(session: Session, holder: Holder) -> Agent | AgentVersion | None:
    if holder.kind == "agent":
        return session.get(Agent, holder.agent_id, with_for_update=True)
    return session.get(AgentVersion, (holder.agent_id, holder.version), with_for_update=True)


def _sealed(row: Agent | AgentVersion) -> Mapping[str, str]:
    if isinstance(row, Agent):
        return secrets.stored(row.api_key, row.connection_config)
    kept: Mapping[str, str] = (row.kept_secrets or {}).get("sealed", {})
    return kept


def _store(session: Session, row: Agent | AgentVersion, sealed: dict[str, str]) -> None:
    # Core updates: the values stay the same for everybody who reads them, so no version and no event comes of it.
    if isinstance(row, AgentVersion):
        if row.kept_secrets is not None:
            row.kept_secrets = {**row.kept_secrets, "sealed": sealed}
        return
    moved = secrets.Secrets(sealed, {}, {})
    config = moved.config(secrets.public_config(row.connection_config))
    change = sa.update(Agent).where(Agent.id == row.id).values(api_key=moved.api_key, connection_config=config)
    session.execute(change.execution_options(synchronize_session=False))


def _opens(keyring: Keyring, holder: Holder, pointer: str, value: str) -> bool:
    try:
        secrets.reveal_one(keyring, holder.account_id, holder.agent_id, pointer, value)
    except CannotDecrypt:
        return False
    return True


def _holders() -> Iterator[Holder]:
    yield from _agents()
    yield from _deleted_agents()


def _agents() -> Iterator[Holder]:
    last = UUID(int=0)
    wanted = sa.select(Agent.id, Agent.account_id, Agent.name, Agent.api_key, Agent.connection_config, Agent.version)
    while True:
        with db.reading() as connection:
            rows = connection.execute(wanted.where(Agent.id > last).order_by(Agent.id).limit(BATCH)).all()
        for row in rows:
            if sealed := secrets.stored(row.api_key, row.connection_config):
                yield Holder("agent", row.account_id, row.id, row.version, row.name, sealed)
        if len(rows) < BATCH:
            return
        last = rows[-1].id


def _deleted_agents() -> Iterator[Holder]:
    kept = sa.select(AgentVersion).where(AgentVersion.action == "agent.deleted")
    shown = kept.with_only_columns(
        AgentVersion.account_id,
        AgentVersion.agent_id,
        AgentVersion.version,
        AgentVersion.snapshot["name"].as_string().label("name"),
        AgentVersion.kept_secrets,
    )
    with db.reading() as connection:
        rows = connection.execute(shown.order_by(AgentVersion.agent_id, AgentVersion.version)).all()
    for row in rows:
        if sealed := (row.kept_secrets or {}).get("sealed"):
            yield Holder("deleted agent", row.account_id, row.agent_id, row.version, row.name, sealed)


def _forget_unused_keys() -> None:
    needed = set(counts_by_key()) | {settings().keys.encryption.first_id}
    with db.transaction() as session:
        session.execute(sa.delete(EncryptionKey).where(EncryptionKey.key_id.not_in(needed)))
