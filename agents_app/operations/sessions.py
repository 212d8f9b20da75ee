"""Operations on sessions: sign in, sign out, list and end. `session_records.py` adds and ends the rows."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from agents_app.config import settings
from agents_app.database.prepared import prepared
from agents_app.db import db, now
from agents_app.errors import NotFound, NotSignedIn, Unavailable
from agents_app.models import Account, SecondFactor, User, UserSession
from agents_app.operations import (
    event_records,
    half_sessions,
    login_attempts,
    password_sign_in,
    passwords,
    session_records,
)
from agents_app.operations.half_sessions import HalfSession
from agents_app.operations.permissions import Actor, Visitor
from agents_app.operations.session_records import digest
from agents_app.schemas.users import email_spellings, normalise_email
from agents_app.values.choices import Door, Role, SignInMethod

# `last_seen_at` may be this much too old: it is written once a minute, not with each request.
TOUCH_EVERY = timedelta(minutes=1)
WRONG = "The email address or the password is wrong."
# The provider has its own factors.
ASKS_FOR_CODES = UserSession.method != SignInMethod.PROVIDER
BY_DIGEST = prepared(
    sa.select(
        UserSession.id.label("session_id"),
        UserSession.last_seen_at,
        UserSession.expires_at,
        UserSession.method,
        UserSession.confirmed_at,
        User.id,
        User.account_id,
        User.name,
        User.email,
        User.role,
        Account.name.label("account_name"),
        sa.and_(ASKS_FOR_CODES, SecondFactor.confirmed_at.is_not(None)).label("has_second_factor"),
        sa.and_(ASKS_FOR_CODES, Account.requires_second_factor, SecondFactor.confirmed_at.is_(None)).label("lacks_one"),
        password_sign_in.IS_LINKED,
        event_records.NEWEST.label("newest_event"),
    )
    .join(User, User.id == UserSession.user_id)
    .join(Account, Account.id == User.account_id)
    .outerjoin(SecondFactor, SecondFactor.user_id == User.id)
    .where(
        UserSession.digest == sa.bindparam("digest"),
        UserSession.expires_at > sa.bindparam("now"),
        UserSession.last_seen_at > sa.bindparam("idle_since"),
        User.is_active,
    )
)


def sign_in(visitor: Visitor, email: str, password: str) -> str | HalfSession:
    """Start a session, and return the random id for the cookie. A wrong password is an event.

    A person with a second factor gets a half-session, which `second_factors.finish_sign_in` completes. Raises
    NotSignedIn, and Throttled after too many wrong passwords.
    """
    # No stored address has characters that the database refuses.
    typed = email[:1_000].replace("\0", "?").encode(errors="replace").decode()
    email = normalise_email(typed)
    attempt_id = login_attempts.record_or_refuse(visitor, email)
    row = _row_of(typed)
    # Not in a transaction: this takes tens of milliseconds, and as long for an unknown address.
    if not passwords.is_correct(row.password_hash if row else None, password) or row is None:
        with db.transaction() as session:
            event_records.add_anonymous(session, "user.sign_in_failed", visitor)
        raise NotSignedIn(WRONG)
    # Not before the password is checked: it says who has an account here.
    _check_may_use_password(visitor, row, attempt_id)
    upgraded = passwords.hash_password(password) if passwords.needs_rehash(row.password_hash) else row.password_hash
    with db.transaction() as session:
        # The lock on the user makes a change of the password at the same time end this session or refuse it.
        user = session.get(User, row.id, with_for_update={"key_share": True})
        if user is None or user.password_hash != row.password_hash:
            raise NotSignedIn(WRONG)
        if not user.is_active:
            raise NotSignedIn("This person is deactivated. Ask an admin to activate them.")
        user.password_hash = upgraded
        return half_sessions.begin(session, user, visitor, attempt_id=attempt_id)


def authenticate(visitor: Visitor, session_id: str) -> Actor:
    """Return the actor of a session, and record that it was seen.

    Raises NotSignedIn where the session has ended or expired, or its user is deactivated, or where it began with a
    password and its user may no longer use one.
    """
    moment = now()
    idle_since = moment - settings().session_idle
    values = {"digest": digest(session_id), "now": moment, "idle_since": idle_since}
    with db.reading() as connection:
        row = connection.execute(BY_DIGEST, values).one_or_none()
    # A session through a provider that the console had earlier, or that no longer names this person, has ended too.
    if row is None or (row.method == SignInMethod.PROVIDER and not row.is_linked):
        raise NotSignedIn("Sign in to continue.")
    if row.method == SignInMethod.PASSWORD:
        _require_password_sign_in(row.email, row.is_linked)
    seen_at = row.last_seen_at
    if moment - seen_at > TOUCH_EVERY:
        _touch(row.session_id, moment)
        seen_at = moment
    return _actor(row, visitor, seen_at + settings().session_idle)


def sign_out(actor: Actor, session_id: str) -> None:
    """End this session in every process at once."""
    query = sa.delete(UserSession).where(UserSession.digest == digest(session_id), UserSession.user_id == actor.user_id)
    with db.transaction() as session:
        session.execute(query)
        event_records.add(session, actor, "user.signed_out")


def listing(actor: Actor, session_id: str) -> list[dict[str, Any]]:
    """The actor's own sessions that have not ended, last used first. `is_this_one` marks the current one."""
    moment = now()
    query = sa.select(
        UserSession.id,
        UserSession.created_at,
        UserSession.last_seen_at,
        UserSession.address,
        UserSession.user_agent,
        UserSession.method,
        (UserSession.digest == digest(session_id)).label("is_this_one"),
    ).where(
        UserSession.user_id == actor.user_id,
        UserSession.expires_at > moment,
        UserSession.last_seen_at > moment - settings().session_idle,
    )
    with db.reading() as connection:
        rows = connection.execute(query.order_by(UserSession.last_seen_at.desc(), UserSession.id))
        return [dict(row._mapping) for row in rows]


