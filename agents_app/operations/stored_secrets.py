"""Operations on all accounts: list the stored secrets, the key that each needs, and whether it can be decrypted."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from agents_app.config import settings
from agents_app.db import db
from agents_app.encryption import key_id_of
from agents_app.models import Agent, AgentVersion, SecondFactor, User
from agents_app.operations import agent_secrets, attention_columns, encryption_keys, one_time_codes, snapshots

BATCH = 100
SECOND_FACTOR = "second factor"
# What the owner of a secret is called, where it is no agent.
OWNERS = {SECOND_FACTOR: "user_id"}
KEPT = sa.and_(AgentVersion.action == AgentVersion.DELETED, AgentVersion.kept_secrets.is_not(None))


@dataclass(frozen=True)
class SecretRow:
    """A row with encrypted secrets: an agent, the last version of a deleted one, or the second factor of a person.

    `owner_id` is the id of the agent or of the person.
    """

    kind: str
    account_id: UUID
    owner_id: UUID
    version: int
    name: str
    encrypted: dict[str, str]
    recorded_key_ids: str = ""

    @property
    def has_recorded_keys(self) -> bool:
        """Whether an agent has the right `secret_key_ids`. The rotation of an older release does not write them."""
        return self.kind != "agent" or self.recorded_key_ids == attention_columns.key_ids(self.encrypted)


@dataclass(frozen=True)
class KeyState:
    """One encryption key. `fits` is None if nothing was encrypted with this id, or the key is not set."""

    key_id: str
    is_set: bool
    is_first: bool
    fits: bool | None
    secrets: int

    @property
    def is_wrong(self) -> bool:
        """Whether this key is needed, and is missing in ENCRYPTION_KEYS or is another key there."""
        return not self.is_set or self.fits is False


def status() -> list[KeyState]:
    """Every key that is set or needed: first those that are set, in their order, then those that are missing."""
    ids, known, counts = settings().keys.encryption.ids, encryption_keys.compare_known_keys(), counts_by_key()
    missing = sorted((known.keys() | counts.keys()) - set(ids))
    return [KeyState(one, one in ids, one == ids[0], known.get(one), counts[one]) for one in (*ids, *missing)]


def count() -> int:
    """How many rows may have secrets."""
    rows = sa.select(Agent.id), sa.select(AgentVersion.agent_id).where(KEPT), sa.select(SecondFactor.user_id)
    counts = [sa.select(sa.func.count()).select_from(found.subquery()).scalar_subquery() for found in rows]
    with db.reading() as connection:
        return int(sum(connection.execute(sa.select(*counts)).one()))


def counts_by_key() -> Counter[str]:
    """How many stored secrets each key encrypts."""
    return Counter(key_id_of(value) for row in secret_rows() for value in row.encrypted.values())


def list_unreadable() -> list[dict[str, Any]]:
    """Every stored secret that no key of this process decrypts: agent or person, name and JSON pointer."""
    keyring = settings().keys.encryption
    return [
        {OWNERS.get(row.kind, "agent_id"): row.owner_id, "name": row.name, "kind": row.kind, "pointer": pointer}
        for row in secret_rows()
        for pointer, value in row.encrypted.items()
        if not agent_secrets.can_decrypt(keyring, row.account_id, row.owner_id, pointer, value)
    ]


def secret_rows() -> Iterator[SecretRow]:
    """Every row with secrets, in batches: first agents, then deleted agents, then second factors."""
    yield from _agents()
    yield from _deleted_agents()
    yield from _second_factors()


def _agents() -> Iterator[SecretRow]:
    last = UUID(int=0)
    query = sa.select(
        Agent.id,
        Agent.account_id,
        Agent.name,
        Agent.api_key,
        Agent.connection_config,
        Agent.version,
        Agent.secret_key_ids,
    )
    while True:
        with db.reading() as connection:
            rows = connection.execute(query.where(Agent.id > last).order_by(Agent.id).limit(BATCH)).all()
        for row in rows:
            if encrypted := agent_secrets.encrypted_values(row.api_key, row.connection_config):
                yield SecretRow("agent", row.account_id, row.id, row.version, row.name, encrypted, row.secret_key_ids)
        if len(rows) < BATCH:
            return
        last = rows[-1].id


def _deleted_agents() -> Iterator[SecretRow]:
    shown = sa.select(
        AgentVersion.account_id,
        AgentVersion.agent_id,
        AgentVersion.version,
        AgentVersion.snapshot["name"].as_string().label("name"),
        AgentVersion.kept_secrets,
    )
    with db.reading() as connection:
        rows = connection.execute(shown.where(KEPT).order_by(AgentVersion.agent_id, AgentVersion.version)).all()
    for row in rows:
        if encrypted := snapshots.encrypted_values(row.kept_secrets):
            yield SecretRow("deleted agent", row.account_id, row.agent_id, row.version, row.name or "", encrypted)


def _second_factors() -> Iterator[SecretRow]:
    last = UUID(int=0)
    query = sa.select(User.id, User.account_id, User.name, SecondFactor.secret).join(SecondFactor)
    while True:
        with db.reading() as connection:
            rows = connection.execute(query.where(User.id > last).order_by(User.id).limit(BATCH)).all()
        for row in rows:
            yield SecretRow(SECOND_FACTOR, row.account_id, row.id, 0, row.name, {one_time_codes.SECRET: row.secret})
        if len(rows) < BATCH:
            return
        last = rows[-1].id
