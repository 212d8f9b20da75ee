"""Helpers that add and end sessions. `start_once` has a transaction of its own; the others are part of the caller's."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import Conflict, NotFound
from agents_app.models import User, UserSession
from agents_app.operations import event_records, form_keys, login_attempts, passwords
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas.users import email_spellings
from agents_app.values.choices import Door, SignInMethod

Started = TypeVar("Started")


def start(
    session: Session,
    user: User,
    visitor: Visitor,
    session_id: str | None = None,
    *,
    method: SignInMethod = SignInMethod.PASSWORD,
    ends_at: datetime | None = None,
    confirmed_at: datetime | None = None,
) -> str:
    """Add a session for a user whose identity is established, with its event. Returns the id for the cookie.

    A form that is sent without signing in passes an id derived from its key: a second click finds this session. With
    `ends_at`, the session ends then if that is earlier. `confirmed_at` is when a code of the second factor was given.
    """
    latest = now() + settings().session_max
    session_id = session_id or secrets.token_urlsafe(32)
    session.add(
        UserSession(
            digest=digest(session_id),
            user_id=user.id,
            expires_at=min(latest, ends_at or latest),
            address=visitor.address,
            user_agent=visitor.user_agent[:255],
            method=method,
            confirmed_at=confirmed_at,
        )
    )
    _record(session, user, visitor, method)
    return session_id


def start_once(
    visitor: Visitor, session_id: str, values: Mapping[str, Any], start: Callable[[], Started]
) -> Started | str:
    """Return what `start` returns. Where it refuses because the same form has just started this session, return that.

    `values` are those of the form: the password must be correct, and the email address where the form has one.
    """
    try:
        return start()
    except (NotFound, Conflict):
        if not _was_started(visitor, session_id, values):
            raise
        return session_id


def end_all(session: Session, user_id: UUID | None, but: str | None = None) -> None:
    """End the sessions of a user, except the one with the id `but`."""
    query = sa.delete(UserSession).where(UserSession.user_id == user_id)
    session.execute(query if but is None else query.where(UserSession.digest != digest(but)))


def digest(text: str) -> str:
    """The SHA-256 of a random id or code, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _record(session: Session, user: User, visitor: Visitor, method: SignInMethod) -> None:
    actor = Actor(user.account_id, user.name, Door.PAGE, user_id=user.id, visitor=visitor)
    host = {"host": settings().provider_host} if method is SignInMethod.PROVIDER else {}
    event_records.add(session, actor, "user.signed_in", ("user", user.id, user.name), method=method, **host)


def _was_started(visitor: Visitor, session_id: str, values: Mapping[str, Any]) -> bool:
    since = now() - form_keys.SHOWN_FOR
    query = sa.select(User.email, User.password_hash).join(UserSession, UserSession.user_id == User.id)
    query = query.where(UserSession.digest == digest(session_id), UserSession.created_at > since, User.is_active)
    with db.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or row.email not in email_spellings(str(values.get("email", row.email))[:1_000]):
        return False
    # This counts as an attempt, so that the limit on wrong passwords applies here too.
    attempt_id = login_attempts.record_or_refuse(visitor, row.email)
    if not passwords.is_correct(row.password_hash, str(values.get("password"))):
        return False
    with db.transaction() as session:
        login_attempts.remove(session, attempt_id)
    return True
