"""Helpers that find and change identities at the provider within the caller's transaction."""

from typing import Any, NamedTuple
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.errors import Conflict
from agents_app.models import Identity, User
from agents_app.operations import user_records
from agents_app.operations.permissions import RANK, Actor
from agents_app.values.choices import Door, Role
from agents_app.values.text import spellings

FROM_PROVIDER = "role_from_provider"
# A domain that no mail reaches (RFC 2606), for people whom the provider gives no address that can be used.
NO_ADDRESS = "no-address.invalid"


class Claim(NamedTuple):
    """Who someone is at the provider. `email` is None unless the provider has verified the address."""

    issuer: str
    subject: str
    name: str
    email: str | None


def is_of_provider() -> sa.ColumnElement[bool]:
    """Whether an identity is of the provider that the settings name. Those of an earlier provider mean nothing."""
    issuer = settings().oidc_issuer
    return Identity.issuer == issuer.url if issuer else sa.false()


def is_linked(*conditions: Any) -> sa.Exists:
    """Whether the user of the query is linked to the provider, by an identity with these conditions."""
    return sa.exists().where(Identity.user_id == User.id, is_of_provider(), *conditions)


def find(session: Session, issuer: str, subject: str) -> Identity | None:
    """The identity with this subject, as the database has it now."""
    query = sa.select(Identity).where(Identity.issuer == issuer, Identity.subject == subject)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def of_user(session: Session, user_id: UUID) -> Identity | None:
    """The identity of a user at the provider."""
    return session.scalars(sa.select(Identity).where(Identity.user_id == user_id, is_of_provider())).first()


def forget_lost_role(session: Session, user_id: UUID) -> None:
    """What becomes of the user is now the decision of an admin: a role at the provider does not activate them."""
    session.execute(sa.update(Identity).where(Identity.user_id == user_id).values(has_lost_role=False))


def require_free(session: Session, actor: Actor, user: User, what: str) -> None:
    """Raise Conflict where the provider decides `what` of this user. The terminal may decide it nevertheless."""
    if actor.door is not Door.TERMINAL and of_user(session, user.id) is not None:
        advice = "Change it there: it applies after the next sign-in."
        raise Conflict(f"The {what} of {user.name} comes from {settings().provider_host}. {advice}", code=FROM_PROVIDER)


def is_free(session: Session, email: str, but: UUID | None = None) -> bool:
    """Whether no person of any account has this address. `but` is not counted."""
    others = sa.select(User.id).where(User.email.in_(spellings(email)))
    return session.scalar(others if but is None else others.where(User.id != but)) is None


def add_user(session: Session, identity: Identity, email: str | None, role: Role) -> User:
    """Add a person without a password for an identity. Without an address they get one that says so."""
    user = User(id=uuid4(), account_id=identity.account_id, name=identity.name, role=role, is_active=True)
    user.email = email or f"{identity.id.hex[:12]}@{NO_ADDRESS}"
    session.add(user)
    with user_records.storing_address():
        session.flush()
    identity.user_id = user.id
    return user


def role_of(values: tuple[str, ...]) -> Role | None:
    """The highest role that these values give, by OIDC_ROLES. None if they give none."""
    given = settings().oidc_roles
    return max((given[value] for value in values if value in given), key=RANK.__getitem__, default=None)
