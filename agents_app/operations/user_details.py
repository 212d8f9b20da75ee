"""Operations on what a user is called and signs in with: name, email address, password."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.db import db
from agents_app.errors import Conflict, InvalidInput
from agents_app.models import Invitation, User
from agents_app.operations import (
    event_records,
    identity_records,
    invitation_records,
    login_attempts,
    own_password,
    password_sign_in,
    passwords,
    session_records,
    user_records,
)
from agents_app.operations.permissions import Actor
from agents_app.schemas.users import NewPasswordValues, OwnDetailsValues, PersonValues, is_name_or_address
from agents_app.values.fields import parse
from agents_app.values.text import to_nfc


def may_use_password(actor: Actor) -> bool:
    """Whether the actor may sign in with a password."""
    with db.reading() as connection:
        is_linked = password_sign_in.is_linked(connection, actor.user_id)
    return password_sign_in.may_use_password(actor.email, is_linked)


def change_password(actor: Actor, session_id: str, values: Mapping[str, Any]) -> None:
    """Change the actor's own password. Their other sessions and their link to choose a password end.

    Raises InvalidInput, Throttled after too many wrong passwords, and Conflict if the password has just been changed or
    the actor may not use one.
    """
    actor.require_recent_code()
    if not may_use_password(actor):
        raise password_sign_in.refusal("You")
    checked = parse(NewPasswordValues, values, {"name": actor.name, "email": actor.email})
    if to_nfc(checked.current_password) == checked.password:
        raise InvalidInput([("/password", "Choose a password that differs from the current one.")])
    stored = own_password.require(actor, checked.current_password)
    password_hash = passwords.hash_password(checked.password)
    with db.transaction() as session:
        invitation_records.expire(session, Invitation.user_id == actor.user_id)
        _store_own(session, actor, stored, password_hash=password_hash)
        session_records.end_all(session, actor.user_id, but=session_id)
        event_records.add(session, actor, "user.password_changed")


def change_own_details(actor: Actor, session_id: str, values: Mapping[str, Any]) -> list[str]:
    """Change the actor's own name and email address. Returns which of `name` and `email` changed.

    A new address ends their other sessions and their link to choose a password. Raises InvalidInput, Throttled after
    too many wrong passwords or taken addresses, and Conflict if the password has just been changed, or for
    the name of a person who is linked to the provider.
    """
    actor.require_recent_code()
    before = {"name": actor.name, "email": actor.email}
    checked = parse(OwnDetailsValues, values, before)
    stored = own_password.require(actor, checked.current_password)
    if is_name_or_address(checked.current_password, checked.name, checked.email):
        raise InvalidInput([("", "Your password would be your name or your email address. Change the password first.")])
    changes = _changes(before, checked)
    attempt_id = _record_new_address(actor) if "email" in changes else None
    with db.transaction() as session:
        user = session.get(User, actor.user_id)
        if user is not None and changes:
            if "name" in changes:
                identity_records.require_free(session, actor, user, "name")
            _prepare_change(session, actor, user, changes, session_id)
            _store_own(session, actor, stored, **changes)
        if attempt_id:
            login_attempts.remove(session, attempt_id)
    return list(changes)


def change(actor: Actor, user_id: UUID, values: Mapping[str, Any]) -> bool:
    """Change the name or the email address of a user, as an operator. Returns whether one of them changed.

    A new address ends their sessions and their link to choose a password. Raises Forbidden, NotFound, InvalidInput.
    """
    actor.require_to_change("users.manage")
    with db.transaction() as session:
        user = user_records.lock_account_and_find(session, actor, user_id)
        before = {"name": user.name, "email": user.email}
        changes = _changes(before, parse(PersonValues, before | dict(values), before))
        if changes:
            _prepare_change(session, actor, user, changes)
            with user_records.storing_address():
                session.execute(sa.update(User).where(User.id == user_id).values(**changes))
    return bool(changes)


def _changes(before: Mapping[str, str], checked: PersonValues) -> dict[str, str]:
    wanted = {"name": checked.name, "email": checked.email}
    return {name: value for name, value in wanted.items() if value != before[name]}


def _prepare_change(
    session: Session, actor: Actor, user: User, changes: Mapping[str, str], session_id: str | None = None
) -> None:
    """Check and record a change that the caller stores. A new address also ends links and other sessions."""
    if "email" in changes:
        user_records.require_free_address(session, changes["email"], but=user.id)
        # Links before the user: a request that uses a link takes its locks in this order.
        invitation_records.expire(session, Invitation.user_id == user.id)
        session_records.end_all(session, user.id, but=session_id)
    _record_change(session, actor, user, changes)


def _record_change(session: Session, actor: Actor, user: User, changes: Mapping[str, str]) -> None:
    target = "user", user.id, changes.get("name", user.name)
    if "email" in changes:
        event_records.add(session, actor, "user.address_changed", target)
    if "name" in changes:
        event_records.add(session, actor, "user.renamed", target, before=user.name)


def _store_own(session: Session, actor: Actor, stored: str | None, **changes: str) -> None:
    query = sa.update(User).where(User.id == actor.user_id, User.password_hash == stored)
    with user_records.storing_address():
        found = session.execute(query.values(**changes).returning(User.id)).one_or_none()
    if found is None:
        raise Conflict("Your password has just been changed. Sign in with the new one.")


def _record_new_address(actor: Actor) -> UUID:
    # Taken addresses are limited as wrong passwords are, so that nobody finds out which of many exist.
    key = f"new address of {actor.user_id}"
    return login_attempts.record_or_refuse(actor.visitor, key, "email addresses that are taken")
