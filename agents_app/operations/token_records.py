"""Helpers that make the rows of API tokens and their texts, within the caller's transaction.

The secret of a token is stored as HMAC-SHA256 with a pepper.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import Conflict, InvalidInput, NotFound, Repeated
from agents_app.models import Agent, ApiToken, User
from agents_app.operations import external_ids, form_keys, known_ids, token_text
from agents_app.operations.permissions import Actor
from agents_app.schemas.tokens import TokenValues
from agents_app.schemas.users import email_spellings
from agents_app.values.choices import Role, Scope
from agents_app.values.pasted import read_uuid
from agents_app.values.rules import is_uuid

NO_TOKEN = "There is no token with this id, or it was revoked."


def find(session: Session, actor: Actor, token_id: UUID) -> ApiToken:
    """Lock and return a token of the account, also one that is revoked. Raises NotFound."""
    query = sa.select(ApiToken).where(ApiToken.id == token_id, ApiToken.account_id == actor.account_id)
    token = session.scalars(query.with_for_update()).one_or_none()
    if token is None:
        raise NotFound(NO_TOKEN)
    return token


class Owner(NamedTuple):
    """The owner of a token. All is empty for a token without one."""

    id: UUID | None
    name: str | None
    is_active: bool


def owner_of(session: Session, token: ApiToken) -> Owner:
    """The owner of a token."""
    owner = session.get(User, token.created_by) if token.created_by else None
    return Owner(owner.id, owner.name, owner.is_active) if owner else Owner(None, None, is_active=False)


def acts_as_another(actor: Actor, owner_id: UUID | None, scopes: Sequence[str]) -> bool:
    """Whether a token acts as another person than the actor. An operator at the terminal is no person."""
    return actor.user_id is not None and owner_id not in (None, actor.user_id) and set(scopes) != {Scope.RUNTIME}


def check_rotatable(actor: Actor, token: Row[*tuple[Any, ...]] | ApiToken, owner: Owner) -> None:
    """Raise Conflict, with the reason, where a new token in place of this one would be wrong or useless."""
    if token.revoked_at is not None:
        raise Conflict(f"The token {token.name} was revoked. Create a new token.")
    if is_expired(token.expires_at):
        raise Conflict(f"The token {token.name} has expired. Create a new token.")
    # The scope runtime needs no owner.
    if Scope.RUNTIME not in token.scopes and not owner.is_active:
        problem = f"The token {token.name} has no permissions, because its owner was deactivated or deleted."
        raise Conflict(f"{problem} Create a new token.")
    if acts_as_another(actor, owner.id, token.scopes):
        problem = f"The token {token.name} acts as {owner.name}, so only {owner.name} can rotate it."
        raise Conflict(f"{problem} Create a new token.", code="token_of_another")
    if token.replaced_at is not None:
        advice = "Rotate the newer token of this name. If that one was revoked, create a new token."
        raise Conflict(f"The token {token.name} was replaced. {advice}", code="token_replaced")


def new(actor: Actor, key: str, values: Mapping[str, Any], lifetime: timedelta | None) -> tuple[ApiToken, str]:
    """A token that is not stored yet, and its text. `values` are those of its columns that the actor chooses."""
    token_id, moment = form_keys.row_id(actor, "token", key), now()
    key_id, secret = token_text.derive(token_id, key)
    pepper_id = next(iter(settings().keys.peppers))
    token = ApiToken(
        id=token_id,
        account_id=actor.account_id,
        key_id=key_id,
        pepper_id=pepper_id,
        digest=_digest(pepper_id, key_id, secret),
        created_at=moment,
        expires_at=moment + lifetime if lifetime else None,
        **values,
    )
    return token, token_text.format_token(key_id, secret)


def lifetime_of(checked: TokenValues) -> timedelta:
    """How long a new token with these values is valid."""
    return timedelta(days=checked.expires_in_days or settings().token_days)


def repeated_text(token: ApiToken, key: str, *, has_same_content: bool) -> str:
    """The text of a token that the form with this key has made. Raises Repeated where it is not shown again."""
    if token.replaced_at is not None:
        raise Repeated("This form already created a token, which was replaced by another.")
    parts = token_text.derive(token.id, key)
    form_keys.check_repeated(
        "a token",
        token.created_at,
        has_same_content=has_same_content,
        is_in_force=token.revoked_at is None and not is_expired(token.expires_at),
        is_same_text=is_right(token, *parts),
    )
    return token_text.format_token(*parts)


def is_expired(expires_at: datetime | None) -> bool:
    """Whether a token with this end has ended."""
    return expires_at is not None and expires_at <= now()


def agent_names(connection: Connection, actor: Actor, agent_ids: set[str]) -> dict[str, str]:
    """The names of these agents of the account, as far as they exist. A text that is not an id has no name."""
    ids = {UUID(text) for text in agent_ids if is_uuid(text)}
    query = sa.select(Agent.id, Agent.name).where(known_ids.are_of(actor.account_id, Agent), Agent.id.in_(ids))
    return {str(row.id): row.name for row in connection.execute(query)} if ids else {}


def is_right(row: Row[*tuple[Any, ...]] | ApiToken, key_id: str, secret: str) -> bool:
    """Whether the token of this row has this secret."""
    if row.pepper_id not in settings().keys.peppers:
        return False
    return hmac.compare_digest(_digest(row.pepper_id, key_id, secret), row.digest)


def with_agent_ids(actor: Actor, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a new token with the ids of its agents, of which some may be given by their external ids.

    A text that is an id of an agent is not an external id. What is neither stays as it is.
    """
    given = values.get("agent_ids")
    if not isinstance(given, list) or not given:
        return values
    ids = {one: read_uuid(one) for one in given if isinstance(one, str)}
    with db.reading() as connection:
        known = agent_names(connection, actor, {agent_id for agent_id in ids.values() if agent_id})
        for text, agent_id in ids.items():
            if agent_id not in known:
                with suppress(NotFound):
                    ids[text] = str(external_ids.find(connection, actor, text))
    return {**values, "agent_ids": [(isinstance(one, str) and ids[one]) or one for one in given]}


def check_agents(session: Session, actor: Actor, agent_ids: list[str]) -> None:
    """Raise InvalidInput unless all these agents are agents of the account."""
    wanted = {UUID(agent_id) for agent_id in agent_ids}
    query = sa.select(Agent.id).where(Agent.id.in_(wanted), known_ids.are_of(actor.account_id, Agent))
    if wanted - set(session.scalars(query)):
        raise InvalidInput([("/agent_ids", "One of these agents does not exist. Remove its id.")])


def find_owner(session: Session, actor: Actor, checked: TokenValues, email: str | None) -> UUID | None:
    """The user for whom an operator makes a token. None for the scope runtime. Raises InvalidInput."""
    if set(checked.scopes) == {Scope.RUNTIME}:
        return None
    users = sa.select(User.id).where(User.account_id == actor.account_id, User.is_active)
    wanted = User.email.in_(email_spellings(email)) if email else User.role == Role.ADMIN
    found = session.scalars(users.where(wanted)).all()
    if len(found) == 1:
        return found[0]
    problem = "No active person in this account has this address." if email else "The account has more than one admin."
    raise InvalidInput([("/user", f"{problem} Give the email address of the person for whom the token is created.")])


def _digest(pepper_id: str, key_id: str, secret: str) -> str:
    pepper = settings().keys.peppers[pepper_id]
    return hmac.new(pepper, f"{key_id}.{secret}".encode(), hashlib.sha256).hexdigest()
