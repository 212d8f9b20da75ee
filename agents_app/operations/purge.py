"""Operations on all accounts: delete expired sessions, old attempts, ended links, old events and kept secrets."""

from collections import Counter
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.models import AgentVersion, Event, Invitation, LoginAttempt, UserSession
from agents_app.operations import event_records
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door

ATTEMPTS_FOR = timedelta(days=1)
# A form that made a link may be sent again as long as its page is open, and must find that the link has ended.
ENDED_LINKS_FOR = timedelta(days=1)
BATCH = 1_000


def count() -> dict[str, int]:
    """How many rows of each kind a purge would remove or empty now."""
    with db.reading() as connection:
        return {
            name: connection.scalar(sa.select(sa.func.count()).select_from(table).where(condition)) or 0
            for name, (table, condition) in _past().items()
        }


def run(operator: str) -> dict[str, int]:
    """Remove what is past its time; answers how many rows of each kind.

    What an account would miss, its events and kept secrets, it is told in an event.
    """
    return {name: _remove(name, table, condition, operator) for name, (table, condition) in _past().items()}


def _remove(name: str, table: type[Any], condition: sa.ColumnElement[bool], operator: str) -> int:
    removed = 0
    while True:
        # In small steps: nobody else waits long, and no step meets the limit on a statement's time.
        with db.transaction() as session:
            accounts = _remove_some(session, table, condition)
            if table in (Event, AgentVersion):
                _tell(session, accounts, name, operator)
        removed += accounts.total()
        if accounts.total() < BATCH:
            return removed


def _remove_some(session: Session, table: type[Any], condition: sa.ColumnElement[bool]) -> Counter[Any]:
    """How many rows went of each account; None stands for those of none."""
    key = sa.tuple_(*sa.inspect(table).primary_key)
    some = sa.select(*sa.inspect(table).primary_key).where(condition).limit(BATCH)
    change: Any = sa.delete(table)
    if table is AgentVersion:
        # History stays; only the secrets that made an undo possible go.
        change = sa.update(AgentVersion).values(kept_secrets=sa.null())
    whose = getattr(table, "account_id", sa.null())
    removed = change.where(key.in_(some)).returning(whose).execution_options(synchronize_session=False)
    return Counter(session.scalars(removed))


def _tell(session: Session, accounts: Counter[Any], name: str, operator: str) -> None:
    for account_id, number in accounts.items():
        if account_id is not None:
            actor = Actor(account_id, operator, Door.TERMINAL)
            event_records.add(session, actor, "account.purged", what=name, number=number)


def _past() -> dict[str, tuple[type[Any], sa.ColumnElement[bool]]]:
    limits, moment = settings(), now()
    is_idle = UserSession.last_seen_at < moment - limits.session_idle
    has_secrets = sa.and_(AgentVersion.action == "agent.deleted", AgentVersion.kept_secrets.is_not(None))
    too_old = AgentVersion.created_at < moment - timedelta(days=limits.deleted_secrets_days)
    return {
        "sessions": (UserSession, sa.or_(UserSession.expires_at < moment, is_idle)),
        "sign-in attempts": (LoginAttempt, LoginAttempt.created_at < moment - ATTEMPTS_FOR),
        "links": (Invitation, Invitation.expires_at < moment - ENDED_LINKS_FOR),
        "events": (Event, Event.created_at < moment - timedelta(days=limits.events_days)),
        "secrets of deleted agents": (AgentVersion, sa.and_(has_secrets, too_old)),
    }
