"""Helpers for sign-ins whose password, or link, was right and whose code of the second factor is still to come.

A half-session is a text for the cookie. It counts as a wrong password until its code is given: the row of that attempt
makes it work once.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.db import now
from agents_app.errors import NotSignedIn
from agents_app.models import SecondFactor, User
from agents_app.operations import form_keys, login_attempts, session_records
from agents_app.operations.permissions import Visitor
from agents_app.values.choices import SignInMethod

LASTS_FOR = timedelta(minutes=5)
ENDED = "Sign in again: the code was not given within five minutes, or the sign-in was used or changed since."


@dataclass(frozen=True)
class HalfSession:
    """Who signs in, since when, and how. `mark` proves all of it, with the password that was right."""

    attempt_id: UUID
    user_id: UUID
    started_at: int
    method: SignInMethod
    mark: str

    @property
    def text(self) -> str:
        """The half-session as a text for the cookie."""
        return " ".join(map(str, (self.attempt_id, self.user_id, self.started_at, self.method, self.mark)))


def begin(
    session: Session,
    user: User,
    visitor: Visitor,
    session_id: str | None = None,
    *,
    method: SignInMethod = SignInMethod.PASSWORD,
    attempt_id: UUID | None = None,
) -> str | HalfSession:
    """Start the session of a person whose password or link was right; a half-session if they have a second factor.

    `attempt_id` is the attempt that the caller has recorded, which is removed with the start of the session.
    """
    confirmed = sa.select(SecondFactor.user_id).where(
        SecondFactor.user_id == user.id, SecondFactor.confirmed_at.is_not(None)
    )
    if session.scalar(confirmed) is None:
        if attempt_id:
            login_attempts.remove(session, attempt_id)
        return session_records.start(session, user, visitor, session_id, method=method)
    attempt_id, moment = attempt_id or login_attempts.add(session, visitor, user.email), int(now().timestamp())
    return HalfSession(attempt_id, user.id, moment, method, _mark(attempt_id, user, moment, method))


def read(text: str, moment: datetime) -> HalfSession:
    """The half-session that a cookie holds. Raises NotSignedIn where it is too old."""
    try:
        attempt_id, user_id, started_at, method, mark = text.split(" ")
        half = HalfSession(UUID(attempt_id), UUID(user_id), int(started_at), SignInMethod(method), mark)
        age = moment - datetime.fromtimestamp(half.started_at, UTC)
    except (ValueError, OverflowError, OSError):
        raise NotSignedIn(ENDED) from None
    if age > LASTS_FOR:
        raise NotSignedIn(ENDED)
    return half


def use_up(session: Session, half: HalfSession) -> User:
    """The user of a half-session, locked. It cannot be used again. Raises NotSignedIn."""
    user = session.get(User, half.user_id, with_for_update={"key_share": True})
    if user is None or not hmac.compare_digest(half.mark, _mark(half.attempt_id, user, half.started_at, half.method)):
        raise NotSignedIn(ENDED)
    if not user.is_active or not login_attempts.remove(session, half.attempt_id):
        raise NotSignedIn(ENDED)
    return user


def _mark(attempt_id: UUID, user: User, started_at: int, method: SignInMethod) -> str:
    # With another password, it is another mark.
    return form_keys.code("half-session", attempt_id, user.id, started_at, method, user.password_hash)
