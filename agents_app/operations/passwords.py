"""Helpers that hash and check passwords, with the argon2id parameters of OWASP's password storage cheat sheet."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from agents_app.values.text import spellings, to_nfc

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hash_password(password: str) -> str:
    """The hash of a password, at most 255 characters long."""
    return HASHER.hash(to_nfc(password))


def is_correct(stored: str | None, password: str) -> bool:
    """Whether this is the password. Without a stored hash it takes as long, and is False."""
    # Earlier releases hashed the password without normalising its characters.
    return any(_verifies(stored or _dummy_hash(), spelling) for spelling in spellings(password)) and stored is not None


def needs_rehash(stored: str) -> bool:
    """Whether the stored hash was made with other parameters than those above."""
    return HASHER.check_needs_rehash(stored)


def _verifies(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


@cache
def _dummy_hash() -> str:
    return HASHER.hash("no user has this password")
