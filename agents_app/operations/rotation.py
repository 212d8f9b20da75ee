"""Operations on all accounts: encrypt the stored secrets with the first key. `stored_secrets.py` reads them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db
from agents_app.encryption import FORMAT, CannotDecrypt, key_id_of
from agents_app.errors import Conflict, NotFound, Unavailable
from agents_app.models import Account, Agent, AgentVersion, EncryptionKey, SecondFactor
from agents_app.operations import (
    agent_secrets,
    attention_columns,
    encryption_keys,
    event_records,
    one_time_codes,
    snapshots,
    stored_secrets,
)
from agents_app.operations.permissions import Actor
from agents_app.paths import COMMAND
from agents_app.values.choices import Door

Holder = Agent | AgentVersion | SecondFactor
# More are only needed if other processes write with an old key all the time.
PASSES = 5
# How often a row is tried that other processes keep locked.
TRIES = 5


@dataclass
class RotationResult:
    """How many secrets of each account a rotation moved, and how many it could not decrypt."""

    moved: Counter[UUID] = field(default_factory=Counter)
    unreadable: int = 0


def rotate(operator: str, report: Callable[[int], None]) -> RotationResult:
    """Encrypt every secret again with the first key. Secrets that cannot be decrypted are left and counted.

    Other processes may write at the same time, and a rotation may be killed and started again: each row has its own
    transaction. `report` is called with the number of rows done. At the end, keys that no secret needs are removed from
    the known keys. Raises Unavailable.
    """
    with db.transaction() as session:
        encryption_keys.ensure_keyring(session)
    outcome = _pass(report)
    for _ in range(1, PASSES):
        # Agents may have been restored since the last pass, or written with an old key.
        late = _pass(lambda _done: None)
        outcome.unreadable = late.unreadable
        if not late.moved:
            break
        outcome.moved += late.moved
    _record(operator, outcome)
    _forget_unused_keys()
    return outcome


def forget_lost_key(operator: str, key_id: str) -> None:
    """Remove a lost key from the known keys, so that the console can write again.

    Secrets that only this key decrypts must be typed again. Raises NotFound, and Conflict if the key is not lost or
    another one has its name.
    """
    known = encryption_keys.compare_known_keys()
    if key_id not in known:
        raise NotFound(f"No secret waits for a key called {key_id}: it was never used, or is marked as lost already.")
    if known[key_id]:
        raise Conflict(
            f"The key {key_id} is in ENCRYPTION_KEYS and is correct. Move its secrets with: {COMMAND} secrets rotate"
        )
    if known[key_id] is False:
        # With this name in use, the lost key could not be added if it turns up.
        raise Conflict(
            f"ENCRYPTION_KEYS has another key with the name {key_id}. Give that one a name that was never used, then "
            + f"give {key_id} up. Nothing was changed."
        )
    with db.transaction() as session:
        session.execute(sa.delete(EncryptionKey).where(EncryptionKey.key_id == key_id))
        for account_id in session.scalars(sa.select(Account.id).with_for_update(read=True, key_share=True)):
            event_records.add(session, Actor(account_id, operator, Door.TERMINAL), "secrets.key_given_up", key=key_id)


def _pass(report: Callable[[int], None]) -> RotationResult:
    outcome, first_id = RotationResult(), settings().keys.encryption.first_id
    for done, holder in enumerate(stored_secrets.secret_rows(), start=1):
        if not holder.has_recorded_keys or any(key_id_of(value) != first_id for value in holder.encrypted.values()):
            _move(holder, outcome)
        report(done)
    return outcome


def _move(holder: stored_secrets.SecretRow, outcome: RotationResult) -> None:
    for left in reversed(range(TRIES)):
        try:
            _move_once(holder, outcome)
            return
        except Unavailable as refusal:
            # Each try has waited for the lock. With many writers at the same time it takes longer.
            if refusal.code != "database_busy" or not left:
                raise


def _move_once(holder: stored_secrets.SecretRow, outcome: RotationResult) -> None:
    keyring, moved, unreadable = settings().keys.encryption, 0, 0
    with db.transaction() as session:
        row = _lock_row(session, holder)
        encrypted = dict(_encrypted_values(row)) if row is not None else {}
        for pointer, value in encrypted.items():
            if key_id_of(value) == keyring.first_id:
                continue
            try:
                clear = agent_secrets.decrypt_one(keyring, holder.account_id, holder.owner_id, pointer, value)
            except CannotDecrypt:
                unreadable += 1
                continue
            encrypted[pointer] = agent_secrets.encrypt_one(keyring, holder.account_id, holder.owner_id, pointer, clear)
            moved += 1
        if row is not None and (moved or not holder.has_recorded_keys):
            _store(session, row, encrypted)
    outcome.moved += Counter({holder.account_id: moved})
    outcome.unreadable += unreadable


def _lock_row(session: Session, holder: stored_secrets.SecretRow) -> Holder | None:
    if holder.kind == "agent":
        return session.get(Agent, holder.owner_id, with_for_update=True)
    if holder.kind == stored_secrets.SECOND_FACTOR:
        return session.get(SecondFactor, holder.owner_id, with_for_update=True)
    return session.get(AgentVersion, (holder.owner_id, holder.version), with_for_update=True)


def _encrypted_values(row: Holder) -> Mapping[str, str]:
    if isinstance(row, SecondFactor):
        return {one_time_codes.SECRET: row.secret}
    if isinstance(row, Agent):
        return agent_secrets.encrypted_values(row.api_key, row.connection_config)
    return snapshots.encrypted_values(row.kept_secrets) or {}


def _store(session: Session, row: Holder, encrypted: dict[str, str]) -> None:
    # The decrypted values stay the same, so there is no version and no event.
    if isinstance(row, SecondFactor):
        row.secret = encrypted[one_time_codes.SECRET]
        return
    if isinstance(row, AgentVersion):
        if row.kept_secrets is not None:
            row.kept_secrets = {**row.kept_secrets, "sealed": encrypted}
        return
    moved = agent_secrets.Secrets(encrypted, {}, {})
    config = moved.config(row.connection_config)
    values = {
        "api_key": moved.api_key,
        "connection_config": config,
        "secret_key_ids": attention_columns.key_ids(encrypted),
    }
    change = sa.update(Agent).where(Agent.id == row.id).values(values)
    session.execute(change.execution_options(synchronize_session=False))


def _record(operator: str, outcome: RotationResult) -> None:
    first_id = settings().keys.encryption.first_id
    touched = sa.select(Account.id).where(Account.id.in_(outcome.moved)).with_for_update(read=True, key_share=True)
    with db.transaction() as session:
        for account_id in session.scalars(touched):
            actor = Actor(account_id, operator, Door.TERMINAL)
            event_records.add(session, actor, "secrets.rotated", moved=outcome.moved[account_id], key=first_id)


def _forget_unused_keys() -> None:
    first_id = settings().keys.encryption.first_id
    with db.transaction() as session:
        # Waits for processes that are writing with an old key. A later write records that key again.
        old = sa.select(EncryptionKey).where(EncryptionKey.key_id != first_id).with_for_update()
        for key in session.scalars(old).all():
            if not session.scalar(sa.select(_is_needed(key.key_id))):
                session.delete(key)


def _is_needed(key_id: str) -> sa.ColumnElement[bool]:
    # One condition for all tables, so that it sees a secret that moves between them.
    begin = f"{FORMAT}:{key_id}:"
    leaf = f'"{agent_secrets.ENCRYPTED}": "{begin}'
    config, kept = sa.cast(Agent.connection_config, sa.Text), sa.cast(AgentVersion.kept_secrets["sealed"], sa.Text)
    in_agent = Agent.api_key.startswith(begin, autoescape=True) | config.contains(leaf, autoescape=True)
    in_kept = kept.contains(f'"{begin}', autoescape=True)
    in_factor = SecondFactor.secret.startswith(begin, autoescape=True)
    in_agents = sa.exists().where(in_agent) | sa.exists().where(stored_secrets.KEPT, in_kept)
    return in_agents | sa.exists().where(in_factor)