def end(actor: Actor, row_id: UUID) -> None:
    """End one of the actor's own sessions. Raises NotFound."""
    query = sa.delete(UserSession).where(UserSession.id == row_id, UserSession.user_id == actor.user_id)
    with db.transaction() as session:
        if session.execute(query.returning(UserSession.id)).one_or_none() is None:
            raise NotFound("This session has ended already.")
        event_records.add(session, actor, "user.session_ended")


def end_others(actor: Actor, session_id: str) -> None:
    """End all of the actor's sessions except the current one."""
    with db.transaction() as session:
        session_records.end_all(session, actor.user_id, but=session_id)
        event_records.add(session, actor, "user.other_sessions_ended")


def _check_may_use_password(visitor: Visitor, row: sa.Row[*tuple[Any, ...]], attempt_id: UUID) -> None:
    try:
        _require_password_sign_in(row.email, row.is_linked)
    except NotSignedIn:
        # Someone knows the password: the person and the admins should see it.
        actor = Actor(row.account_id, row.name, Door.PAGE, user_id=row.id, visitor=visitor)
        with db.transaction() as session:
            event_records.add(session, actor, "user.password_refused", host=settings().provider_host)
            login_attempts.remove(session, attempt_id)
        raise


def _require_password_sign_in(email: str, is_linked: bool) -> None:
    if not password_sign_in.may_use_password(email, is_linked):
        refusal = password_sign_in.refusal("You")
        raise NotSignedIn(refusal.detail, code=refusal.code)


def _row_of(typed: str) -> sa.Row[*tuple[Any, ...]] | None:
    known = (User.id, User.account_id, User.name, User.email, User.password_hash)
    query = sa.select(*known, password_sign_in.IS_LINKED)
    query = query.where(User.email.in_(email_spellings(typed)))
    with db.reading() as connection:
        return connection.execute(query.order_by((User.email == normalise_email(typed)).desc()).limit(1)).one_or_none()


def _actor(row: sa.Row[*tuple[Any, ...]], visitor: Visitor, idle_until: datetime) -> Actor:
    return Actor(
        row.account_id,
        row.name,
        Door.PAGE,
        user_id=row.id,
        role=Role(row.role),
        email=row.email,
        account_name=row.account_name,
        visitor=visitor,
        idle_until=idle_until,
        ends_at=row.expires_at,
        method=SignInMethod(row.method),
        confirmed_at=row.confirmed_at,
        has_second_factor=row.has_second_factor,
        newest_event=row.newest_event,
        must_set_up_second_factor=row.lacks_one,
    )


def _touch(session_id: UUID, moment: datetime) -> None:
    # A failed write is ignored: pages can be read while the disk is full or another process holds a lock.
    with suppress(Unavailable), db.transaction(waits=False) as session:
        session.execute(sa.update(UserSession).where(UserSession.id == session_id).values(last_seen_at=moment))
