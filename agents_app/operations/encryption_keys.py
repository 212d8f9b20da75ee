"""Helpers that check whether this process has the encryption keys that the stored secrets need."""

from collections.abc import Sequence
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, lock_table
from agents_app.encryption import CannotDecrypt, Keyring
from agents_app.errors import Unavailable
from agents_app.models import EncryptionKey

CHECK_TEXT = "agent console key check"
KNOWN = sa.select(EncryptionKey.key_id, EncryptionKey.check_value)
# A rotation that removes a key waits for every process that may be writing with it.
KNOWN_AND_KEPT = KNOWN.with_for_update(read=True, key_share=True)


def find_problem() -> str | None:
    """One sentence that says which key is wrong or missing. None if all are correct."""
    with db.reading() as connection:
        return find_problem_in(connection, settings().keys.encryption)


def find_problem_in(connection: Connection, keyring: Keyring) -> str | None:
    """The same as `find_problem`, for any database and any keys."""
    return _find_problem(keyring, connection.execute(KNOWN).all())


def known_ids() -> list[str]:
    """The ids of the keys that stored secrets were encrypted with."""
    with db.reading() as connection:
        return [key_id for key_id, _ in connection.execute(KNOWN)]


def compare_known_keys() -> dict[str, bool | None]:
    """For each known key id, whether the key with this id in ENCRYPTION_KEYS is correct. None if it is missing."""
    keyring = settings().keys.encryption
    with db.reading() as connection:
        known = connection.execute(KNOWN).all()
    return {key_id: _is_correct(keyring, key_id, value) if key_id in keyring.ids else None for key_id, value in known}


def ensure_keyring(session: Session) -> Keyring:
    """Check the keys, record the check value of a new one, and return the keys. Raises Unavailable.

    Every write calls this: another process may have a newer key, or a rotation may have removed an old one.
    """
    keyring = settings().keys.encryption
    if keyring.first_id not in _require_correct_keys(session, keyring):
        # Two processes with a new key must not both record it.
        lock_table(session, EncryptionKey)
        if keyring.first_id not in _require_correct_keys(session, keyring):
            check_value = keyring.encrypt(CHECK_TEXT, "encryption_keys", keyring.first_id)
            session.add(EncryptionKey(key_id=keyring.first_id, check_value=check_value))
            session.flush()
    return keyring


def _require_correct_keys(session: Session, keyring: Keyring) -> set[str]:
    known = session.connection().execute(KNOWN_AND_KEPT).all()
    if sentence := _find_problem(keyring, known):
        raise Unavailable(sentence, code="secret_unavailable")
    return {key_id for key_id, _ in known}


def _find_problem(keyring: Keyring, known: Sequence[Row[str, str]]) -> str | None:
    for key_id, check_value in known:
        if key_id not in keyring.ids:
            return f"ENCRYPTION_KEYS lacks the key {key_id}, which stored secrets may need."
        if not _is_correct(keyring, key_id, check_value):
            return f"The key {key_id} in ENCRYPTION_KEYS is not the one that stored secrets were encrypted with."
    return None


# Every write asks about the same few keys.
@lru_cache(maxsize=16)
def _is_correct(keyring: Keyring, key_id: str, check_value: str) -> bool:
    try:
        return keyring.decrypt(check_value, "encryption_keys", key_id) == CHECK_TEXT
    except CannotDecrypt:
        return False
