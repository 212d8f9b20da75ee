"""Writes the record of who did what. Every operation that changes or reveals something calls this."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.db import db, now
from agents_app.errors import Conflict
from agents_app.models import Event
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door

DENIED = "access.denied"
# How long one event counts the refusals that follow it.
ONE_DENIAL_IN = timedelta(minutes=1)


def add(
    session: Session,
    actor: Actor,
    action: str,
    target: tuple[str, UUID, str] | None = None,
    **details: Any,
) -> None:
    """Add one event to the transaction; `target` is (kind, id, name). Details must hold nothing secret."""
    session.add(_event(actor, action, target, details))


def add_anonymous(session: Session, action: str, *, address: str | None, request_id: str | None) -> None:
    """Add one event of somebody who is not signed in; what was typed is not recorded."""
    session.add(Event(action=action, door=Door.PAGE, actor_name="", address=address, request_id=request_id, details={}))


def record_denial(actor: Actor, asked: str, sentence: str) -> None:
    """Keep, in a transaction of its own, that somebody asked for what they may not do; `asked` names it.

    Further tries of the same actor at the same within a minute are a count in the details of that event.
    """
    try:
        _count_denial(actor, asked, sentence)
    except Conflict:
        # Another process has just recorded the first one: its event has the same id.
        _count_denial(actor, asked, sentence)


def add_account_deletion(session: Session, actor: Actor, name: str) -> None:
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


def _count_denial(actor: Actor, asked: str, sentence: str) -> None:
    moment = now()
    same = sa.select(Event).where(
        Event.account_id == actor.account_id,
        Event.created_at > moment - ONE_DENIAL_IN,
        Event.action == DENIED,
        Event.user_id == actor.user_id,
        Event.token_id == actor.token_id,
        Event.details["asked"].as_string() == asked,
    )
    with db.transaction() as session:
        event = session.scalars(same.limit(1).with_for_update()).first()
        if event is not None:
            event.details = {**event.details, "count": event.details.get("count", 1) + 1}
            return
        event = _event(actor, DENIED, None, {"asked": asked, "detail": sentence, "count": 1})
        minute = moment.timestamp() // ONE_DENIAL_IN.total_seconds()
        event.id = uuid5(actor.account_id, f"{actor.user_id} {actor.token_id} {asked} {minute}")
        session.add(event)


def _event(actor: Actor, action: str, target: tuple[str, UUID, str] | None, details: dict[str, Any]) -> Event:
    kind, target_id, name = target or (None, None, None)
    return Event(
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
