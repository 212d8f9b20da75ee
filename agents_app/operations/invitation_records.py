"""Helpers that add, find and end one-time links within the caller's transaction."""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.db import now
from agents_app.errors import NotFound
from agents_app.models import Invitation
from agents_app.operations import form_keys
from agents_app.operations.permissions import Actor
from agents_app.operations.session_records import digest
from agents_app.values.choices import Role

VALID_FOR = timedelta(days=7)
GONE = "This link was used, was withdrawn or has expired. Ask for a new one."


class Content(NamedTuple):
    """What a link is for. With `user_id` it resets the password of that user."""

    role: Role
    user_id: UUID | None = None
    note: str | None = None


def add(session: Session, actor: Actor, content: Content, key: str) -> str:
    """Add the link that a form with this key makes, and return its code."""
    moment = now()
    invitation = Invitation(
        id=form_keys.row_id(actor, "link", key),
        account_id=actor.account_id,
        **content._asdict(),
        created_by=actor.user_id,
        made_by=actor.name,
        created_at=moment,
        expires_at=moment + VALID_FOR,
    )
    code = _code(invitation, key)
    invitation.digest = digest(code)
    session.add(invitation)
    return code


def find_code(session: Session, actor: Actor, content: Content, key: str) -> str | None:
    """The code of the link that a form with this key has made; None where it has made none. Raises Repeated."""
    found = session.get(Invitation, form_keys.row_id(actor, "link", key))
    if found is None:
        return None
    code = _code(found, key)
    form_keys.check_repeated(
        "a link",
        found.created_at,
        has_same_content=(found.role, found.user_id, found.note) == content,
        is_in_force=found.expires_at > now(),
        is_same_text=digest(code) == found.digest,
    )
    return code


def use_up(session: Session, code: str, *, to_join: bool) -> Invitation:
    """Lock the link with this code, end it, and return it. Raises NotFound."""
    query = sa.select(Invitation).where(Invitation.digest == digest(code), Invitation.expires_at > now())
    found = session.scalars(query.with_for_update()).one_or_none()
    if found is None or (found.user_id is None) is not to_join:
        raise NotFound(GONE)
    expire(session, Invitation.id == found.id)
    return found


def expire(session: Session, which: sa.ColumnElement[bool]) -> None:
    """End these links. Their rows stay until `flask purge`, so that a repeated form finds them.

    `expires_at` becomes the time of their making, not now: a request that read the clock earlier may wait for this
    transaction, and must see that they have ended.
    """
    query = sa.update(Invitation).where(which).values(expires_at=Invitation.created_at)
    session.execute(query.execution_options(synchronize_session=False))


def _code(invitation: Invitation, key: str) -> str:
    # The time is part of it, so that a row which was purged and added again has another code.
    return form_keys.code("link", invitation.id, invitation.created_at, key)
