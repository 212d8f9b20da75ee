"""One-time links: to join an account, and to choose a new password. The code is shown to whoever made it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import Conflict, InvalidInput, NotFound
from agents_app.models import Account, Invitation, User
from agents_app.operations import event_records, form_keys, passwords, sessions, users
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas.users import PasswordValues, RoleValues, UserValues
from agents_app.values.choices import Door, Role
from agents_app.values.fields import parse
from agents_app.values.text import spellings

# What a link is used for: with the code, the values of the form and the id of the session to start.
Act = Callable[[Visitor, str, Mapping[str, Any], str], str]
VALID_FOR = timedelta(days=7)
GONE = "This link was used before, was withdrawn, or is too old. Ask for a new one."
TAKEN = "This address belongs to a person already. Use another one, or sign in."


def invite(actor: Actor, values: Mapping[str, Any], key: str | None = None) -> str:
    """Make a link by which one person joins in a role; answers its code, which is stored nowhere.

    With a form's key a repeated call answers the code of the first for ten minutes, while the link is open; otherwise
    it raises Repeated. Raises Forbidden, InvalidInput.
    """
    actor.require("users.manage")
    role, key = parse(RoleValues, values).role, key or form_keys.new()
    with db.transaction() as session:
        # Of two requests with one key the second waits here, and then finds the link of the first.
        users.keep_apart(session, actor)
        code = _code_again(session, actor, role, None, key)
        if code is None:
            code = _add(session, actor, role, None, key)
            event_records.add(session, actor, "user.invited", role=role.value)
    return code


def make_reset_link(actor: Actor, user_id: UUID, key: str | None = None) -> str:
    """Make a link by which a person chooses a new password; answers its code. The key is as for `invite`.

    Raises Forbidden, NotFound, Conflict (deactivated), Repeated.
    """
    actor.require("users.manage")
    key = key or form_keys.new()
    with db.transaction() as session:
        user = users.find(session, actor, user_id)
        if not user.is_active:
            raise Conflict(f"{user.name} is deactivated. Activate them first.", code="deactivated")
        code = _code_again(session, actor, user.role, user_id, key)
        if code is None:
            users.end_links(session, Invitation.user_id == user_id)
            code = _add(session, actor, user.role, user_id, key)
            event_records.add(session, actor, "user.reset_link_made", ("user", user.id, user.name))
    return code


def join_url(code: str) -> str:
    """The address at which somebody joins."""
    return f"{settings().base_url}/join?code={code}"


def reset_url(code: str) -> str:
    """The address at which a person chooses a new password."""
    return f"{settings().base_url}/reset?code={code}"


def listing(actor: Actor) -> list[dict[str, Any]]:
    """The links to join that nobody used yet, newest first, without their codes. Raises Forbidden."""
    actor.require("users.manage")
    shown = sa.select(Invitation.id, Invitation.role, Invitation.made_by, Invitation.created_at, Invitation.expires_at)
    mine = shown.where(_is_open_to_join(actor))
    with db.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(mine.order_by(Invitation.created_at.desc()))]


def withdraw(actor: Actor, invitation_id: UUID) -> None:
    """Make a link to join useless. Raises Forbidden, NotFound."""
    actor.require("users.manage")
    with db.transaction() as session:
        mine = sa.select(Invitation.id).where(Invitation.id == invitation_id, _is_open_to_join(actor))
        if session.scalar(mine.with_for_update()) is None:
            raise NotFound("There is no open invitation with this id.")
        users.end_links(session, Invitation.id == invitation_id)
        event_records.add(session, actor, "user.invitation_withdrawn")


def read_link(code: str) -> dict[str, Any]:
    """What a link is for: account_name, role, and the person's name and email (None to join). Raises NotFound."""
    shown = sa.select(Invitation.role, Account.name.label("account_name"), User.name, User.email)
    joined = shown.join(Account, Account.id == Invitation.account_id).outerjoin(User, User.id == Invitation.user_id)
    mine = joined.where(Invitation.digest == sessions.digest(code), Invitation.expires_at > now())
    with db.reading() as connection:
        row = connection.execute(mine).one_or_none()
    if row is None:
        raise NotFound(GONE)
    return dict(row._mapping)


