"""Operations on people who come from the provider: they are known by issuer and subject, never by their address.

Each sign-in makes the role, the name and the address those of the provider, which is the authority: also for the last
admin. The terminal gets back in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import NotAdmitted
from agents_app.models import Identity, Invitation, User
from agents_app.operations import (
    event_records,
    identity_records,
    invitation_records,
    login_attempts,
    provider_account,
    session_records,
    user_records,
)
from agents_app.operations.identity_records import Claim, role_of
from agents_app.operations.permissions import Actor, Visitor
from agents_app.sign_on.errors import SignOnRefused
from agents_app.sign_on.person import Person
from agents_app.values import limits
from agents_app.values.choices import Door, Role, SignInMethod

FAILED = "user.sign_on_failed"
REFUSED = "user.sign_on_refused"
# Refusals for which the settings, the clocks or the provider are the reason, or the person who stopped there.
NO_GUESSES = frozenset(
    {
        *("access_denied", "login_required", "interaction_required", "consent_required"),
        *("invalid_client", "unauthorized_client", "invalid_scope", "unsupported_response_type"),
        *("audience", "expired", "too_old", "tenant", "subject"),
    }
)


def sign_in(visitor: Visitor, person: Person) -> str:
    """Start a session for a person whom the provider names, and return the random id for the cookie.

    A person with a role who is not known becomes a new one. Raises NotAdmitted: what the provider says is stored then
    too, and a person without a role has lost everything.
    """
    with db.transaction() as session:
        found = _enter(session, visitor, person)
    if isinstance(found, NotAdmitted):
        raise found
    return found


@contextmanager
def attempt(visitor: Visitor) -> Iterator[None]:
    """While the provider is asked about a code. A refusal is an event, and counts for the address if it was a guess.

    It is recorded first, as for passwords, but is counted apart from them: trouble with the provider must not close the
    way in with a password. Raises Throttled, before the provider is asked.
    """
    address = f"sign-on {login_attempts.network_of(visitor.address or '')}"[: limits.IP_ADDRESS]
    # Nobody is named, so that only the address is counted.
    attempt_id = login_attempts.record_or_refuse(Visitor(address), f"sign-on {uuid4()}", "failed sign-ins")
    is_guess = False
    db.release()
    try:
        yield
    except SignOnRefused as refusal:
        is_guess = refusal.code not in NO_GUESSES
        with db.transaction() as session:
            event_records.add_anonymous(session, FAILED, visitor)
        raise
    finally:
        if not is_guess:
            with db.transaction() as session:
                login_attempts.remove(session, attempt_id)


def claim_of(visitor: Visitor, person: Person) -> tuple[Claim, datetime]:
    """Who this person would be, to be linked, and when their session would end.

    Nothing is stored but a refusal. Raises NotAdmitted without a role.
    """
    if role_of(person.role_values) is None:
        with db.transaction() as session:
            event_records.add_anonymous(session, REFUSED, visitor)
        raise _no_role(person)
    return _claim(person), _end_of_session(person)


def _enter(session: Session, visitor: Visitor, person: Person) -> str | NotAdmitted:
    role, claim = role_of(person.role_values), _claim(person)
    identity = identity_records.find(session, claim.issuer, claim.subject)
    if role is None and identity is None:
        event_records.add_anonymous(session, REFUSED, visitor)
        return _no_role(person)
    account_id = identity.account_id if identity else _account_of_new_people(session)
    # Every change of people takes this lock. Of two first sign-ins at the same time, the second finds the first here.
    user_records.lock_account(session, account_id)
    identity = identity_records.find(session, claim.issuer, claim.subject)
    user = session.get(User, identity.user_id, populate_existing=True) if identity and identity.user_id else None
    actor = Actor(account_id, claim.name, Door.PAGE, user_id=user.id if user else None, visitor=visitor)
    if role is None:
        return _without_role(session, actor, person, identity, user)
    ends_at = _end_of_session(person)
    identity = _refreshed(session, actor, identity, claim)
    found = _follow(session, actor, user, identity, role) if user else _join(session, actor, identity, person, role)
    if isinstance(found, NotAdmitted):
        return found
    return session_records.start(session, found, visitor, method=SignInMethod.PROVIDER, ends_at=ends_at)


def _without_role(
    session: Session, actor: Actor, person: Person, identity: Identity | None, user: User | None
) -> NotAdmitted:
    target = ("user", user.id, user.name) if user else None
    if identity and user and user.is_active:
        identity.has_lost_role, user.is_active = True, False
        user_records.end_links_and_sessions(session, user)
        event_records.add(session, actor, "user.role_lost", target, host=settings().provider_host)
    else:
        event_records.add(session, actor, REFUSED, target)
    return _no_role(person)


def _refreshed(session: Session, actor: Actor, identity: Identity | None, claim: Claim) -> Identity:
    if identity is None:
        identity = Identity(id=uuid4(), account_id=actor.account_id, issuer=claim.issuer, subject=claim.subject)
        session.add(identity)
    identity.name, identity.email, identity.last_used_at = claim.name, claim.email, now()
    return identity


def _join(session: Session, actor: Actor, identity: Identity, person: Person, role: Role) -> User | NotAdmitted:
    """Make a new person. Where another person has the address, the identity waits: nobody is found by an address."""
    with session.no_autoflush:
        if person.email and not identity_records.is_free(session, person.email):
            if sa.inspect(identity).pending:
                event_records.add(session, actor, "user.identity_waits", host=settings().provider_host)
            return _waits(is_verified=identity.email is not None)
    user = identity_records.add_user(session, identity, identity.email, role)
    made_by = replace(actor, name=user.name, user_id=user.id)
    event_records.add(
        session, made_by, "user.came", ("user", user.id, user.name), host=settings().provider_host, role=role
    )
    return user


def _follow(session: Session, actor: Actor, user: User, identity: Identity, role: Role) -> User | NotAdmitted:
    """Make the person what the provider says. Refuse a person whom an admin has deactivated."""
    target = "user", user.id, identity.name
    if not user.is_active and not identity.has_lost_role:
        event_records.add(session, actor, REFUSED, target)
        return NotAdmitted("An admin of this console has deactivated you.", code="deactivated")
    if not user.is_active:
        user.is_active = True
        event_records.add(session, actor, "user.role_regained", target, host=settings().provider_host)
    identity.has_lost_role = False
    if user.role != role:
        user.role = role
        user_records.end_links_and_sessions(session, user)
        event_records.add(session, actor, "user.role_from_provider", target, host=settings().provider_host, role=role)
    if user.name != identity.name:
        event_records.add(session, actor, "user.renamed", target, before=user.name)
        user.name = identity.name
    _follow_address(session, actor, user, identity.email)
    return user


def _follow_address(session: Session, actor: Actor, user: User, email: str | None) -> None:
    with session.no_autoflush:
        if email is None or email == user.email or not identity_records.is_free(session, email, but=user.id):
            return
        # Links before the user, as everywhere. A link to choose a password was for the old address.
        invitation_records.expire(session, Invitation.user_id == user.id)
    user.email = email
    with user_records.storing_address():
        session.flush()
    event_records.add(session, actor, "user.address_changed", ("user", user.id, user.name))


def _account_of_new_people(session: Session) -> UUID:
    matching = provider_account.matching(session, settings().oidc_account)
    if len(matching) == 1:
        return matching[0]
    if not provider_account.matching(session, None):
        raise NotAdmitted("This console has no organisation yet. Set it up first.", code="not_set_up")
    raise NotAdmitted("This console does not know to which organisation new people belong.", code="no_account")


def _end_of_session(person: Person) -> datetime:
    """When a session for this sign-in ends at the latest. Raises NotAdmitted where that is past."""
    moment, longest = now(), settings().session_max
    # A clock of the provider that is ahead must not make the session longer.
    ends = [moment + longest, (person.authenticated_at or moment) + longest, person.ends_at or moment + longest]
    if min(ends) <= moment:
        raise NotAdmitted(f"You signed in at {settings().provider_host} too long ago.", code="sign_in_too_old")
    return min(ends)


def _claim(person: Person) -> Claim:
    return Claim(person.issuer, person.subject, person.name, person.email if person.is_email_verified else None)


def _no_role(person: Person) -> NotAdmitted:
    code = "too_many_groups" if person.has_too_many_groups else "no_role"
    return NotAdmitted(f"{settings().provider_host} gives you no role in this console.", code=code)


def _waits(*, is_verified: bool) -> NotAdmitted:
    # An address that the provider has not verified finds out nothing about the people here.
    if is_verified:
        return NotAdmitted("A person with your email address exists in this console already.", code="address_taken")
    sentence = f"Your account at {settings().provider_host} is not linked to a person of this console yet."
    return NotAdmitted(sentence, code="waits")
