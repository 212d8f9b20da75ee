"""Helpers that record who did what. Every operation that changes or reveals something calls them."""

from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.db import now
from agents_app.models import Event, User
from agents_app.operations.permissions import Actor, Visitor
from agents_app.values.choices import Door

NEWEST = (
    sa.select(Event.id)
    .where(Event.account_id == User.account_id)
    .order_by(Event.created_at.desc(), Event.id.desc())
    .limit(1)
    .scalar_subquery()
)
"""The id of the newest event of an account, as a column of a query on users."""


def add(
    session: Session,
    actor: Actor,
    action: str,
    target: tuple[str, UUID, str] | None = None,
    **details: Any,
) -> None:
    """Add one event to the transaction. `target` is (kind, id, name). `details` must contain no secret."""
    session.add(new(actor, action, target, details))


def add_anonymous(session: Session, action: str, visitor: Visitor) -> None:
    """Add one event of a visitor who is not signed in. What was typed is not recorded."""
    session.add(
        Event(
            action=action,
            door=Door.PAGE,
            actor_name="",
            address=visitor.address,
            request_id=visitor.request_id,
            details={},
        )
    )


def add_account_deletion(session: Session, actor: Actor, name: str) -> None:
    """Add the event of a deleted account. It belongs to no account, so that it is not deleted with it."""
    session.add(
        Event(
            action="account.deleted",
            door=actor.door,
            actor_name=actor.name,
            target_kind="account",
            target_id=actor.account_id,
            target_name=name,
            address=actor.visitor.address,
            request_id=actor.visitor.request_id,
            details={},
        )
    )


def new(actor: Actor, action: str, target: tuple[str, UUID, str] | None, details: dict[str, Any]) -> Event:
    """An event of this actor that is not stored yet."""
    return Event(**row(actor, action, target, details))


def row(actor: Actor, action: str, target: tuple[str, UUID, str] | None, details: dict[str, Any]) -> dict[str, Any]:
    """The columns of a new event of this actor."""
    kind, target_id, name = target or (None, None, None)
    return {
        "id": uuid4(),
        "created_at": now(),
        "account_id": actor.account_id,
        "action": action,
        "door": actor.door,
        "actor_name": actor.name,
        "user_id": actor.user_id,
        "token_id": actor.token_id,
        "target_kind": kind,
        "target_id": target_id,
        "target_name": name,
        "address": actor.visitor.address,
        "request_id": actor.visitor.request_id,
        "details": details,
    }
