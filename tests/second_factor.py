"""The second factor of a person in tests: set one up, and compute the codes that the app would show."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pyotp
import sqlalchemy as sa

from agents_app.db import db, now
from agents_app.models import SecondFactor
from agents_app.operations import second_factors, sessions
from agents_app.operations.half_sessions import HalfSession
from agents_app.operations.permissions import Actor, Visitor
from tests.make import PASSWORD

KEY = "key of the set-up form"
VISITOR = Visitor("192.0.2.7", "Firefox/128.0")


def session_of(actor: Actor) -> str:
    """Sign in a person without a second factor. Returns the id of the session."""
    started = sessions.sign_in(VISITOR, actor.email, PASSWORD)
    assert isinstance(started, str)
    return started


def half_session_of(actor: Actor) -> str:
    """Give the password of a person with a second factor. Returns the text for the cookie."""
    started = sessions.sign_in(VISITOR, actor.email, PASSWORD)
    assert isinstance(started, HalfSession)
    return started.text


def secret_of(actor: Actor) -> str:
    """The secret that `set_up` stores for this person."""
    return second_factors.offered_secret(actor, KEY)


def code_at(actor: Actor, moment: datetime) -> str:
    """What the app of this person shows at a time."""
    return pyotp.TOTP(secret_of(actor)).at(moment)


def fresh_code(actor: Actor) -> str:
    """A code that the app shows now. It was not used, because all that were used are forgotten."""
    with db.transaction() as session:
        session.execute(sa.update(SecondFactor).where(SecondFactor.user_id == actor.user_id).values(last_step=0))
    return code_at(actor, now())


def set_up(actor: Actor, session_id: str | None = None) -> list[str]:
    """Set up a second factor in this session, or in a new one. Returns the recovery codes."""
    values = {"current_password": PASSWORD, "code": code_at(actor, now())}
    return second_factors.set_up(actor, session_id or session_of(actor), KEY, values)


def confirmed(actor: Actor, at: datetime | None = None) -> Actor:
    """The actor in a session in which they gave a code at this time, or now."""
    return replace(actor, has_second_factor=True, confirmed_at=at or now())


def stored_id(actor: Actor) -> UUID:
    """The id of a person."""
    assert actor.user_id is not None
    return actor.user_id
