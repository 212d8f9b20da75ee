"""Operations on API tokens: create, list, revoke, and authenticate. `token_text.py` says what a token looks like.

The secret of a token is stored as HMAC-SHA256 with a pepper.
"""

import hashlib
import hmac
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
from agents_app.operations import event_records, form_keys, token_text, user_records
from agents_app.operations.login_attempts import network_of
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas.tokens import TokenValues
from agents_app.schemas.users import email_spellings
from agents_app.values.choices import Door, Role, Scope
from agents_app.values.fields import parse

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


def create(
    actor: Actor, values: Mapping[str, Any], maker_email: str | None = None, key: str | None = None
) -> tuple[UUID, str]:
    """Make a token. Returns its id and its text, which is stored nowhere. Raises Forbidden, InvalidInput.

    With the key of a form, a repeated call returns the token of the first for ten minutes while it is in force, and
    then, or with other content, raises Repeated.
    A token with `read` or `write` has at most the permissions of its maker. An operator at the terminal is not a user
    of the account, so such a token is made for the user with `maker_email`, or for the only admin of the account.
    """
    actor.require("tokens.manage")
    checked = parse(TokenValues, values)
    key = key or form_keys.new()
    with db.transaction() as session:
        # Of two requests with one key the second waits here, and then finds the token of the first.
        user_records.lock_account_as_admin(session, actor)
        token = session.get(ApiToken, form_keys.row_id(actor, "token", key))
        if token is not None:
            return token.id, _repeated_text(token, key, checked)
        _check_agents(session, actor, checked.agent_ids)
        maker = actor.user_id or _maker(session, actor, checked, maker_email)
        token, text = _new(actor, checked, maker, key)
        session.add(token)
        session.flush()
        event_records.add(session, actor, "token.created", ("token", token.id, token.name), scopes=token.scopes)
    return token.id, text


def listing(actor: Actor) -> list[dict[str, Any]]:
    """The tokens of the account that are not revoked, newest first, without their text. Raises Forbidden."""
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
    query = shown.where(ApiToken.account_id == actor.account_id, ApiToken.revoked_at.is_(None))
    with db.reading() as connection:
        rows = connection.execute(query.order_by(ApiToken.created_at.desc(), ApiToken.id))
        return [dict(row._mapping) | {"is_expired": bool(row.expires_at and row.expires_at <= now())} for row in rows]


def revoke(actor: Actor, token_id: UUID) -> str:
    """Revoke a token, in every process at once. Returns its name. Raises Forbidden, NotFound."""
    actor.require("tokens.manage")
    with db.transaction() as session:
        query = sa.select(ApiToken).where(ApiToken.id == token_id, ApiToken.account_id == actor.account_id)
        token = session.scalars(query.where(ApiToken.revoked_at.is_(None)).with_for_update()).one_or_none()
        if token is None:
            raise NotFound("There is no token with this id.")
        token.revoked_at = now()
        event_records.add(session, actor, "token.revoked", ("token", token.id, token.name))
        return token.name


def authenticate(visitor: Visitor, text: str) -> Actor:
    """Return the actor of a token, and record that it was used.

    Raises NotSignedIn, and Throttled after too many failures from one address.
    """
    parts = token_text.parse(text)
    if parts is None:
        raise NotSignedIn(WRONG)
    moment = now()
    with db.reading() as connection:
        row = connection.execute(BY_KEY_ID, {"key_id": parts[0], "now": moment}).one_or_none()
    if row is None or not _is_right(row, *parts):
        _refuse(visitor)
    if row.last_used_at is None or moment - row.last_used_at > TOUCH_EVERY:
        _touch(row.id, moment)
    return _actor(row, visitor)


def _new(actor: Actor, checked: TokenValues, maker: UUID | None, key: str) -> tuple[ApiToken, str]:
    token_id, moment = form_keys.row_id(actor, "token", key), now()
    key_id, secret = token_text.derive(token_id, key)
    pepper_id = next(iter(settings().keys.peppers))
    token = ApiToken(
        id=token_id,
        account_id=actor.account_id,
        created_by=maker,
        name=checked.name,
        key_id=key_id,
        pepper_id=pepper_id,
        digest=_digest(pepper_id, key_id, secret),
        scopes=[scope.value for scope in checked.scopes],
        agent_ids=checked.agent_ids,
        created_at=moment,
        expires_at=moment + timedelta(days=checked.expires_in_days or settings().token_days),
    )
    return token, token_text.format_token(key_id, secret)


