"""Hashes and checks passwords: argon2id with the parameters that OWASP's password storage cheat sheet asks for."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from agents_app.values.text import composed, spellings

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hash_password(password: str) -> str:
    """What is stored of a password; at most 255 characters."""
    return HASHER.hash(composed(password))


def is_right(stored: str | None, password: str) -> bool:
    """Whether this is the password; without a stored one it costs the same time and is False."""
    # Earlier releases hashed what was typed, however the keyboard composed its letters.
    return any(_verifies(stored or _nobody(), spelling) for spelling in spellings(password)) and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the stored hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(stored)


def _verifies(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


@cache
def _nobody() -> str:
    return HASHER.hash("nobody has this password")
