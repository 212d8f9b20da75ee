"""The sign-ins through the provider that this browser began. They are in its cookie, so that a start writes no row.

The cookie has a random id of each. Its three secrets are derived from the id and SECRET_KEY: a copy of the cookie does
not reveal them, and each is used once in the browser that began it.
"""

import hmac
import secrets
import time
from typing import Any, NamedTuple

from flask import session

from agents_app.operations import form_keys
from agents_app.sign_on.attempt import Attempt
from agents_app.web.urls import encoded_length

# The keys of the cookie: the sign-ins, newest first, and an identity that the person has not confirmed yet.
BEGUN, CLAIM = "begun", "claim"
LIFETIME_S = 600
# Several tabs may ask to sign in at the same time.
MOST = 3
# Browsers refuse cookies above 4 kB. Older sign-ins forget where they lead to beyond this length.
PATHS_MAX = 1_200


class Begun(NamedTuple):
    """A sign-in: its random id, when it began, where it leads to, and the user who wants to link an identity by it."""

    id: str
    at: int
    path: str
    linker: str

    @property
    def attempt(self) -> Attempt:
        """The secrets of this sign-in."""
        return Attempt(*(form_keys.code(f"{what} of a sign-in", self.id) for what in ("state", "nonce", "verifier")))


def begin(path: str, linker: str = "") -> Begun:
    """Begin a sign-in that leads to `path`, and keep it in the cookie."""
    new = Begun(secrets.token_urlsafe(16), int(time.time()), path, linker)
    kept, length = [new], encoded_length(path)
    for older in _known()[: MOST - 1]:
        length += encoded_length(older.path)
        kept.append(older if length <= PATHS_MAX else older._replace(path=""))
    session[BEGUN] = [list(one) for one in kept]
    return new


def take(state: str) -> Begun | None:
    """The sign-in with this state, which is used up now. None for one of another browser, or one that is too old."""
    known = _known()
    found = next((one for one in known if hmac.compare_digest(one.attempt.state.encode(), state.encode())), None)
    if found:
        session[BEGUN] = [list(one) for one in known if one != found]
    return found


def are_begun(value: Any) -> bool:
    """Whether this is what `begin` writes into the cookie."""
    return isinstance(value, list) and len(value) <= MOST and all(map(_is_begun, value))


def is_claim(value: Any) -> bool:
    """Whether this is what the page that asks for a confirmation reads: times, a user and who they are."""
    return isinstance(value, list) and len(value) == 8 and all(isinstance(one, str | int | None) for one in value)


def _known() -> list[Begun]:
    since = time.time() - LIFETIME_S
    return [begun for begun in (Begun(*one) for one in session.get(BEGUN, [])) if begun.at > since]


def _is_begun(value: Any) -> bool:
    return isinstance(value, list) and [type(part) for part in value] == [str, int, str, str]
