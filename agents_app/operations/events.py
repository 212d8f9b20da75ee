"""Writes the record of who did what. Every operation that changes or reveals something calls this."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from agents_app.db import db
from agents_app.models import Event
from agents_app.operations.permissions import Actor
from agents_app.schemas.choices import Door


def record(
    session: Session,
    actor: Actor,
    action: str,
    target: tuple[str, UUID, str] | None = None,
    **details: Any,
) -> None:
    """Add one event to the transaction; `target` is (kind, id, name). Details must hold nothing secret."""
    kind, target_id, name = target or (None, None, None)
    session.add(
        Event(
            account_id=actor.account_id,
            action=action,
            door=actor.door,
            actor_name=actor.name,
            user_id=actor.user_id,
            token_id=actor.token_id,
            target_kind=kind,
            target_id=target_id,
            target_name=name,
            address=actor.address,
            request_id=actor.request_id,
            details=details,
        )
    )


def record_stranger(session: Session, action: str, *, address: str | None, request_id: str | None) -> None:
    """Add one event of somebody who is not signed in; what was typed is not recorded."""
    session.add(Event(action=action, door=Door.PAGE, actor_name="", address=address, request_id=request_id, details={}))


def record_denial(actor: Actor, asked: str, sentence: str) -> None:
    """Keep, in a transaction of its own, that somebody asked for what they may not do; `asked` names it."""
    with db.transaction() as session:
        record(session, actor, "access.denied", asked=asked, detail=sentence)


def record_deleted_account(session: Session, actor: Actor, name: str) -> None:
    """Add the one event that outlives its account: it belongs to none any more."""
    session.add(
        Event(
            action="account.deleted",
            door=actor.door,
            actor_name=actor.name,
            target_kind="account",
            target_id=actor.account_id,
            target_name=name,
            address=actor.address,
            request_id=actor.request_id,
            details={},
        )
    )
