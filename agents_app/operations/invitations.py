"""Operations on invitations: one-time links to join an account, and to choose a new password.

The code of a link is shown to its maker and is stored nowhere. `invitation_records.py` reads and writes the rows.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import Conflict, InvalidInput, NotFound
from agents_app.models import Account, Invitation, User
from agents_app.operations import (
    event_records,
    form_keys,
    half_sessions,
    identity_records,
    invitation_records,
    password_sign_in,
    passwords,
    session_records,
    user_records,
)
from agents_app.operations.half_sessions import HalfSession
from agents_app.operations.invitation_records import GONE
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas.users import InvitationValues, PasswordValues, UserValues
from agents_app.values.choices import Door, SignInMethod
from agents_app.values.fields import parse

OTHER_OR_SIGN_IN = "Use another address, or sign in."
# What a link is used for: called with the visitor, the code, the values of the form and the id of the new session.
Act = Callable[[Visitor, str, Mapping[str, Any], str], str | HalfSession]


def invite(actor: Actor, values: Mapping[str, Any], key: str | None = None) -> str:
    """Make a link with which one person joins in a role, and return its code.

    With the key of a form, a repeated call returns the code of the first for ten minutes while the link is open, and
    then raises Repeated. Raises Forbidden, InvalidInput, and Conflict where passwords are off.
    """
    actor.require_to_change("users.manage")
    password_sign_in.require_anyone()
    checked, key = parse(InvitationValues, values), key or form_keys.new()
    content = invitation_records.Content(checked.role, note=checked.note)
    with db.transaction() as session:
        # Of two requests with one key the second waits here, and then finds the link of the first.
        user_records.lock_account_as_admin(session, actor)
        code = invitation_records.find_code(session, actor, content, key)
        if code is None:
            code = invitation_records.add(session, actor, content, key)
            event_records.add(session, actor, "user.invited", role=checked.role.value)
    return code


def make_reset_link(actor: Actor, user_id: UUID, key: str | None = None) -> str:
    """Make a link with which a user chooses a new password, and return its code. The key is as for `invite`.

    A link of the terminal signs in everyone, also who uses no password. It activates a person whom the provider gave no
    role. Raises Forbidden, NotFound, Conflict (deactivated; passwords are off), Repeated.
    """
    actor.require_to_change("users.manage")
    key = key or form_keys.new()
    with db.transaction() as session:
        user = user_records.lock_account_and_find(session, actor, user_id)
        is_by_operator = actor.door is Door.TERMINAL
        if not is_by_operator:
            password_sign_in.require(user.email, password_sign_in.is_linked(session, user.id), user.name)
        if not user.is_active and not (is_by_operator and _let_in_again(session, actor, user)):
            raise Conflict(f"{user.name} is deactivated. Activate them first.", code="deactivated")
        content = invitation_records.Content(user.role, user_id)
        code = invitation_records.find_code(session, actor, content, key)
        if code is None:
            invitation_records.expire(session, Invitation.user_id == user_id)
            code = invitation_records.add(session, actor, content, key)
            event_records.add(session, actor, "user.reset_link_made", ("user", user.id, user.name))
    return code


def join_url(code: str) -> str:
    """The URL of a link to join."""
    return f"{settings().base_url}/join?code={code}"


def reset_url(code: str) -> str:
    """The URL of a link to choose a new password."""
    return f"{settings().base_url}/reset?code={code}"


def listing(actor: Actor) -> list[dict[str, Any]]:
    """The open links to join, newest first, without their codes. Raises Forbidden."""
    actor.require("users.manage")
    query = sa.select(
        Invitation.id,
        Invitation.role,
        Invitation.note,
        Invitation.made_by,
        Invitation.created_at,
        Invitation.expires_at,
    )
    query = query.where(_is_open_to_join(actor)).order_by(Invitation.created_at.desc())
    with db.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def withdraw(actor: Actor, invitation_id: UUID) -> None:
    """End a link to join. Raises Forbidden, NotFound."""
    actor.require_to_change("users.manage")
    with db.transaction() as session:
        query = sa.select(Invitation.id).where(Invitation.id == invitation_id, _is_open_to_join(actor))
        if session.execute(query.with_for_update()).one_or_none() is None:
            raise NotFound("There is no open invitation with this id.")
        invitation_records.expire(session, Invitation.id == invitation_id)
        event_records.add(session, actor, "user.invitation_withdrawn")


def read_link(code: str) -> dict[str, Any]:
    """What a link is for: account_name, role, and the name and email of its user (None to join).

    `by_operator` says that the terminal made it, `uses_password` that its user may also sign in with the new password.
    Raises NotFound, and Conflict where passwords are off.
    """
    query = (
        sa.select(
            Invitation.role,
            Invitation.created_by.is_(None).label("by_operator"),
            Account.name.label("account_name"),
            User.name,
            User.email,
            password_sign_in.IS_LINKED,
        )
        .join(Account, Account.id == Invitation.account_id)
        .outerjoin(User, User.id == Invitation.user_id)
        .where(Invitation.digest == session_records.digest(code), Invitation.expires_at > now())
    )
    with db.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(GONE)
    if row.email is None:
        password_sign_in.require_anyone()
    elif not row.by_operator:
        password_sign_in.require(row.email, row.is_linked, "You")
    uses_password = row.email is not None and password_sign_in.may_use_password(row.email, row.is_linked)
    return {**row._mapping, "uses_password": uses_password}


def join(visitor: Visitor, code: str, values: Mapping[str, Any], key: str | None = None) -> str | HalfSession:
    """Use a link to join, and sign in. Returns the id of the session.

    With the key of the form, a repeated call with the same address and password returns the session of the first for
    ten minutes, unless that session has ended. Raises NotFound (the link), InvalidInput, and Conflict where passwords
    are off.
    """
    return _use(_join, visitor, code, values, key)


def choose_password(
    visitor: Visitor, code: str, values: Mapping[str, Any], key: str | None = None
) -> str | HalfSession:
    """Use a link to choose a new password; all other sessions of the user end. The key is as for `join`.

    A person with a second factor gets a half-session: the link alone does not sign them in.
    Raises NotFound, InvalidInput, and Conflict where passwords are off and the link is not from the terminal.
    """
    return _use(_choose_password, visitor, code, values, key)


def _use(act: Act, visitor: Visitor, code: str, values: Mapping[str, Any], key: str | None) -> str | HalfSession:
    session_id = form_keys.code("session by link", code, key or form_keys.new())

    def start() -> str | HalfSession:
        # Before a password is hashed, which is slow: a request without a link is refused at little cost.
        read_link(code)
        return act(visitor, code, values, session_id)

    return session_records.start_once(visitor, session_id, values, start)


def _join(visitor: Visitor, code: str, values: Mapping[str, Any], session_id: str) -> str | HalfSession:
    checked = parse(UserValues, values)
    if not password_sign_in.may_use_password(checked.email, is_linked=False):
        raise InvalidInput([("/email", password_sign_in.refusal("The person with this address").detail)])
    password_hash = passwords.hash_password(checked.password)
    with db.transaction() as session:
        invitation = invitation_records.use_up(session, code, to_join=True)
        user_records.require_free_address(session, checked.email, OTHER_OR_SIGN_IN)
        user = User(
            account_id=invitation.account_id,
            email=checked.email,
            name=checked.name,
            role=invitation.role,
            password_hash=password_hash,
        )
        session.add(user)
        with user_records.storing_address(OTHER_OR_SIGN_IN):
            session.flush()
        _record(session, user, "user.joined", visitor)
        return half_sessions.begin(session, user, visitor, session_id)


def _choose_password(visitor: Visitor, code: str, values: Mapping[str, Any], session_id: str) -> str | HalfSession:
    link = read_link(code)
    if link["email"] is None:
        raise NotFound(GONE)
    checked = parse(PasswordValues, values, link)
    password_hash = passwords.hash_password(checked.password)
    with db.transaction() as session:
        invitation = invitation_records.use_up(session, code, to_join=False)
        user = session.get(User, invitation.user_id)
        if user is None or not user.is_active:
            raise NotFound(GONE)
        user.password_hash = password_hash
        session_records.end_all(session, user.id)
        _record(session, user, "user.password_reset", visitor)
        method = SignInMethod.LINK if link["by_operator"] else SignInMethod.PASSWORD
        return half_sessions.begin(session, user, visitor, session_id, method=method)


def _let_in_again(session: Session, actor: Actor, user: User) -> bool:
    """Activate a person whom only the provider deactivated. Returns whether it did."""
    identity = identity_records.of_user(session, user.id)
    if identity is None or not identity.has_lost_role:
        return False
    identity.has_lost_role, user.is_active = False, True
    event_records.add(session, actor, "user.activated", ("user", user.id, user.name))
    return True


def _is_open_to_join(actor: Actor) -> sa.ColumnElement[bool]:
    is_of_account = sa.and_(Invitation.account_id == actor.account_id, Invitation.user_id.is_(None))
    return sa.and_(is_of_account, Invitation.expires_at > now())


def _record(session: Session, user: User, action: str, visitor: Visitor) -> None:
    actor = Actor(user.account_id, user.name, Door.PAGE, user_id=user.id, visitor=visitor)
    event_records.add(session, actor, action, ("user", user.id, user.name))
