"""Which setting an unknown name probably means."""

import re
from collections.abc import Iterable
from itertools import takewhile

# The names of Flask-SQLAlchemy, and of programs that read settings for it.
ALIASES = {"SQLALCHEMY_DATABASE_URI": "DATABASE_URL", "SQLALCHEMY_DATABASE_URL": "DATABASE_URL"}
# Shorter names differ by one letter from too many other words.
LENGTH_MIN = 6


def find_similar_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that has the same letters except for case and separators, or that differs by typing errors."""
    names = list(known)
    plain = re.sub(r"[-.]", "_", name.upper())
    letters = plain.replace("_", "")
    same = [one for one in names if one.replace("_", "") == letters]
    close = [one for one in names if _is_long(one) and _is_close(letters, one.replace("_", ""))]
    return next(iter([*same, *close]), None) or find_name_with_typos(plain, names) or ALIASES.get(plain)


def find_name_with_typos(name: str, known: Iterable[str]) -> str | None:
    """The known name with the same words, each with at most one typing error: `DATABSE_URL`, `SECRET_KEY_FIEL`."""
    words = name.split("_")
    for one in filter(_is_long, known):
        theirs = one.split("_")
        if len(theirs) == len(words) and all(map(_is_close, words, theirs)):
            return one
    return None


def _is_long(name: str) -> bool:
    return len(name.removesuffix("_FILE")) >= LENGTH_MIN


def _is_close(word: str, other: str) -> bool:
    # Equal, or one letter is added, missing or different, or two neighbours are swapped.
    start = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(word, other, strict=False))))
    mine, theirs = word[start:], other[start:]
    return (
        mine == theirs
        or mine[1:] == theirs
        or mine == theirs[1:]
        or mine[1:] == theirs[1:]
        or (mine[:2] == theirs[1::-1] and mine[2:] == theirs[2:])
    )
