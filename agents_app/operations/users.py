"""People of an account: who they are, their roles, their leaving. How they join lives in `invitations.py`."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.db import db
from agents_app.errors import Conflict, Forbidden, InvalidInput, NotFound
from agents_app.models import Account, Invitation, User, UserSession
from agents_app.operations import event_records, login_attempts, passwords, sessions
from agents_app.operations.permissions import Actor
from agents_app.schemas.users import NewPasswordValues, RoleValues, email_spellings
from agents_app.values.choices import Role
from agents_app.values.fields import parse
from agents_app.values.text import to_nfc

NO_USER = "There is no person with this id."
NO_ADDRESS = "Nobody in this account has this address."
LAST_ADMIN = "An account needs an active admin. Make somebody else an admin first."


def listing(actor: Actor) -> list[dict[str, Any]]:
    """Everybody in the account, by name, with when they were last seen. Raises Forbidden."""
    actor.require("users.manage")
    last_seen = sa.select(sa.func.max(UserSession.last_seen_at)).where(UserSession.user_id == User.id)
    people = sa.select(
        User.id,
        User.name,
        User.email,
        User.role,
        User.is_active,
        User.created_at,
        last_seen.scalar_subquery().label("last_seen_at"),
    )
    mine = people.where(User.account_id == actor.account_id).order_by(sa.func.lower(User.name), User.id)
    with db.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(mine)]


def id_of(actor: Actor, email: str) -> UUID:
    """The id of the person in the account with this address. Raises Forbidden, NotFound."""
    actor.require("users.manage")
    mine = sa.select(User.id).where(User.email.in_(email_spellings(email)), User.account_id == actor.account_id)
    with db.reading() as connection:
        found = connection.scalar(mine)
    if found is None:
        raise NotFound(NO_ADDRESS)
    return found


def change_role(actor: Actor, user_id: UUID, values: dict[str, Any]) -> bool:
    """Give a person another role; their sessions and the links they made end. Answers whether it is another one.

    Raises Forbidden, NotFound, InvalidInput, and Conflict for the last admin.
    """
    actor.require("users.manage")
    role = parse(RoleValues, values).role
    with db.transaction() as session:
        user = find(session, actor, user_id)
        if user.role == role:
            return False
        user.role = role
        _end(session, actor, user, "user.role_changed", role=role.value)
    return True


def deactivate(actor: Actor, user_id: UUID) -> bool:
    """Keep a person out at once, and the links they made; their agents stay. Answers whether they were active.

    Raises Forbidden, NotFound, Conflict (last admin).
    """
    actor.require("users.manage")
    with db.transaction() as session:
        user = find(session, actor, user_id)
        if not user.is_active:
            return False
        user.is_active = False
        _end(session, actor, user, "user.deactivated")
    return True


def activate(actor: Actor, user_id: UUID) -> bool:
    """Let a deactivated person sign in again; answers whether they were deactivated. Raises Forbidden, NotFound."""
    actor.require("users.manage")
    with db.transaction() as session:
        user = find(session, actor, user_id)
        if user.is_active:
            return False
        user.is_active = True
        event_records.add(session, actor, "user.activated", _target(user))
    return True


def delete(actor: Actor, user_id: UUID) -> None:
    """Remove a person for good; their agents and history stay, links they made end.

    Raises Forbidden, NotFound, Conflict (last admin).
    """
    actor.require("users.manage")
    with db.transaction() as session:
        user = find(session, actor, user_id)
        target = _target(user)
        session.delete(user)
        session.flush()
        _check_admins(session, actor)
        # The one who deletes may be the one deleted: the event must not point to a row that is gone.
        event_records.add(session, actor.without_user() if actor.user_id == user_id else actor, "user.deleted", target)


def change_password(actor: Actor, session_id: str, values: dict[str, Any]) -> None:
    """Choose a new password knowing the present one; the person's other sessions and the link to choose one end.

    Raises InvalidInput, Throttled after too many wrong guesses, and Conflict when it was changed meanwhile.
    """
    checked = parse(NewPasswordValues, values, {"name": actor.name, "email": actor.email})
    if to_nfc(checked.current_password) == checked.password:
        raise InvalidInput([("/password", "Choose a password that differs from the present one.")])
    with db.reading() as connection:
        stored = connection.scalar(sa.select(User.password_hash).where(User.id == actor.user_id))
    # Whoever found a browser open must not guess here what the sign-in page would not let them.
    attempt_id = login_attempts.record_or_refuse(actor.visitor, actor.email)
    if not passwords.is_correct(stored, checked.current_password):
        raise InvalidInput([("/current_password", "This is not your present password.")])
    password_hash = passwords.hash_password(checked.password)
    with db.transaction() as session:
        login_attempts.remove(session, attempt_id)
        end_links(session, Invitation.user_id == actor.user_id)
        mine = sa.update(User).where(User.id == actor.user_id, User.password_hash == stored)
        if session.execute(mine.values(password_hash=password_hash).returning(User.id)).one_or_none() is None:
            raise Conflict("Your password was changed meanwhile. Sign in with the new one.")
        sessions.end_all(session, actor.user_id, but=session_id)
        event_records.add(session, actor, "user.password_changed")


def find(session: Session, actor: Actor, user_id: UUID) -> User:
    """A person of the actor's account, with all changes of its people kept apart. Raises NotFound, Forbidden."""
    keep_apart(session, actor)
    mine = sa.select(User).where(User.id == user_id, User.account_id == actor.account_id)
    user = session.scalars(mine).one_or_none()
    if user is None:
        raise NotFound(NO_USER)
    return user


def keep_apart(session: Session, actor: Actor) -> None:
    """Within the caller's transaction, keep changes of the account's people apart.

    Raises Forbidden where the actor is no admin any more.
    """
    # Whoever changes people waits here: two admins cannot remove each other at the same moment.
    session.execute(sa.select(Account.id).where(Account.id == actor.account_id).with_for_update(key_share=True))
    if actor.user_id is None:
        return
    # Who was an admin when the request began may be none by now, and must not leave a way back in.
    me = sa.select(User.id).where(User.id == actor.user_id, User.role == Role.ADMIN, User.is_active)
    if session.scalar(me) is None:
        raise Forbidden("Only an admin may do this.", code="role_missing")


def end_links(session: Session, which: sa.ColumnElement[bool]) -> None:
    """Within the caller's transaction, end these links.

    Their rows stay until `flask purge`, so that a repeated form finds them. They end at the moment of their making: a
    request that asked for the time before waits for this one, and must find them ended.
    """
    ended = sa.update(Invitation).where(which).values(expires_at=Invitation.created_at)
    session.execute(ended.execution_options(synchronize_session=False))


def _end(session: Session, actor: Actor, user: User, action: str, **details: Any) -> None:
    # Links first, then the person: whoever uses a link at this moment locks them in this order.
    with session.no_autoflush:
        # Or somebody who must go could come back by a link made before.
        end_links(session, sa.or_(Invitation.created_by == user.id, Invitation.user_id == user.id))
    session.flush()
    _check_admins(session, actor)
    sessions.end_all(session, user.id)
    event_records.add(session, actor, action, _target(user), **details)


def _check_admins(session: Session, actor: Actor) -> None:
    admins = sa.select(User.id).where(User.account_id == actor.account_id, User.role == Role.ADMIN, User.is_active)
    if session.scalar(admins.limit(1)) is None:
        raise Conflict(LAST_ADMIN, code="last_admin")


def _target(user: User) -> tuple[str, UUID, str]:
    return "user", user.id, user.name
