"""Signing in and out of the pages. How many wrong guesses are too many is in `guesses.py`."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import Conflict, NotFound, NotSignedIn, Unavailable
from agents_app.models import Account, User, UserSession
from agents_app.operations import event_records, form_keys, login_attempts, passwords
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas.users import email_spellings, normalise_email
from agents_app.values.choices import Door, Role

# How much older than the truth "last seen" may be: one write a minute, not one a request.
TOUCH_EVERY = timedelta(minutes=1)
WRONG = "The email address or the password is wrong."
BY_DIGEST = (
    sa.select(
        UserSession.id.label("session_id"),
        UserSession.last_seen_at,
        User.id,
        User.account_id,
        User.name,
        User.email,
        User.role,
        Account.name.label("account_name"),
    )
    .join(User, User.id == UserSession.user_id)
    .join(Account, Account.id == User.account_id)
    .where(
        UserSession.digest == sa.bindparam("digest"),
        UserSession.expires_at > sa.bindparam("now"),
        UserSession.last_seen_at > sa.bindparam("idle_since"),
        User.is_active,
    )
)


def sign_in(visitor: Visitor, email: str, password: str) -> str:
    """Start a session; answers the random id for the browser's cookie.

    Raises NotSignedIn, and Throttled after too many wrong guesses. A wrong guess is an event.
    """
    # What no database takes is in nobody's address.
    typed = email[:1_000].replace("\0", "?").encode(errors="replace").decode()
    email = normalise_email(typed)
    attempt_id = login_attempts.record_or_refuse(visitor, email)
    with db.reading() as connection:
        theirs = sa.select(User.id, User.password_hash).where(User.email.in_(email_spellings(typed)))
        row = connection.execute(theirs.order_by((User.email == email).desc()).limit(1)).one_or_none()
    # Outside of any transaction: this takes tens of milliseconds, also for an unknown address.
    if not passwords.is_correct(row.password_hash if row else None, password) or row is None:
        with db.transaction() as session:
            event_records.add_anonymous(session, "user.sign_in_failed", visitor)
        raise NotSignedIn(WRONG)
    upgraded = passwords.hash_password(password) if passwords.needs_rehash(row.password_hash) else row.password_hash
    with db.transaction() as session:
        # Under the person's lock: a password that is changed at this moment ends this session too, or keeps it out.
        user = session.get(User, row.id, with_for_update={"key_share": True})
        if user is None or user.password_hash != row.password_hash:
            raise NotSignedIn(WRONG)
        if not user.is_active:
            raise NotSignedIn("This person is deactivated. An admin can change that.")
        login_attempts.remove(session, attempt_id)
        user.password_hash = upgraded
        return start(session, user, visitor)


def start(session: Session, user: User, visitor: Visitor, session_id: str | None = None) -> str:
    """Add a session for a person whose identity is established; answers the id for the cookie.

    A form that is sent without signing in gives the id, derived from its key: the second of two clicks finds it.
    """
    session_id = session_id or secrets.token_urlsafe(32)
    session.add(
        UserSession(
            digest=digest(session_id),
            user_id=user.id,
            expires_at=now() + settings().session_max,
            address=visitor.address,
            user_agent=visitor.user_agent[:255],
        )
    )
    actor = Actor(user.account_id, user.name, Door.PAGE, user_id=user.id, visitor=visitor)
    event_records.add(session, actor, "user.signed_in", ("user", user.id, user.name))
    return session_id


def start_once(visitor: Visitor, session_id: str, values: Mapping[str, Any], start: Callable[[], str]) -> str:
    """What `start` answers; where it refuses because the same form started this session just now, that session.

    The values are those of the form: the password must be right, and the address too where the form asks for it.
    """
    try:
        return start()
    except (NotFound, Conflict):
        if not _was_started(visitor, session_id, values):
            raise
        return session_id


def authenticate(visitor: Visitor, session_id: str) -> Actor:
    """Who the cookie's session belongs to. Raises NotSignedIn when it ended, expired, or its person was deactivated."""
    moment = now()
    idle_since = moment - settings().session_idle
    keys = {"digest": digest(session_id), "now": moment, "idle_since": idle_since}
    with db.reading() as connection:
        row = connection.execute(BY_DIGEST, keys).one_or_none()
    if row is None:
        raise NotSignedIn("Sign in to go on.")
    if moment - row.last_seen_at > TOUCH_EVERY:
        _touch(row.session_id, moment)
    return Actor(
        row.account_id,
        row.name,
        Door.PAGE,
        user_id=row.id,
        role=Role(row.role),
        email=row.email,
        account_name=row.account_name,
        visitor=visitor,
    )