def _repeated_text(token: ApiToken, key: str, checked: TokenValues) -> str:
    parts = token_text.derive(token.id, key)
    lifetime = timedelta(days=checked.expires_in_days or settings().token_days)
    wanted = (checked.name, checked.scopes, checked.agent_ids, token.created_at + lifetime)
    form_keys.check_repeated(
        "a token",
        token.created_at,
        has_same_content=(token.name, token.scopes, token.agent_ids, token.expires_at) == wanted,
        is_in_force=token.revoked_at is None,
        is_same_text=_is_right(token, *parts),
    )
    return token_text.format_token(*parts)


def _actor(row: Row[*tuple[Any, ...]], visitor: Visitor) -> Actor:
    return Actor(
        row.account_id,
        f"token {row.name}"[:255],
        Door.TOKEN,
        user_id=row.user_id,
        token_id=row.id,
        role=Role(row.role) if row.user_id and row.is_active else None,
        # An unknown scope of another release permits nothing here.
        scopes=frozenset(scope for scope in Scope if scope in row.scopes),
        agent_ids=frozenset(UUID(agent_id) for agent_id in row.agent_ids),
        account_name=row.account_name,
        visitor=visitor,
    )


def _is_right(row: Row[*tuple[Any, ...]] | ApiToken, key_id: str, secret: str) -> bool:
    if row.pepper_id not in settings().keys.peppers:
        return False
    return hmac.compare_digest(_digest(row.pepper_id, key_id, secret), row.digest)


def _refuse(visitor: Visitor) -> NoReturn:
    since, source = now() - FAILURE_WINDOW, network_of(visitor.address or "")
    recent = sa.select(sa.func.count()).where(
        LoginAttempt.login.is_(None), LoginAttempt.address == source, LoginAttempt.created_at > since
    )
    with db.reading() as connection:
        failures = connection.scalar(recent) or 0
    if failures >= FAILURES_FROM_ONE_ADDRESS:
        raise Throttled("Too many wrong API tokens from your IP address. Try again in a minute.", retry_after=60)
    with db.transaction() as session:
        session.add(LoginAttempt(address=source))
        event_records.add_anonymous(session, "token.refused", visitor)
    raise NotSignedIn(WRONG)


def _check_agents(session: Session, actor: Actor, agent_ids: list[str]) -> None:
    wanted = {UUID(agent_id) for agent_id in agent_ids}
    query = sa.select(Agent.id).where(Agent.id.in_(wanted), Agent.account_id == actor.account_id)
    if wanted - set(session.scalars(query)):
        raise InvalidInput([("/agent_ids", "One of these agents does not exist. Remove its id.")])


def _maker(session: Session, actor: Actor, checked: TokenValues, email: str | None) -> UUID | None:
    if set(checked.scopes) == {Scope.RUNTIME}:
        return None
    users = sa.select(User.id).where(User.account_id == actor.account_id, User.is_active)
    wanted = User.email.in_(email_spellings(email)) if email else User.role == Role.ADMIN
    found = session.scalars(users.where(wanted)).all()
    if len(found) == 1:
        return found[0]
    problem = "No active person in this account has this address." if email else "The account has more than one admin."
    raise InvalidInput([("/user", f"{problem} Give the email address of the person for whom the token is created.")])


def _touch(token_id: UUID, moment: datetime) -> None:
    # A failed write is ignored: agents can be read while the disk is full or another process holds a lock.
    with suppress(Unavailable), db.transaction() as session:
        session.execute(sa.update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=moment))


def _digest(pepper_id: str, key_id: str, secret: str) -> str:
    pepper = settings().keys.peppers[pepper_id]
    return hmac.new(pepper, f"{key_id}.{secret}".encode(), hashlib.sha256).hexdigest()
