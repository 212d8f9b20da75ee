"""Helpers that make and check one-time codes: those of an authenticator app (RFC 6238), and recovery codes."""

import base64
import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import pyotp
import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db
from agents_app.encryption import CannotDecrypt, Keyring
from agents_app.errors import ConsoleError, InvalidInput, NotSignedIn, Unavailable
from agents_app.models import RecoveryCode, SecondFactor
from agents_app.operations import agent_secrets, event_records, login_attempts, session_records
from agents_app.operations.permissions import Actor, Visitor

STEP_S = 30
# The clocks of the phone and of the server may differ by one step.
TOLERATED_STEPS = 1
# With 120 random bits, a plain hash is enough to store a recovery code (ASVS 6.5.2).
RECOVERY_CODES, RECOVERY_BYTES = 10, 15
# The field of the secret, which is authenticated with it.
SECRET = "/second_factor"
APP_CODE = re.compile(r"[0-9]{6}")
WRONG = "This code is wrong. Enter the code that the app shows now, or a recovery code that was not used."
USED = "This code was used already. Wait until the app shows the next one."
WRONG_AT_SET_UP = (
    "This code is wrong. Enter the six digits that the app shows now. The time on the phone must be right."
)
REMOVED = "Sign in again: the second factor was removed."
LOST_KEY = (
    "Codes of the app cannot be checked at the moment. An operator must check ENCRYPTION_KEYS. Recovery codes work."
)


@contextmanager
def attempt(actor: Actor) -> Iterator[Session]:
    """A transaction in which a code of this person is used. A wrong code is an event, and is counted.

    Wrong codes are counted by person, in all browsers and from all addresses: only those who know the password get as
    far as this. Raises Throttled.
    """
    of_person = Visitor(address=str(actor.user_id))
    attempt_id = login_attempts.record_or_refuse(of_person, f"code of {actor.user_id}", "wrong codes")
    try:
        with db.transaction() as session:
            login_attempts.remove(session, attempt_id)
            yield session
    except InvalidInput:
        with db.transaction() as session:
            event_records.add(session, actor, "user.code_refused")
        raise
    except ConsoleError:
        # A code that could not be checked was not wrong.
        with db.transaction() as session:
            login_attempts.remove(session, attempt_id)
        raise


def use(session: Session, actor: Actor, typed: str, moment: datetime) -> None:
    """Use up a code of the actor's app, or a recovery code, with its event.

    Raises InvalidInput, NotSignedIn where there is no second factor, and Unavailable where a key is missing.
    """
    query = sa.select(SecondFactor).where(SecondFactor.user_id == actor.user_id, SecondFactor.confirmed_at.is_not(None))
    # Of two requests with one code, the second waits here.
    factor = session.scalars(query.with_for_update()).one_or_none()
    if factor is None:
        raise NotSignedIn(REMOVED)
    code = _plain(typed)
    if APP_CODE.fullmatch(code):
        secret = _decrypt(settings().keys.encryption, actor, factor.secret)
        factor.last_step = find_step(secret, code, moment, after=factor.last_step)
    else:
        _use_recovery_code(session, actor, code, moment)


def find_step(secret: str, typed: str, moment: datetime, after: int = 0, wrong: str = WRONG) -> int:
    """The time step, later than `after`, whose code this is. Raises InvalidInput."""
    app, code, present = pyotp.TOTP(secret), _plain(typed), int(moment.timestamp()) // STEP_S
    steps = range(present - TOLERATED_STEPS, present + TOLERATED_STEPS + 1)
    found = [step for step in steps if hmac.compare_digest(app.generate_otp(step).encode(), code.encode())]
    if not found:
        raise InvalidInput([("/code", wrong)])
    if found[-1] <= after:
        raise InvalidInput([("/code", USED)])
    return found[-1]


def encrypt(keyring: Keyring, actor: Actor, secret: str) -> str:
    """The secret of the actor's app as it is stored, bound to the person."""
    return agent_secrets.encrypt_one(keyring, actor.account_id, _id(actor), SECRET, secret)


def replace_recovery_codes(session: Session, actor: Actor) -> list[str]:
    """Make new recovery codes, which replace the earlier ones. They are stored nowhere: the rows have their digests."""
    codes = [secrets.token_bytes(RECOVERY_BYTES) for _ in range(RECOVERY_CODES)]
    texts = [base64.b32encode(code).decode().lower() for code in codes]
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == actor.user_id))
    session.add_all(RecoveryCode(digest=session_records.digest(text), user_id=_id(actor)) for text in texts)
    return [grouped(text) for text in texts]


def grouped(text: str) -> str:
    """A code or a key in groups of four characters, which are easier to copy."""
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _use_recovery_code(session: Session, actor: Actor, typed: str, moment: datetime) -> None:
    # Base32 has neither 0 nor 1: who types them has read an O or an L.
    code = typed.replace("0", "o").replace("1", "l")
    own = sa.and_(RecoveryCode.user_id == actor.user_id, RecoveryCode.used_at.is_(None))
    used = sa.update(RecoveryCode).where(own, RecoveryCode.digest == session_records.digest(code))
    if session.execute(used.values(used_at=moment).returning(RecoveryCode.digest)).one_or_none() is None:
        raise InvalidInput([("/code", WRONG)])
    left = session.scalar(sa.select(sa.func.count()).where(own))
    event_records.add(session, actor, "user.recovery_code_used", left=left)


def _decrypt(keyring: Keyring, actor: Actor, stored: str) -> str:
    try:
        return agent_secrets.decrypt_one(keyring, actor.account_id, _id(actor), SECRET, stored)
    except CannotDecrypt:
        raise Unavailable(LOST_KEY, code="secret_unavailable") from None


def _id(actor: Actor) -> UUID:
    if actor.user_id is None:
        raise NotSignedIn("Sign in to continue.")
    return actor.user_id


def _plain(typed: str) -> str:
    """A code without the spaces and hyphens that people type, and without differences of writing."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", typed[:100])).lower()
