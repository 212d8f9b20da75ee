"""Operations on identities at the provider: those that wait for an admin, and whose they are.

`provider_sign_in.py` adds them. An identity that is removed waits again, or becomes a new person, at its next sign-in.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db
from agents_app.errors import Conflict, NotFound
from agents_app.models import Identity, User, UserSession
from agents_app.operations import event_records, identity_records, password_sign_in, session_records, user_records
from agents_app.operations.identity_records import Claim
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Role, SignInMethod

GONE = "This identity does not wait any more."


def waiting(actor: Actor) -> list[dict[str, Any]]:
    """The identities that nobody of the account has, last used first. Raises Forbidden."""
    actor.require("users.manage")
    columns = (Identity.id, Identity.name, Identity.email, Identity.subject)
    query = sa.select(*columns, Identity.created_at, Identity.last_used_at).where(_waits(actor))
    with db.reading() as connection:
        rows = connection.execute(query.order_by(Identity.last_used_at.desc(), Identity.id))
        return [dict(row._mapping) for row in rows]


def own(actor: Actor) -> dict[str, Any] | None:
    """The actor's own identity at the provider; None if they have none."""
    query = sa.select(Identity.name, Identity.email, Identity.subject, Identity.last_used_at)
    query = query.where(Identity.user_id == actor.user_id, identity_records.is_of_provider())
    with db.reading() as connection:
        row = connection.execute(query).first()
    return dict(row._mapping) if row else None


def link(actor: Actor, identity_id: UUID, user_id: UUID) -> None:
    """Say whose an identity is that waits. Raises Forbidden, NotFound, Conflict (the person has one)."""
    actor.require_to_change("users.manage")
    with db.transaction() as session:
        user = user_records.lock_account_and_find(session, actor, user_id)
        _link(session, actor, _find_waiting(session, actor, identity_id), user)


def add_person(actor: Actor, identity_id: UUID) -> UUID:
    """Make a new person of an identity that waits, a viewer until the next sign-in. Returns the id of the person.

    If another person has the address, the new one has none. Raises Forbidden, NotFound.
    """
    actor.require_to_change("users.manage")
    with db.transaction() as session:
        user_records.lock_account_as_admin(session, actor)
        identity = _find_waiting(session, actor, identity_id)
        is_free = identity.email is not None and identity_records.is_free(session, identity.email)
        user = identity_records.add_user(session, identity, identity.email if is_free else None, Role.VIEWER)
        event_records.add(session, actor, "user.made_of_identity", _target(user), host=settings().provider_host)
    return user.id


def dismiss(actor: Actor, identity_id: UUID) -> None:
    """Remove an identity that waits. It waits again after another sign-in. Raises Forbidden, NotFound."""
    actor.require_to_change("users.manage")
    with db.transaction() as session:
        user_records.lock_account_as_admin(session, actor)
        identity = _find_waiting(session, actor, identity_id)
        event_records.add(
            session, actor, "user.identity_dismissed", before=identity.name, host=settings().provider_host
        )
        session.delete(identity)


def unlink(actor: Actor, user_id: UUID) -> bool:
    """Remove the identity of a user, and end their sessions through the provider. Returns whether they had one.

    Raises Forbidden, NotFound.
    """
    actor.require_to_change("users.manage")
    with db.transaction() as session:
        user = user_records.lock_account_and_find(session, actor, user_id)
        return _unlink(session, actor, user)


def check_link(actor: Actor, claim: Claim) -> None:
    """Raise Conflict unless the actor can have this identity."""
    with db.transaction() as session:
        _require_unlinked(session, actor, claim)


def link_own(actor: Actor, session_id: str, claim: Claim, ends_at: datetime) -> None:
    """Link an identity, which the provider has just established, to the actor. This session goes on as one through it.

    It ends at `ends_at` at the latest. Raises CodeNeeded, Conflict.
    """
    actor.require_recent_code()
    with db.transaction() as session:
        user_records.lock_account(session, actor.account_id)
        user, identity = _require_unlinked(session, actor, claim)
        if identity is None:
            identity = Identity(id=uuid4(), issuer=claim.issuer, subject=claim.subject)
            session.add(identity)
        # It may have waited in another account.
        identity.account_id, identity.name, identity.email = actor.account_id, claim.name, claim.email
        _link(session, actor, identity, user)
        this = sa.update(UserSession).where(UserSession.digest == session_records.digest(session_id))
        session.execute(this.values(method=SignInMethod.PROVIDER))
        session.execute(this.where(UserSession.expires_at > ends_at).values(expires_at=ends_at))


def can_unlink_own(actor: Actor) -> bool:
    """Whether the actor could still sign in without their identity: with a password."""
    with db.reading() as connection:
        stored = connection.scalar(sa.select(User.password_hash).where(User.id == actor.user_id))
    return stored is not None and password_sign_in.may_use_password(actor.email, is_linked=False)


def unlink_own(actor: Actor) -> bool:
    """Remove the actor's own identity, and end their sessions through the provider. Returns whether they had one.

    Raises CodeNeeded, and Conflict for a person who could not sign in any more.
    """
    actor.require_recent_code()
    if not can_unlink_own(actor):
        raise Conflict("Without this link you could not sign in: you have no password here.", code="no_password")
    with db.transaction() as session:
        user_records.lock_account(session, actor.account_id)
        user = session.get(User, actor.user_id)
        return user is not None and _unlink(session, actor, user)


def _link(session: Session, actor: Actor, identity: Identity, user: User) -> None:
    with session.no_autoflush:
        if identity_records.of_user(session, user.id) is not None:
            raise Conflict(f"{user.name} is linked to {settings().provider_host} already.", code="already_linked")
    identity.user_id, identity.has_lost_role = user.id, False
    event_records.add(session, actor, "user.identity_linked", _target(user), host=settings().provider_host)


def _unlink(session: Session, actor: Actor, user: User) -> bool:
    identity = identity_records.of_user(session, user.id)
    if identity is None:
        return False
    session.delete(identity)
    through_provider = sa.delete(UserSession).where(
        UserSession.user_id == user.id, UserSession.method == SignInMethod.PROVIDER
    )
    session.execute(through_provider)
    event_records.add(session, actor, "user.identity_unlinked", _target(user), host=settings().provider_host)
    return True


def _require_unlinked(session: Session, actor: Actor, claim: Claim) -> tuple[User, Identity | None]:
    user = session.get(User, actor.user_id)
    if user is None or not user.is_active:
        raise NotFound(user_records.NO_USER)
    if identity_records.of_user(session, user.id) is not None:
        raise Conflict(f"You are linked to {settings().provider_host} already. Unlink first.", code="already_linked")
    identity = identity_records.find(session, claim.issuer, claim.subject)
    if identity and identity.user_id:
        sentence = (
            f"This account at {settings().provider_host} is linked to another person of this console. Ask an admin."
        )
        raise Conflict(sentence, code="linked_to_another")
    return user, identity


def _find_waiting(session: Session, actor: Actor, identity_id: UUID) -> Identity:
    identity = session.scalars(sa.select(Identity).where(Identity.id == identity_id, _waits(actor))).one_or_none()
    if identity is None:
        raise NotFound(GONE)
    return identity


def _waits(actor: Actor) -> sa.ColumnElement[bool]:
    return sa.and_(
        Identity.account_id == actor.account_id, Identity.user_id.is_(None), identity_records.is_of_provider()
    )


def _target(user: User) -> tuple[str, UUID, str]:
    return "user", user.id, user.name
