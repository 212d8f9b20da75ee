"""Helpers that count wrong passwords. The counts are in the database, and so are shared by all processes."""

import hashlib
import hmac
import ipaddress
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import Throttled
from agents_app.models import LoginAttempt
from agents_app.operations.permissions import Visitor

WINDOW = timedelta(minutes=15)
PER_USER_AND_ADDRESS = 10
PER_USER = 50
# One password tried for many users is guessing too. An office of hundreds behind one address stays below this.
PER_ADDRESS = 100


def record_or_refuse(visitor: Visitor, email: str, counted: str = "wrong passwords") -> UUID:
    """Record an attempt before the password is checked, and return its id for `remove`.

    It is recorded first, so that attempts at the same time cannot exceed the limit together. Raises Throttled after too
    many wrong passwords. `counted` is what the sentence calls them.
    """
    with db.transaction() as session:
        attempt_id = add(session, visitor, email)
    try:
        _check(email, network_of(visitor.address or ""), attempt_id, counted)
    except Throttled:
        with db.transaction() as session:
            remove(session, attempt_id)
        raise
    return attempt_id


def add(session: Session, visitor: Visitor, email: str) -> UUID:
    """Within the caller's transaction, record an attempt, and return its id for `remove`."""
    attempt_id = uuid4()
    session.add(LoginAttempt(id=attempt_id, login=login_key(email), address=network_of(visitor.address or "")))
    return attempt_id


def remove(session: Session, attempt_id: UUID) -> bool:
    """Within the caller's transaction, remove an attempt with the correct password, or one that was refused.

    Returns whether it was there: of two requests that remove one attempt, the second waits, and gets False.
    """
    query = sa.delete(LoginAttempt).where(LoginAttempt.id == attempt_id)
    return session.execute(query.returning(LoginAttempt.id)).one_or_none() is not None


def network_of(address: str) -> str:
    """What is counted as one address: of IPv6 the network of 64 bits, because one machine may use all of it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


def login_key(email: str) -> str:
    """The HMAC, in hex, under which attempts are stored. A leaked database does not show whose address was tried."""
    secret_key = settings().keys.secret_key.encode()
    return hmac.digest(secret_key, b"login " + email.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()


def _check(email: str, network: str, attempt_id: UUID, counted: str) -> None:
    has_login = (LoginAttempt.login == login_key(email)).label("has_login")
    has_address = (LoginAttempt.address == network).label("has_address")
    others = sa.select(LoginAttempt.created_at, has_login, has_address).where(
        sa.or_(has_login, has_address),
        LoginAttempt.login.is_not(None),
        LoginAttempt.created_at > now() - WINDOW,
        LoginAttempt.id != attempt_id,
    )
    with db.reading() as connection:
        rows = connection.execute(others.order_by(LoginAttempt.created_at)).all()
    of_address = [row.created_at for row in rows if row.has_address]
    of_user = [row.created_at for row in rows if row.has_login]
    of_both = [row.created_at for row in rows if row.has_login and row.has_address]
    # Attempts from other addresses must not lock a user out of an address without a wrong password.
    if of_both:
        _refuse_at(PER_USER, of_user, counted)
    _refuse_at(PER_USER_AND_ADDRESS, of_both, counted)
    _refuse_at(PER_ADDRESS, of_address, counted)


def _refuse_at(limit: int, attempts: list[datetime], counted: str) -> None:
    if len(attempts) < limit:
        return
    seconds = int((attempts[-limit] + WINDOW - now()).total_seconds()) + 1
    minutes = -(-seconds // 60)
    wait = "1 minute" if minutes <= 1 else f"{minutes} minutes"
    raise Throttled(f"Too many {counted}. Try again in {wait}.", retry_after=max(seconds, 1))
