"""How many wrong guesses at passwords are too many. Counted in the database, by all processes together."""

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
AT_ONE_PERSON_FROM_ONE_ADDRESS = 10
AT_ONE_PERSON = 50
# One password tried at everybody is a guess as well; offices of hundreds behind one address stay below this.
FROM_ONE_ADDRESS = 100


def record_or_refuse(visitor: Visitor, email: str) -> UUID:
    """Count a guess at a person's password before it is looked at; answers its id, for `forget`.

    Guesses made at once cannot slip past the limit together. Raises Throttled after too many wrong ones.
    """
    attempt_id, source = uuid4(), network_of(visitor.address or "")
    with db.transaction() as session:
        session.add(LoginAttempt(id=attempt_id, login=login_key(email), address=source))
    try:
        _check(email, source, attempt_id)
    except Throttled:
        with db.transaction() as session:
            remove(session, attempt_id)
        raise
    return attempt_id


def remove(session: Session, attempt_id: UUID) -> None:
    """Within the caller's transaction, take back a guess that was right or was not made."""
    session.execute(sa.delete(LoginAttempt).where(LoginAttempt.id == attempt_id))


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits, all of which any single machine may use."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


def login_key(email: str) -> str:
    """What attempts are counted by, in hex: under the secret key, so that a leaked database confirms no address."""
    secret_key = settings().keys.secret_key.encode()
    return hmac.digest(secret_key, b"login " + email.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()


def _check(email: str, source: str, attempt_id: UUID) -> None:
    is_at_them = (LoginAttempt.login == login_key(email)).label("is_at_them")
    is_from_here = (LoginAttempt.address == source).label("is_from_here")
    others = sa.select(LoginAttempt.created_at, is_at_them, is_from_here).where(
        sa.or_(is_at_them, is_from_here),
        LoginAttempt.login.is_not(None),
        LoginAttempt.created_at > now() - WINDOW,
        LoginAttempt.id != attempt_id,
    )
    with db.reading() as connection:
        rows = connection.execute(others.order_by(LoginAttempt.created_at)).all()
    from_here = [row.created_at for row in rows if row.is_from_here]
    at_them = [row.created_at for row in rows if row.is_at_them]
    at_them_from_here = [row.created_at for row in rows if row.is_at_them and row.is_from_here]
    # Strangers elsewhere cannot lock a person out: an address without a wrong guess at them may try.
    if at_them_from_here:
        _refuse(at_them, AT_ONE_PERSON)
    _refuse(at_them_from_here, AT_ONE_PERSON_FROM_ONE_ADDRESS)
    _refuse(from_here, FROM_ONE_ADDRESS)


def _refuse(guesses: list[datetime], most: int) -> None:
    if len(guesses) < most:
        return
    seconds = int((guesses[-most] + WINDOW - now()).total_seconds()) + 1
    minutes = -(-seconds // 60)
    wait = "1 minute" if minutes <= 1 else f"{minutes} minutes"
    raise Throttled(f"Too many wrong tries. Try again in {wait}.", retry_after=max(seconds, 1))
