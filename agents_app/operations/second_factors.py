"""Operations on second factors: set up, confirm, finish a sign-in, recovery codes, remove.

`one_time_codes.py` makes and checks the codes. `half_sessions.py` asks for them at sign-in.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pyotp
import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import Conflict, NotSignedIn
from agents_app.models import RecoveryCode, SecondFactor, User, UserSession
from agents_app.operations import (
    encryption_keys,
    event_records,
    form_keys,
    half_sessions,
    one_time_codes,
    own_password,
    session_records,
    user_records,
)
from agents_app.operations.permissions import Actor, Visitor
from agents_app.values.choices import Door, SignInMethod

# RFC 4226 recommends 160 bits.
SECRET_BYTES = 20
HAS_ONE = "You have a second factor already. Remove it first to set up another one."
HAS_NONE = "You have no second factor."
BY_PROVIDER = "You signed in with your organisation, which asks for its own factors. The console asks for none."
OWN = "Remove your own second factor on your profile."


def state(actor: Actor) -> dict[str, Any] | None:
    """Since when the actor has a second factor (`since`), and how many recovery codes are left (`left`), or None."""
    left = sa.select(sa.func.count()).where(RecoveryCode.user_id == actor.user_id, RecoveryCode.used_at.is_(None))
    query = sa.select(SecondFactor.confirmed_at.label("since"), left.scalar_subquery().label("left"))
    query = query.where(SecondFactor.user_id == actor.user_id, SecondFactor.confirmed_at.is_not(None))
    with db.reading() as connection:
        row = connection.execute(query).one_or_none()
    return dict(row._mapping) if row else None


def offered_secret(actor: Actor, key: str) -> str:
    """The secret that the set-up page with this form key shows, in base32. It is stored when it is confirmed.

    It is derived from the key and SECRET_KEY, so that a page that is only looked at leaves nothing behind.
    """
    return base64.b32encode(form_keys.secret("second factor", actor.user_id, key)[:SECRET_BYTES]).decode()


def app_uri(actor: Actor, secret: str) -> str:
    """The URI that an authenticator app reads from the QR code. Two consoles are two entries in the app."""
    issuer = f"Agent Console ({urlsplit(settings().base_url).hostname})"
    return pyotp.TOTP(secret).provisioning_uri(name=actor.email, issuer_name=issuer)


def set_up(
    actor: Actor, session_id: str, key: str, values: Mapping[str, Any], moment: datetime | None = None
) -> list[str]:
    """Store the offered secret, which the app has if its code is right. Returns the recovery codes, shown once.

    `values` are the `current_password` and the `code`. Every other session ends. Raises InvalidInput, Throttled, and
    Conflict where there is one already.
    """
    if actor.method is SignInMethod.PROVIDER:
        raise Conflict(BY_PROVIDER)
    own_password.require(actor, _text(values, "current_password"))
    secret, moment = offered_secret(actor, key), moment or now()
    with one_time_codes.attempt(actor) as session:
        user = _lock_own(session, actor)
        if session.get(SecondFactor, user.id):
            raise Conflict(HAS_ONE)
        step = one_time_codes.find_step(secret, _text(values, "code"), moment, wrong=one_time_codes.WRONG_AT_SET_UP)
        encrypted = one_time_codes.encrypt(encryption_keys.ensure_keyring(session), actor, secret)
        session.add(SecondFactor(user_id=user.id, secret=encrypted, confirmed_at=moment, last_step=step))
        codes = one_time_codes.replace_recovery_codes(session, actor)
        session_records.end_all(session, user.id, but=session_id)
        _confirm(session, session_id, moment)
        event_records.add(session, actor, "user.second_factor_added")
    return codes


def confirm(actor: Actor, session_id: str, values: Mapping[str, Any], moment: datetime | None = None) -> None:
    """Use the `code` to confirm that the actor is there, for ten minutes of this session.

    Raises InvalidInput, Throttled, and NotSignedIn where there is no second factor any more.
    """
    moment = moment or now()
    with one_time_codes.attempt(actor) as session:
        one_time_codes.use(session, actor, _text(values, "code"), moment)
        _confirm(session, session_id, moment)
        event_records.add(session, actor, "user.code_given")


def finish_sign_in(visitor: Visitor, text: str, values: Mapping[str, Any], moment: datetime | None = None) -> str:
    """Use the `code` to make a session of a half-session, which works once. Returns the id for the cookie.

    Raises NotSignedIn where the person has to sign in again, InvalidInput, and Throttled.
    """
    moment = moment or now()
    half = half_sessions.read(text, moment)
    with db.reading() as connection:
        row = connection.execute(sa.select(User.account_id, User.name).where(User.id == half.user_id)).one_or_none()
    if row is None:
        raise NotSignedIn(half_sessions.ENDED)
    actor = Actor(row.account_id, row.name, Door.PAGE, user_id=half.user_id, visitor=visitor)
    with one_time_codes.attempt(actor) as session:
        user = half_sessions.use_up(session, half)
        one_time_codes.use(session, actor, _text(values, "code"), moment)
        return session_records.start(session, user, visitor, method=half.method, confirmed_at=moment)


def make_recovery_codes(actor: Actor) -> list[str]:
    """Replace the actor's recovery codes by new ones, which are shown once. Raises CodeNeeded, Conflict."""
    actor.require_recent_code()
    with db.transaction() as session:
        _lock_own(session, actor)
        if session.get(SecondFactor, actor.user_id) is None:
            raise Conflict(HAS_NONE)
        event_records.add(session, actor, "user.recovery_codes_made")
        return one_time_codes.replace_recovery_codes(session, actor)


