"""API tokens: made, listed, revoked, and recognised at the JSON door.

A token reads `agc_<12 characters>.<40 characters><6 checksum>`. The twelve find its row, the forty are compared as
HMAC-SHA256 under a pepper, and the checksum lets damaged ones be refused without asking the database.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import InvalidInput, NotFound, NotSignedIn, Throttled, Unavailable
from agents_app.models import Account, Agent, ApiToken, LoginAttempt, User
from agents_app.operations import events, users
from agents_app.operations.guesses import source_of
from agents_app.operations.permissions import Actor
from agents_app.schemas.choices import Door, Role, Scope
from agents_app.schemas.fields import parse
from agents_app.schemas.people import TokenValues

ALPHABET = string.ascii_letters + string.digits
FORM = re.compile(r"agc_(?P<key_id>[A-Za-z0-9]{12})\.(?P<secret>[A-Za-z0-9]{40})(?P<checksum>[A-Za-z0-9]{6})")
KEY_ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 40, 6
TOUCH_EVERY = timedelta(minutes=1)
FAILURE_WINDOW = timedelta(minutes=1)
FAILURES_FROM_ONE_ADDRESS = 20
WRONG = "The API token is not valid. It may be mistyped, expired or revoked."
BY_KEY_ID = (
    sa.select(
        ApiToken.id,
        ApiToken.account_id,
        ApiToken.name,
        ApiToken.pepper_id,
        ApiToken.digest,
        ApiToken.scopes,
        ApiToken.agent_ids,
        ApiToken.last_used_at,
        Account.name.label("account_name"),
        User.id.label("user_id"),
        User.role,
        User.is_active,
    )
    .join(Account, Account.id == ApiToken.account_id)
    .outerjoin(User, User.id == ApiToken.created_by)
    .where(
        ApiToken.key_id == sa.bindparam("key_id"),
        ApiToken.revoked_at.is_(None),
        sa.or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > sa.bindparam("now")),
    )
)


def create(actor: Actor, values: Mapping[str, Any], maker_email: str | None = None) -> tuple[UUID, str]:
    """Make a token; answers its id and its text, which is shown this once. Raises Forbidden, InvalidInput.

    A token with `read` or `write` is worth what its maker may do. An operator at the terminal is no person of the
    account, so such a token is made for the one with `maker_email`, or for the account's only admin.
    """
    actor.require("tokens.manage")
    checked = parse(TokenValues, values)
    key_id, secret = _random(KEY_ID_LENGTH), _random(SECRET_LENGTH)
    pepper_id = next(iter(settings().keys.peppers))
    with db.transaction() as session:
        users.keep_apart(session, actor)
        _check_agents(session, actor, checked.agent_ids)
        maker = actor.user_id or _maker(session, actor, checked, maker_email)
        token = ApiToken(
            account_id=actor.account_id,
            created_by=maker,
            name=checked.name,
            key_id=key_id,
            pepper_id=pepper_id,
            digest=_digest(pepper_id, key_id, secret),
            scopes=[scope.value for scope in checked.scopes],
            agent_ids=checked.agent_ids,
            expires_at=now() + timedelta(days=checked.expires_in_days or settings().token_days),
        )
        session.add(token)
        session.flush()
        events.record(session, actor, "token.created", ("token", token.id, token.name), scopes=token.scopes)
    body = f"agc_{key_id}.{secret}"
    return token.id, body + _checksum(body)


def listing(actor: Actor) -> list[dict[str, Any]]:
    """Every token of the account that is not revoked, newest first, without its text. Raises Forbidden."""
    actor.require("tokens.manage")
    shown = sa.select(
        ApiToken.id,
        ApiToken.name,
        ApiToken.key_id,
        ApiToken.scopes,
        ApiToken.agent_ids,
        ApiToken.created_at,
        ApiToken.expires_at,
        ApiToken.last_used_at,
        User.name.label("created_by"),
    ).outerjoin(User, User.id == ApiToken.created_by)
    mine = shown.where(ApiToken.account_id == actor.account_id, ApiToken.revoked_at.is_(None))
    with db.reading() as connection:
        rows = connection.execute(mine.order_by(ApiToken.created_at.desc(), ApiToken.id))
        return [dict(row._mapping) | {"is_expired": bool(row.expires_at and row.expires_at <= now())} for row in rows]


def revoke(actor: Actor, token_id: UUID) -> str:
    """End a token at once, in every process; answers its name. Raises Forbidden, NotFound."""
    actor.require("tokens.manage")
    with db.transaction() as session:
        mine = sa.select(ApiToken).where(ApiToken.id == token_id, ApiToken.account_id == actor.account_id)
        token = session.scalars(mine.where(ApiToken.revoked_at.is_(None)).with_for_update()).one_or_none()
        if token is None:
            raise NotFound("There is no token with this id.")
        token.revoked_at = now()
        events.record(session, actor, "token.revoked", ("token", token.id, token.name))
        return token.name


def authenticate(text: str, *, address: str, request_id: str | None) -> Actor:
    """Who a token acts for. Raises NotSignedIn, and Throttled after too many failures from one address."""
    parts = FORM.fullmatch(text)
    if parts is None or not hmac.compare_digest(_checksum(text[:-CHECKSUM_LENGTH]), parts["checksum"]):
        raise NotSignedIn(WRONG)
    moment = now()
    with db.reading() as connection:
        row = connection.execute(BY_KEY_ID, {"key_id": parts["key_id"], "now": moment}).one_or_none()
    if row is None or not _is_right(row, parts["key_id"], parts["secret"]):
        _refuse(address, request_id)
    if row.last_used_at is None or moment - row.last_used_at > TOUCH_EVERY:
        _touch(row.id, moment)
    return _actor(row, address, request_id)


def _actor(row: Row[*tuple[Any, ...]], address: str, request_id: str | None) -> Actor:
    return Actor(
        row.account_id,
        f"token {row.name}"[:255],
        Door.TOKEN,
        user_id=row.user_id,
        token_id=row.id,
        role=Role(row.role) if row.user_id and row.is_active else None,
        # A scope that this release does not know allows nothing in it.
        scopes=frozenset(scope for scope in Scope if scope in row.scopes),
        agent_ids=frozenset(UUID(agent_id) for agent_id in row.agent_ids),
        account_name=row.account_name,
        address=address,
        request_id=request_id,
    )


def _is_right(row: Row[*tuple[Any, ...]], key_id: str, secret: str) -> bool:
    if row.pepper_id not in settings().keys.peppers:
        return False
    return hmac.compare_digest(_digest(row.pepper_id, key_id, secret), row.digest)


def _refuse(address: str, request_id: str | None) -> NoReturn:
    since, source = now() - FAILURE_WINDOW, source_of(address)
    recent = sa.select(sa.func.count()).where(
        LoginAttempt.login.is_(None), LoginAttempt.address == source, LoginAttempt.created_at > since
    )
    with db.reading() as connection:
        failures = connection.scalar(recent) or 0
    if failures >= FAILURES_FROM_ONE_ADDRESS:
        raise Throttled("Too many failed authentications. Try again in a minute.", retry_after=60)
    with db.transaction() as session:
        session.add(LoginAttempt(address=source))
        events.record_stranger(session, "token.refused", address=address, request_id=request_id)
    raise NotSignedIn(WRONG)


def _check_agents(session: Session, actor: Actor, agent_ids: list[str]) -> None:
    wanted = {UUID(agent_id) for agent_id in agent_ids}
    mine = sa.select(Agent.id).where(Agent.id.in_(wanted), Agent.account_id == actor.account_id)
    if wanted - set(session.scalars(mine)):
        raise InvalidInput([("/agent_ids", "One of these agents does not exist.")])


def _maker(session: Session, actor: Actor, checked: TokenValues, email: str | None) -> UUID | None:
    if set(checked.scopes) == {Scope.RUNTIME}:
        return None
    people = sa.select(User.id).where(User.account_id == actor.account_id, User.is_active)
    wanted = User.email == email.strip().casefold() if email else User.role == Role.ADMIN
    found = session.scalars(people.where(wanted)).all()
    if len(found) == 1:
        return found[0]
    asked = "Nobody active in this account has this address." if email else "There is not just one admin."
    raise InvalidInput([("/user", f"{asked} Say for whom the token is made, with the address of a person.")])


def _touch(token_id: UUID, moment: datetime) -> None:
    # Book-keeping: agents can be read while the disk is full or another writer is slow.
    with suppress(Unavailable), db.transaction() as session:
        session.execute(sa.update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=moment))


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _digest(pepper_id: str, key_id: str, secret: str) -> str:
    pepper = settings().keys.peppers[pepper_id]
    return hmac.new(pepper, f"{key_id}.{secret}".encode(), hashlib.sha256).hexdigest()


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
