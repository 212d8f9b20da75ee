"""Which name was probably meant by one that is no setting's."""

import re
from collections.abc import Iterable
from itertools import takewhile

# What Flask-SQLAlchemy, and programs that read settings for it, call the database.
ALSO_CALLED = {"SQLALCHEMY_DATABASE_URI": "DATABASE_URL", "SQLALCHEMY_DATABASE_URL": "DATABASE_URL"}
# Shorter words are one letter from too many others.
LEAST = 6


def looks_like(name: str, known: Iterable[str]) -> str | None:
    """The known name with the same letters, apart from case and what stands between words, or one slip away."""
    names = list(known)
    plain = re.sub(r"[-.]", "_", name.upper())
    letters = plain.replace("_", "")
    same = [one for one in names if one.replace("_", "") == letters]
    close = [one for one in names if _is_long(one) and _is_close(letters, one.replace("_", ""))]
    return next(iter([*same, *close]), None) or is_one_slip_from(plain, names) or ALSO_CALLED.get(plain)


def is_one_slip_from(name: str, known: Iterable[str]) -> str | None:
    """The known name of as many words, each of which is the same or one slip away: `DATABSE_URL`, `SECRET_KEY_FIEL`."""
    words = name.split("_")
    for one in filter(_is_long, known):
        theirs = one.split("_")
        if len(theirs) == len(words) and all(map(_is_close, words, theirs)):
            return one
    return None


def _is_long(name: str) -> bool:
    return len(name.removesuffix("_FILE")) >= LEAST


def _is_close(word: str, other: str) -> bool:
    # The same, or one letter more, less or another, or two that changed places.
    start = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(word, other, strict=False))))
    mine, theirs = word[start:], other[start:]
    return (
        mine == theirs
        or mine[1:] == theirs
        or mine == theirs[1:]
        or mine[1:] == theirs[1:]
        or (mine[:2] == theirs[1::-1] and mine[2:] == theirs[2:])
    )
