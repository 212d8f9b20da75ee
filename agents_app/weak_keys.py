"""Recognises keys that are known or easy to guess: sequences, repetitions, placeholders and samples from manuals.

A random key is never refused: these patterns do not occur by chance.
"""

import base64
import binascii
import re
from itertools import pairwise

from agents_app.wording import number_text

# Words that samples contain. A word of seven letters or more does not occur by chance.
WORDS = """
    changeme changeit changethis replaceme replacethis yoursecret yourown yoursuper insecure supersecret secretkey
    topsecret mysecret myverysecret notasecret thisisa password example default placeholder keyboardcat qwertyuiop
    asdfghjkl 0123456789 1234567890 abcdefghij randomstring somerandom generateme insertkey samplekey testkey
    encryptionkey hereisa opensslrand neverguess hardtoguess supersekrit temporary scretkey appsecret correcthorse
    """.split()
BEGINNINGS = re.compile(r"secret|(your|test)[-_ .]", re.IGNORECASE)
# Only words, so that a random key with any signs does not match: this occurs about once in 10^8 of them.
IN_BRACKETS = re.compile(
    r"""
    <([a-z0-9]+[-_ .])*
    (your|secret|random|here|change|replace|insert|paste|value|token|bytes|base64|\w+[-_ .]key|key[-_ .]\w+)
    ([-_ .][a-z0-9]+)*>
    """,
    re.IGNORECASE | re.VERBOSE,
)
# A random text of hex digits has fewer different characters than this once in 10^13 keys.
DIFFERENT_CHARACTERS = 6
SECRET_MIN = 32
# Keys that are printed in manuals and images of well-known programs, and as examples in standards.
KNOWN = frozenset(
    """
    192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf
    c292a0a3aa32397cdb050e233733900f
    46BKJoQYlPPOexq0OhDZnIlNepKFf87WFwLbfzqDDho=
    cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=
    603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4
    2b7e151628aed2a6abf7158809cf4f3c
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    """.split()
)


def check_secret(text: str) -> None:
    """Raise ValueError if a text is not a strong secret. The message does not repeat the text."""
    if len(text) < SECRET_MIN:
        raise ValueError(f"is too short; use at least {number_text(SECRET_MIN)} random characters.")
    if is_weak_text(text):
        raise ValueError("is easy to guess; make one with: openssl rand -base64 32")


def is_weak_text(text: str) -> bool:
    """Whether a text of 32 characters or more is easy to guess, as it is or decoded from hex or base64."""
    return _is_sample(text) or any(map(is_weak, _decoded(text)))


def is_weak(key: bytes) -> bool:
    """Whether a key of bytes is easy to guess."""
    if key in KNOWN_BYTES:
        return True
    if key.isascii() and key.decode().isprintable():
        return _is_sample(key.decode())
    return _is_regular(key, different=min(len(key) // 3, 10))


def _is_sample(text: str) -> bool:
    letters = re.sub(r"[^a-z0-9]", "", text.lower())
    has_word = any(word in letters for word in WORDS) or BEGINNINGS.match(text) or IN_BRACKETS.search(text)
    return bool(has_word) or _is_regular(text.encode(), DIFFERENT_CHARACTERS)


def _is_regular(value: bytes, different: int) -> bool:
    """Whether fewer than `different` bytes differ, one part is repeated, or most bytes have the same distance."""
    steps = [(after - before) % 256 for before, after in pairwise(value)]
    most = max((steps.count(step) for step in set(steps)), default=0)
    return len(set(value)) < different or value in (value + value)[1:-1] or most * 2 > len(steps)


def _decoded(text: str) -> list[bytes]:
    """The text decoded from hex and from base64, where that is possible."""
    found = []
    for decode in (bytes.fromhex, _from_base64):
        try:
            found.append(decode(text))
        except (ValueError, binascii.Error):
            continue
    return found


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)


KNOWN_BYTES = frozenset(key for text in KNOWN for key in (*_decoded(text), text.encode()))
