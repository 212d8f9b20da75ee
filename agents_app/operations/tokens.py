"""Operations on API tokens: create, list, rotate, revoke, and authenticate.

`token_records.py` makes their rows. `token_text.py` says what a token looks like.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from agents_app.database.prepared import prepared
from agents_app.db import UtcDateTime, db, now
from agents_app.errors import NotFound, NotSignedIn, Throttled, Unavailable
from agents_app.models import Account, ApiToken, LoginAttempt, User
from agents_app.operations import event_records, form_keys, token_records, token_text, user_records
from agents_app.operations.login_attempts import network_of
from agents_app.operations.permissions import Actor, Visitor
from agents_app.operations.token_records import Owner
from agents_app.schemas.tokens import RotationValues, TokenQuery, TokenValues
from agents_app.values.choices import Door, Role, Scope
from agents_app.values.fields import parse

TOUCH_EVERY = timedelta(minutes=1)
FAILURES_FROM_ONE_ADDRESS, FAILURE_WINDOW = 20, timedelta(minutes=1)
WRONG = "The API token is not valid. It may be mistyped, expired or revoked."
BY_KEY_ID = prepared(
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
        User.name.label("owner_name"),
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
EVERY_TOKEN = TokenQuery()
SHOWN = sa.select(
    ApiToken.id,
    ApiToken.name,
    ApiToken.key_id,
    ApiToken.scopes,
    ApiToken.agent_ids,
    ApiToken.created_at,
    ApiToken.expires_at,
    ApiToken.replaced_at,
    ApiToken.last_used_at,
    User.id.label("owner_id"),
    User.name.label("created_by"),
).outerjoin(User, User.id == ApiToken.created_by)


class Rotation(NamedTuple):
    """The token that replaces another, and when the other one ends."""

    id: UUID
    text: str
    old_ends_at: datetime


def create(
    actor: Actor, values: Mapping[str, Any], owner_email: str | None = None, key: str | None = None
) -> tuple[UUID, str]:
    """Make a token. Returns its id and its text, which is stored nowhere. Raises Forbidden, InvalidInput.

    With the key of a form, a repeated call returns the token of the first for ten minutes while it is in force, and
    then, or with other content, raises Repeated.
    A token with `read` or `write` has at most the permissions of its maker. An operator at the terminal is not a user
    of the account, so such a token is made for the user with `owner_email`, or for the only admin of the account.
    """
    actor.require_to_change("tokens.manage")
    checked = parse(TokenValues, token_records.with_agent_ids(actor, values))
    key = key or form_keys.new()
    with db.transaction() as session:
        # Of two requests with one key the second waits here, and then finds the token of the first.
        user_records.lock_account_as_admin(session, actor)
        token = session.get(ApiToken, form_keys.row_id(actor, "token", key))
        if token is not None:
            return token.id, token_records.repeated_text(token, key, has_same_content=_has_content(token, checked))
        token_records.check_agents(session, actor, checked.agent_ids)
        owner = actor.user_id or token_records.find_owner(session, actor, checked, owner_email)
        values = checked.model_dump(mode="json", exclude={"expires_in_days"}) | {"created_by": owner}
        token, text = token_records.new(actor, key, values, token_records.lifetime_of(checked))
        session.add(token)
        session.flush()
        event_records.add(session, actor, "token.created", ("token", token.id, token.name), scopes=token.scopes)
    return token.id, text


def listing(actor: Actor, query: TokenQuery = EVERY_TOKEN) -> list[dict[str, Any]]:
    """The tokens of the account that match and are not revoked, newest first, without their text. Raises Forbidden.

    `agents` are the agents to which a token is limited. The name of one that was deleted is None.
    """
    actor.require("tokens.manage")
    statement = SHOWN.where(ApiToken.account_id == actor.account_id, ApiToken.revoked_at.is_(None))
    if query.unused_days is not None:
        last_use = sa.func.coalesce(ApiToken.last_used_at, ApiToken.created_at, type_=UtcDateTime)
        statement = statement.where(last_use <= now() - timedelta(days=query.unused_days))
    with db.reading() as connection:
        rows = connection.execute(statement.order_by(ApiToken.created_at.desc(), ApiToken.id)).all()
        names = token_records.agent_names(connection, actor, {str(one) for row in rows for one in row.agent_ids})
    return [
        {
            **row._mapping,
            "is_expired": token_records.is_expired(row.expires_at),
            "acts_as_another": token_records.acts_as_another(actor, row.owner_id, row.scopes),
            "agents": [{"id": one, "name": names.get(str(one))} for one in row.agent_ids],
        }
        for row in rows
    ]


def read(actor: Actor, token_id: UUID, *, to_rotate: bool = False) -> dict[str, Any]:
    """A token of the account that is not revoked, without its text. Raises Forbidden, NotFound.

    To rotate it, raises Conflict, with the reason, where it cannot be rotated, also for one that was revoked.
    """
    actor.require("tokens.manage")
    columns = SHOWN.add_columns(ApiToken.revoked_at, sa.func.coalesce(User.is_active, sa.false()).label("has_owner"))
    query = columns.where(ApiToken.id == token_id, ApiToken.account_id == actor.account_id)
    with db.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or (row.revoked_at and not to_rotate):
        raise NotFound(token_records.NO_TOKEN)
    if to_rotate:
        token_records.check_rotatable(actor, row, Owner(row.owner_id, row.created_by, row.has_owner))
    return dict(row._mapping)


def rotate(actor: Actor, token_id: UUID, values: Mapping[str, Any], key: str | None = None) -> Rotation:
    """Replace a token by a new one, which has the same name, owner, scopes, agents and lifetime.

    The old token keeps working for the overlap, but not longer than before. The key is as for `create`.
    The owner stays the same, so the new token never has more permissions than the old one. Raises Forbidden, NotFound,
    InvalidInput, Repeated, and Conflict for a token that no longer works.
    """
    actor.require_to_change("tokens.manage")
    overlap = timedelta(hours=parse(RotationValues, values).overlap)
    key = f"{key or form_keys.new()} {token_id} {overlap}"
    with db.transaction() as session:
        user_records.lock_account_as_admin(session, actor)
        old = token_records.find(session, actor, token_id)
        token = session.get(ApiToken, form_keys.row_id(actor, "token", key))
        if token is not None:
            text = token_records.repeated_text(token, key, has_same_content=True)
            return Rotation(token.id, text, old.expires_at or token.created_at + overlap)
        token_records.check_rotatable(actor, old, token_records.owner_of(session, old))
        same = {name: getattr(old, name) for name in ("name", "created_by", "scopes", "agent_ids")}
        token, text = token_records.new(actor, key, same, old.expires_at - old.created_at if old.expires_at else None)
        old.replaced_at, end = token.created_at, token.created_at + overlap
        old.expires_at = end = min(end, old.expires_at or end)
        session.add(token)
        session.flush()
        target, ids = ("token", token.id, token.name), {"old": f"agc_{old.key_id}", "new": f"agc_{token.key_id}"}
        event_records.add(session, actor, "token.rotated", target, **ids, until=end.isoformat(timespec="seconds"))
    return Rotation(token.id, text, end)


def revoke(actor: Actor, token_id: UUID) -> str:
    """Revoke a token, in every process at once. Returns its name. Raises Forbidden, NotFound."""
    actor.require_to_change("tokens.manage")
    with db.transaction() as session:
        token = token_records.find(session, actor, token_id)
        if token.revoked_at is not None:
            raise NotFound(token_records.NO_TOKEN)
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
    if row is None or not token_records.is_right(row, *parts):
        _refuse(visitor)
    if row.last_used_at is None or moment - row.last_used_at > TOUCH_EVERY:
        _touch(row.id, moment)
    return _actor(row, visitor)


def _has_content(token: ApiToken, checked: TokenValues) -> bool:
    wanted = (checked.name, checked.scopes, checked.agent_ids)
    # A rotated token ends earlier than it was created to.
    end = token.created_at + token_records.lifetime_of(checked)
    is_as_long = token.replaced_at is not None or token.expires_at == end
    return (token.name, token.scopes, token.agent_ids) == wanted and is_as_long


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
        owner_name=row.owner_name,
        account_name=row.account_name,
        visitor=visitor,
    )


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


def _touch(token_id: UUID, moment: datetime) -> None:
    # A failed write is ignored: agents can be read while the disk is full or another process holds a lock.
    with suppress(Unavailable), db.transaction(waits=False) as session:
        session.execute(sa.update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=moment))