def sign_out(actor: Actor, session_id: str) -> None:
    """End this session, in every process at once."""
    with db.transaction() as session:
        session.execute(
            sa.delete(UserSession).where(UserSession.digest == digest(session_id), UserSession.user_id == actor.user_id)
        )
        event_records.add(session, actor, "user.signed_out")


def listing(actor: Actor, session_id: str) -> list[dict[str, Any]]:
    """The person's own sessions that still hold, latest first; `is_this_one` marks the caller's."""
    moment = now()
    mine = sa.select(UserSession).where(
        UserSession.user_id == actor.user_id,
        UserSession.expires_at > moment,
        UserSession.last_seen_at > moment - settings().session_idle,
    )
    shown = mine.with_only_columns(
        UserSession.id,
        UserSession.created_at,
        UserSession.last_seen_at,
        UserSession.address,
        UserSession.user_agent,
        (UserSession.digest == digest(session_id)).label("is_this_one"),
    )
    with db.reading() as connection:
        rows = connection.execute(shown.order_by(UserSession.last_seen_at.desc(), UserSession.id))
        return [dict(row._mapping) for row in rows]


def end(actor: Actor, row_id: UUID) -> None:
    """End one of the person's own sessions. Raises NotFound."""
    mine = sa.delete(UserSession).where(UserSession.id == row_id, UserSession.user_id == actor.user_id)
    with db.transaction() as session:
        if session.execute(mine.returning(UserSession.id)).one_or_none() is None:
            raise NotFound("This session has ended already.")
        event_records.add(session, actor, "user.session_ended")


def end_others(actor: Actor, session_id: str) -> None:
    """End all of the person's sessions but the caller's."""
    with db.transaction() as session:
        end_all(session, actor.user_id, but=session_id)
        event_records.add(session, actor, "user.other_sessions_ended")


def end_all(session: Session, user_id: UUID | None, but: str | None = None) -> None:
    """Within the caller's transaction, end a person's sessions, all `but` the one with this id."""
    theirs = sa.delete(UserSession).where(UserSession.user_id == user_id)
    session.execute(theirs if but is None else theirs.where(UserSession.digest != digest(but)))


def digest(text: str) -> str:
    """SHA-256 in hex, of a random id or code."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _was_started(visitor: Visitor, session_id: str, values: Mapping[str, Any]) -> bool:
    theirs = sa.select(User.email, User.password_hash).join(UserSession, UserSession.user_id == User.id)
    since = now() - form_keys.SHOWN_FOR
    mine = theirs.where(UserSession.digest == digest(session_id), UserSession.created_at > since, User.is_active)
    with db.reading() as connection:
        row = connection.execute(mine).one_or_none()
    if row is None or row.email not in email_spellings(str(values.get("email", row.email))[:1_000]):
        return False
    # No way around the limit on wrong guesses.
    attempt_id = login_attempts.record_or_refuse(visitor, row.email)
    if not passwords.is_correct(row.password_hash, str(values.get("password"))):
        return False
    with db.transaction() as session:
        login_attempts.remove(session, attempt_id)
    return True


def _touch(session_id: UUID, moment: datetime) -> None:
    # Book-keeping: a page can be read while the disk is full or another writer is slow.
    with suppress(Unavailable), db.transaction() as session:
        session.execute(sa.update(UserSession).where(UserSession.id == session_id).values(last_seen_at=moment))
