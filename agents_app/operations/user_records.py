"""Helpers that read and lock users within the caller's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from agents_app.database.errors import violates_index
from agents_app.errors import Forbidden, InvalidInput, NotFound
from agents_app.models import Account, Invitation, User
from agents_app.operations import invitation_records, session_records, small_facts
from agents_app.operations.permissions import Actor
from agents_app.operations.small_facts import Facts
from agents_app.values.choices import Role
from agents_app.values.text import spellings

# In any order of the rows, `number` gives the place of each.
ADMINS = (
    small_facts.select(
        "admin", text=User.name, number=sa.func.row_number().over(order_by=(sa.func.lower(User.name), User.id))
    ).where(User.account_id == sa.bindparam("account_id"), User.role == Role.ADMIN, User.is_active),
)
"""The question who the active admins of an account are."""
NO_USER = "There is no person with this id."
TAKEN = "A person with this address exists already. "
ANOTHER = "Use another address."


def admin_names(facts: Facts) -> list[str]:
    """The names of the active admins of an account. `facts` answer ADMINS."""
    return [admin.text for admin in sorted(facts["admin"], key=lambda admin: admin.number)]


def lock_account(session: Session, account_id: UUID) -> None:
    """Lock the account, so that no other request changes its people until the transaction ends."""
    session.execute(sa.select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))


def lock_account_as_admin(session: Session, actor: Actor) -> None:
    """Lock the account, and check under the lock that the actor is still an admin. Raises Forbidden.

    Every change of the people of an account takes this lock, so that two admins cannot remove each other at the same
    time.
    """
    lock_account(session, actor.account_id)
    if actor.user_id is None:
        return
    # The role of the actor was read when the request began, and may have changed since.
    admin = sa.select(User.id).where(User.id == actor.user_id, User.role == Role.ADMIN, User.is_active)
    if session.scalar(admin) is None:
        raise Forbidden("Only an admin can do this.", code="role_missing")


def lock_account_and_find(session: Session, actor: Actor, user_id: UUID) -> User:
    """Lock the account as `lock_account_as_admin` does, and return one of its users. Raises Forbidden, NotFound."""
    lock_account_as_admin(session, actor)
    query = sa.select(User).where(User.id == user_id, User.account_id == actor.account_id)
    user = session.scalars(query).one_or_none()
    if user is None:
        raise NotFound(NO_USER)
    return user


def require_free_address(session: Session, email: str, advice: str = ANOTHER, but: UUID | None = None) -> None:
    """Raise InvalidInput, with this advice, if a person of any account has this address. `but` is not counted."""
    others = sa.select(User.id).where(User.email.in_(spellings(email)))
    if session.scalar(others if but is None else others.where(User.id != but)) is not None:
        raise InvalidInput([("/email", f"{TAKEN}{advice}")])


def end_links_and_sessions(session: Session, user: User) -> None:
    """Store the changes of a user, and end their sessions, the links that they made and their link for a password."""
    # Links first, then the user: a request that uses a link takes its locks in this order.
    with session.no_autoflush:
        # With a link that was made before, the user could come back.
        invitation_records.expire(session, sa.or_(Invitation.created_by == user.id, Invitation.user_id == user.id))
    session.flush()
    session_records.end_all(session, user.id)


@contextmanager
def storing_address(advice: str = ANOTHER) -> Iterator[None]:
    """Raise the same InvalidInput where another request has stored the address since `require_free_address`."""
    try:
        yield
    except IntegrityError as error:
        if violates_index(error, "uq_users_email", "users.email"):
            raise InvalidInput([("/email", f"{TAKEN}{advice}")]) from None
        raise
