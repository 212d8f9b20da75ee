"""One-time links: to join an account, and to choose a new password. The code is shown once, to whoever made it."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import Conflict, InvalidInput, NotFound
from agents_app.models import Account, Invitation, User
from agents_app.operations import events, passwords, sessions, users
from agents_app.operations.permissions import Actor
from agents_app.schemas.choices import Door, Role
from agents_app.schemas.fields import parse
from agents_app.schemas.people import PasswordValues, PersonValues, RoleValues

VALID_FOR = timedelta(days=7)
GONE = "This link was used before, was withdrawn, or is too old. Ask for a new one."
TAKEN = "This address belongs to a person already. Use another one, or sign in."


def invite(actor: Actor, values: Mapping[str, Any]) -> str:
    """Make a link by which one person joins in a role; answers its code. Raises Forbidden, InvalidInput."""
    actor.require("users.manage")
    role = parse(RoleValues, values).role
    with db.transaction() as session:
        users.keep_apart(session, actor)
        code = _add(session, actor, role)
        events.record(session, actor, "user.invited", role=role.value)
    return code


def reset_password(actor: Actor, user_id: UUID) -> str:
    """Make a link by which a person chooses a new password; answers its code.

    Raises Forbidden, NotFound, Conflict (deactivated).
    """
    actor.require("users.manage")
    with db.transaction() as session:
        user = users.find(session, actor, user_id)
        if not user.is_active:
            raise Conflict(f"{user.name} is deactivated. Activate them first.", code="deactivated")
        session.execute(sa.delete(Invitation).where(Invitation.user_id == user_id))
        code = _add(session, actor, user.role, user_id)
        events.record(session, actor, "user.reset_link_made", ("user", user.id, user.name))
    return code


def join_link(code: str) -> str:
    """The address at which somebody joins."""
    return f"{settings().base_url}/join?code={code}"


def reset_link(code: str) -> str:
    """The address at which a person chooses a new password."""
    return f"{settings().base_url}/reset?code={code}"


def listing(actor: Actor) -> list[dict[str, Any]]:
    """The links to join that nobody used yet, newest first, without their codes. Raises Forbidden."""
    actor.require("users.manage")
    shown = sa.select(Invitation.id, Invitation.role, Invitation.made_by, Invitation.created_at, Invitation.expires_at)
    mine = shown.where(
        Invitation.account_id == actor.account_id, Invitation.user_id.is_(None), Invitation.expires_at > now()
    )
    with db.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(mine.order_by(Invitation.created_at.desc()))]


def withdraw(actor: Actor, invitation_id: UUID) -> None:
    """Make a link to join useless. Raises Forbidden, NotFound."""
    actor.require("users.manage")
    with db.transaction() as session:
        mine = sa.delete(Invitation).where(
            Invitation.id == invitation_id, Invitation.account_id == actor.account_id, Invitation.user_id.is_(None)
        )
        if session.execute(mine.returning(Invitation.id)).one_or_none() is None:
            raise NotFound("There is no open invitation with this id.")
        events.record(session, actor, "user.invitation_withdrawn")


def look_up(code: str) -> dict[str, Any]:
    """What a link is for: account_name, role, and the person's name and email (None to join). Raises NotFound."""
    shown = sa.select(Invitation.role, Account.name.label("account_name"), User.name, User.email)
    joined = shown.join(Account, Account.id == Invitation.account_id).outerjoin(User, User.id == Invitation.user_id)
    mine = joined.where(Invitation.digest == sessions.digest(code), Invitation.expires_at > now())
    with db.reading() as connection:
        row = connection.execute(mine).one_or_none()
    if row is None:
        raise NotFound(GONE)
    return dict(row._mapping)


def join(code: str, values: Mapping[str, Any], *, address: str, user_agent: str, request_id: str | None) -> str:
    """Use a link to join, and sign in; answers the session's id. Raises NotFound (the link), InvalidInput."""
    checked = parse(PersonValues, values)
    password_hash = passwords.hash_password(checked.password)
    with db.transaction() as session:
        invitation = _take(session, code, to_join=True)
        if session.scalar(sa.select(User.id).where(User.email == checked.email)) is not None:
            raise InvalidInput([("/email", TAKEN)])
        user = User(
            account_id=invitation.account_id,
            email=checked.email,
            name=checked.name,
            role=invitation.role,
            password_hash=password_hash,
        )
        session.add(user)
        session.flush()
        _record(session, user, "user.joined", address, request_id)
        return sessions.start(session, user, address=address, user_agent=user_agent, request_id=request_id)


def choose_password(
    code: str, values: Mapping[str, Any], *, address: str, user_agent: str, request_id: str | None
) -> str:
    """Use a link to choose a new password; all other sessions end. Raises NotFound, InvalidInput."""
    link = look_up(code)
    if link["email"] is None:
        raise NotFound(GONE)
    checked = parse(PasswordValues, values, link)
    password_hash = passwords.hash_password(checked.password)
    with db.transaction() as session:
        invitation = _take(session, code, to_join=False)
        user = session.get(User, invitation.user_id)
        if user is None or not user.is_active:
            raise NotFound(GONE)
        user.password_hash = password_hash
        sessions.end_all(session, user.id)
        _record(session, user, "user.password_reset", address, request_id)
        return sessions.start(session, user, address=address, user_agent=user_agent, request_id=request_id)


def _add(session: Session, actor: Actor, role: Role, user_id: UUID | None = None) -> str:
    code = secrets.token_urlsafe(32)
    invitation = Invitation(
        account_id=actor.account_id,
        user_id=user_id,
        role=role,
        digest=sessions.digest(code),
        created_by=actor.user_id,
        made_by=actor.name,
        expires_at=now() + VALID_FOR,
    )
    session.add(invitation)
    return code


def _take(session: Session, code: str, *, to_join: bool) -> Invitation:
    wanted = sa.select(Invitation).where(Invitation.digest == sessions.digest(code), Invitation.expires_at > now())
    found = session.scalars(wanted.with_for_update()).one_or_none()
    if found is None or (found.user_id is None) is not to_join:
        raise NotFound(GONE)
    session.delete(found)
    return found


def _record(session: Session, user: User, action: str, address: str, request_id: str | None) -> None:
    actor = Actor(user.account_id, user.name, Door.PAGE, user_id=user.id, address=address, request_id=request_id)
    events.record(session, actor, action, ("user", user.id, user.name))
