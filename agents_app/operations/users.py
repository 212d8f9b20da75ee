"""Operations on the users of an account: list, change role, deactivate, delete.

`invitations.py` adds users. `user_details.py` changes their names, addresses and passwords.
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db
from agents_app.errors import Conflict, NotFound
from agents_app.models import Event, Identity, SecondFactor, User, UserSession
from agents_app.operations import event_records, identity_records, password_sign_in, small_facts, user_records
from agents_app.operations.permissions import Actor
from agents_app.schemas.users import RoleValues, email_spellings
from agents_app.values.choices import Door, Role
from agents_app.values.fields import parse

NO_ADDRESS = "No person in this account has this address."
LAST_ADMIN = "An account needs an active admin. Make another person an admin first."


def listing(actor: Actor) -> list[dict[str, Any]]:
    """All users of the account, by name, each with the time when they were last seen. Raises Forbidden.

    `ways_in` is how each can sign in now, and `may_use_password` whether a password could be one of these ways.
    Sign-out and deactivation delete sessions. Then it is the time of the last recorded action on pages.
    """
    actor.require("users.manage")
    last_seen = sa.select(sa.func.max(UserSession.last_seen_at)).where(UserSession.user_id == User.id)
    factor = sa.exists().where(SecondFactor.user_id == User.id, SecondFactor.confirmed_at.is_not(None))
    last_act = sa.select(sa.func.max(Event.created_at)).where(Event.user_id == User.id, Event.door == Door.PAGE)
    query = sa.select(
        User.id,
        User.name,
        User.email,
        User.role,
        User.is_active,
        User.created_at,
        User.password_hash.is_not(None).label("has_password"),
        factor.label("has_second_factor"),
        password_sign_in.IS_LINKED,
        identity_records.is_linked(Identity.has_lost_role).label("has_lost_role"),
        sa.func.coalesce(last_seen.scalar_subquery(), last_act.scalar_subquery()).label("last_seen_at"),
    )
    query = query.where(User.account_id == actor.account_id).order_by(sa.func.lower(User.name), User.id)
    with db.reading() as connection:
        return [_with_ways_in(dict(row._mapping)) for row in connection.execute(query)]


def admin_names(actor: Actor) -> list[str]:
    """The names of the active admins of the account, who can help others. Raises Forbidden."""
    actor.require("events.read")
    with db.reading() as connection:
        found = small_facts.read(connection, user_records.ADMINS, {"account_id": actor.account_id})
    return user_records.admin_names(found)


def admins_to_ask(actor: Actor, permission: str) -> list[str]:
    """The names of the admins for an actor who lacks this permission. Empty if they have it. Raises Forbidden."""
    return [] if actor.may(permission) else admin_names(actor)


def id_of(actor: Actor, email: str) -> UUID:
    """The id of the user of the account with this address. Raises Forbidden, NotFound."""
    actor.require("users.manage")
    query = sa.select(User.id).where(User.email.in_(email_spellings(email)), User.account_id == actor.account_id)
    with db.reading() as connection:
        found = connection.scalar(query)
    if found is None:
        raise NotFound(NO_ADDRESS)
    return found


def change_role(actor: Actor, user_id: UUID, values: dict[str, Any]) -> bool:
    """Change the role of a user, and end their sessions and the links they made. Returns whether the role changed.

    Raises Forbidden, NotFound, InvalidInput, and Conflict for the last admin, and where the provider gives the role.
    """
    actor.require_to_change("users.manage")
    role = parse(RoleValues, values).role
    with db.transaction() as session:
        user = user_records.lock_account_and_find(session, actor, user_id)
        if user.role == role:
            return False
        identity_records.require_free(session, actor, user, "role")
        user.role = role
        _end_access(session, actor, user, "user.role_changed", role=role.value)
    return True


def deactivate(actor: Actor, user_id: UUID) -> bool:
    """Deactivate a user, and end their sessions and the links they made. Returns whether they were active.

    Their agents stay. Raises Forbidden, NotFound, Conflict (last admin).
    """
    actor.require_to_change("users.manage")
    with db.transaction() as session:
        user = user_records.lock_account_and_find(session, actor, user_id)
        if not user.is_active:
            return False
        user.is_active = False
        _end_access(session, actor, user, "user.deactivated")
    return True


def activate(actor: Actor, user_id: UUID) -> bool:
    """Let a deactivated user sign in again. Returns whether they were deactivated.

    Raises Forbidden, NotFound, and Conflict where the provider gives them no role.
    """
    actor.require_to_change("users.manage")
    with db.transaction() as session:
        user = user_records.lock_account_and_find(session, actor, user_id)
        if user.is_active:
            return False
        _require_role_of_provider(session, actor, user)
        identity_records.forget_lost_role(session, user.id)
        user.is_active = True
        event_records.add(session, actor, "user.activated", _target(user))
    return True


def delete(actor: Actor, user_id: UUID) -> None:
    """Delete a user and the links they made. Their agents and history stay.

    Raises Forbidden, NotFound, Conflict (last admin).
    """
    actor.require_to_change("users.manage")
    with db.transaction() as session:
        user = user_records.lock_account_and_find(session, actor, user_id)
        target = _target(user)
        session.delete(user)
        session.flush()
        _require_active_admin(session, actor)
        # Users may delete themselves: the event must not refer to a deleted row.
        event_records.add(session, actor.without_user() if actor.user_id == user_id else actor, "user.deleted", target)


def _with_ways_in(person: dict[str, Any]) -> dict[str, Any]:
    email, is_linked, has_password = person["email"], person["is_linked"], person.pop("has_password")
    may_use = password_sign_in.may_use_password(email, is_linked)
    ways = password_sign_in.ways_in(email, is_linked=is_linked, has_password=has_password)
    return {**person, "may_use_password": may_use, "ways_in": ways}


def _end_access(session: Session, actor: Actor, user: User, action: str, **details: Any) -> None:
    user_records.end_links_and_sessions(session, user)
    _require_active_admin(session, actor)
    event_records.add(session, actor, action, _target(user), **details)


def _require_role_of_provider(session: Session, actor: Actor, user: User) -> None:
    # The terminal may let in a person who lost the role, until the provider is asked again.
    identity = identity_records.of_user(session, user.id)
    if identity and identity.has_lost_role and actor.door is not Door.TERMINAL:
        sentence = f"{settings().provider_host} gives {user.name} no role in this console. "
        advice = "Give them one there: their next sign-in activates them."
        raise Conflict(sentence + advice, code=identity_records.FROM_PROVIDER)


def _require_active_admin(session: Session, actor: Actor) -> None:
    admins = sa.select(User.id).where(User.account_id == actor.account_id, User.role == Role.ADMIN, User.is_active)
    if session.scalar(admins.limit(1)) is None:
        raise Conflict(LAST_ADMIN, code="last_admin")


def _target(user: User) -> tuple[str, UUID, str]:
    return "user", user.id, user.name