def join(visitor: Visitor, code: str, values: Mapping[str, Any], key: str | None = None) -> str:
    """Use a link to join, and sign in; answers the session's id.

    With the form's key a repeated call with the same address and password answers the session of the first for ten
    minutes, while it lasts. Raises NotFound (the link), InvalidInput.
    """
    return _use(_join, visitor, code, values, key)


def choose_password(visitor: Visitor, code: str, values: Mapping[str, Any], key: str | None = None) -> str:
    """Use a link to choose a new password; all other sessions end. The key is as for `join`.

    Raises NotFound, InvalidInput.
    """
    return _use(_choose_password, visitor, code, values, key)


def _use(act: Act, visitor: Visitor, code: str, values: Mapping[str, Any], key: str | None) -> str:
    session_id = form_keys.code("session by link", code, key or form_keys.new())

    def start() -> str:
        read_link(code)  # before a password is hashed, which costs: strangers without a link get a cheap refusal
        return act(visitor, code, values, session_id)

    return sessions.start_once(visitor, session_id, values, start)


def _join(visitor: Visitor, code: str, values: Mapping[str, Any], session_id: str) -> str:
    checked = parse(UserValues, values)
    password_hash = passwords.hash_password(checked.password)
    with db.transaction() as session:
        invitation = _take(session, code, to_join=True)
        if session.scalar(sa.select(User.id).where(User.email.in_(spellings(checked.email)))) is not None:
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
        _record(session, user, "user.joined", visitor)
        return sessions.start(session, user, visitor, session_id)


def _choose_password(visitor: Visitor, code: str, values: Mapping[str, Any], session_id: str) -> str:
    link = read_link(code)
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
        _record(session, user, "user.password_reset", visitor)
        return sessions.start(session, user, visitor, session_id)


def _code_again(session: Session, actor: Actor, role: Role, user_id: UUID | None, key: str) -> str | None:
    """The code of the link that a form with this key made before; None where it made none. Raises Repeated."""
    found = session.get(Invitation, form_keys.row_id(actor, "link", key))
    if found is None:
        return None
    code = _code(found, key)
    form_keys.check_repeated(
        "A link",
        found.created_at,
        has_same_content=(found.role, found.user_id) == (role, user_id),
        is_in_force=found.expires_at > now(),
        is_same_text=sessions.digest(code) == found.digest,
    )
    return code


def _add(session: Session, actor: Actor, role: Role, user_id: UUID | None, key: str) -> str:
    moment = now()
    invitation = Invitation(
        id=form_keys.row_id(actor, "link", key),
        account_id=actor.account_id,
        user_id=user_id,
        role=role,
        created_by=actor.user_id,
        made_by=actor.name,
        created_at=moment,
        expires_at=moment + VALID_FOR,
    )
    code = _code(invitation, key)
    invitation.digest = sessions.digest(code)
    session.add(invitation)
    return code


def _code(invitation: Invitation, key: str) -> str:
    # With the time, so that a row which was purged and made again has another code.
    return form_keys.code("link", invitation.id, invitation.created_at, key)


def _is_open_to_join(actor: Actor) -> sa.ColumnElement[bool]:
    is_mine = sa.and_(Invitation.account_id == actor.account_id, Invitation.user_id.is_(None))
    return sa.and_(is_mine, Invitation.expires_at > now())


def _take(session: Session, code: str, *, to_join: bool) -> Invitation:
    wanted = sa.select(Invitation).where(Invitation.digest == sessions.digest(code), Invitation.expires_at > now())
    found = session.scalars(wanted.with_for_update()).one_or_none()
    if found is None or (found.user_id is None) is not to_join:
        raise NotFound(GONE)
    users.end_links(session, Invitation.id == found.id)
    return found


def _record(session: Session, user: User, action: str, visitor: Visitor) -> None:
    actor = Actor(user.account_id, user.name, Door.PAGE, user_id=user.id, visitor=visitor)
    event_records.add(session, actor, action, ("user", user.id, user.name))