def remove(actor: Actor, session_id: str, values: Mapping[str, Any], moment: datetime | None = None) -> None:
    """Remove the actor's own second factor, with the `current_password` and a `code`. Every other session ends.

    Raises InvalidInput, Throttled, and Conflict where the person has none.
    """
    if state(actor) is None:
        raise Conflict(HAS_NONE)
    own_password.require(actor, _text(values, "current_password"))
    with one_time_codes.attempt(actor) as session:
        _lock_own(session, actor)
        one_time_codes.use(session, actor, _text(values, "code"), moment or now())
        _delete(session, actor.user_id)
        session_records.end_all(session, actor.user_id, but=session_id)
        _confirm(session, session_id, None)
        event_records.add(session, actor, "user.second_factor_removed")


def reset(actor: Actor, user_id: UUID) -> bool:
    """Remove the second factor of another person, who lost it, and end their sessions. Returns whether they had one.

    Raises Forbidden, CodeNeeded, NotFound, and Conflict for the actor's own.
    """
    actor.require_to_change("users.manage")
    if actor.user_id == user_id:
        raise Conflict(OWN)
    with db.transaction() as session:
        user = user_records.lock_account_and_find(session, actor, user_id)
        if not _delete(session, user.id):
            return False
        session_records.end_all(session, user.id)
        event_records.add(session, actor, "user.second_factor_reset", ("user", user.id, user.name))
    return True


def _lock_own(session: Session, actor: Actor) -> User:
    # A sign-in at the same time waits for this lock, and then asks for a code, or no longer.
    user = session.get(User, actor.user_id, with_for_update={"key_share": True})
    if user is None:
        raise NotSignedIn("Sign in to continue.")
    return user


def _delete(session: Session, user_id: UUID | None) -> bool:
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    query = sa.delete(SecondFactor).where(SecondFactor.user_id == user_id)
    return session.execute(query.returning(SecondFactor.user_id)).one_or_none() is not None


def _confirm(session: Session, session_id: str, moment: datetime | None) -> None:
    row = UserSession.digest == session_records.digest(session_id)
    session.execute(sa.update(UserSession).where(row).values(confirmed_at=moment))


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
