"""Tells whether this process holds the encryption keys that the stored secrets need."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db
from agents_app.encryption import CannotDecrypt, Keyring
from agents_app.errors import Unavailable
from agents_app.models import EncryptionKey

CHECK_TEXT = "agent console key check"
KNOWN = sa.select(EncryptionKey.key_id, EncryptionKey.check_value)


def wrong() -> str | None:
    """One sentence that says which key is wrong or missing, or None when all fit."""
    with db.reading() as connection:
        return _wrong(settings().keys.encryption, connection.execute(KNOWN).all())


def known_ids() -> list[str]:
    """The ids of the keys that stored secrets were encrypted with."""
    with db.reading() as connection:
        return [key_id for key_id, _ in connection.execute(KNOWN)]


def keyring_for_writing(session: Session) -> Keyring:
    """The keys, known to fit; notes the check value of a new one. Raises Unavailable, and then nothing is written."""
    keyring = settings().keys.encryption
    if keyring.fits:
        return keyring
    known = session.execute(KNOWN).all()
    if sentence := _wrong(keyring, known):
        raise Unavailable(sentence, code="secret_unavailable")
    if keyring.first_id not in {key_id for key_id, _ in known}:
        check_value = keyring.encrypt(CHECK_TEXT, "encryption_keys", keyring.first_id)
        session.add(EncryptionKey(key_id=keyring.first_id, check_value=check_value))
        session.flush()
    else:
        # Only a committed row proves it: one added here may still be rolled back.
        keyring.fits = True
    return keyring


def _wrong(keyring: Keyring, known: Sequence[Row[str, str]]) -> str | None:
    for key_id, check_value in known:
        if key_id not in keyring.ids:
            return f"ENCRYPTION_KEYS lacks the key {key_id}, which stored secrets may need."
        try:
            keyring.decrypt(check_value, "encryption_keys", key_id)
        except CannotDecrypt:
            return f"The key {key_id} in ENCRYPTION_KEYS is not the one that stored secrets were encrypted with."
    return None
