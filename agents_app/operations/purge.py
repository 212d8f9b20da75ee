"""Operations on all accounts: delete expired sessions, old records, ended links and kept secrets."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.models import (
    AgentVersion,
    ApiToken,
    Event,
    Identity,
    Invitation,
    LoginAttempt,
    RuntimeRead,
    StartedTest,
    UserSession,
)
from agents_app.operations import event_records, started_tests
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door

ATTEMPTS_FOR = timedelta(days=1)
# A form that made a link may be sent again while its page is open, and must find that the link has ended.
ENDED_LINKS_FOR = timedelta(days=1)
# An identity that nobody linked waits again after another sign-in.
WAITING_FOR = timedelta(days=30)
BATCH = 1_000


def count() -> dict[str, int]:
    """How many rows of each kind a purge would change now."""
    with db.reading() as connection:
        return {
            name: connection.scalar(sa.select(sa.func.count()).select_from(table).where(condition)) or 0
            for name, (table, condition) in _expired().items()
        }


def run(operator: str) -> dict[str, int]:
    """Delete what has expired. Returns how many rows of each kind.

    If events or kept secrets of an account are deleted, the account gets an event about it.
    """
    return {name: _remove(name, table, condition, operator) for name, (table, condition) in _expired().items()}


def _remove(name: str, table: type[Any], condition: sa.ColumnElement[bool], operator: str) -> int:
    removed = 0
    while True:
        # In small steps, so that other requests wait only briefly and no statement reaches its time limit.
        with db.transaction() as session:
            accounts = _remove_some(session, table, condition)
            if table in (Event, AgentVersion):
                _record(session, accounts, name, operator)
        removed += accounts.total()
        if accounts.total() < BATCH:
            return removed


def _remove_some(session: Session, table: type[Any], condition: sa.ColumnElement[bool]) -> Counter[Any]:
    """Change some rows. Returns how many of each account; None is the key of rows without an account."""
    key = sa.tuple_(*sa.inspect(table).primary_key)
    some = sa.select(*sa.inspect(table).primary_key).where(condition).limit(BATCH)
    change: Any = sa.delete(table)
    if table is AgentVersion:
        # The history is kept. Only the secrets, which undo needs, are deleted.
        change = sa.update(AgentVersion).values(kept_secrets=sa.null())
    account_id = getattr(table, "account_id", sa.null())
    removed = change.where(key.in_(some)).returning(account_id).execution_options(synchronize_session=False)
    return Counter(session.scalars(removed))


def _record(session: Session, accounts: Counter[Any], name: str, operator: str) -> None:
    for account_id, number in accounts.items():
        if account_id is not None:
            actor = Actor(account_id, operator, Door.TERMINAL)
            event_records.add(session, actor, "account.purged", what=name, number=number)


def _expired() -> dict[str, tuple[type[Any], sa.ColumnElement[bool]]]:
    limits, moment = settings(), now()
    is_idle = UserSession.last_seen_at < moment - limits.session_idle
    has_secrets = sa.and_(AgentVersion.action == AgentVersion.DELETED, AgentVersion.kept_secrets.is_not(None))
    too_old = AgentVersion.created_at < moment - timedelta(days=limits.deleted_secrets_days)
    return {
        "sessions": (UserSession, sa.or_(UserSession.expires_at < moment, is_idle)),
        "sign-in attempts": (LoginAttempt, LoginAttempt.created_at < moment - ATTEMPTS_FOR),
        "started tests": (StartedTest, StartedTest.started_at < moment - started_tests.WINDOW),
        "links": (Invitation, Invitation.expires_at < moment - ENDED_LINKS_FOR),
        "waiting identities": (Identity, _has_waited(moment)),
        "events": (Event, Event.created_at < moment - timedelta(days=limits.events_days)),
        "secrets of deleted agents": (AgentVersion, sa.and_(has_secrets, too_old)),
        "fetches of ended tokens": (RuntimeRead, _ended_reads(moment, limits.events_days)),
    }


def _has_waited(moment: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(Identity.user_id.is_(None), Identity.last_used_at < moment - WAITING_FOR)


def _ended_reads(moment: datetime, days: int) -> sa.ColumnElement[bool]:
    """What ended tokens fetched so long ago, but not the last sign of life of an agent, by which it needs attention."""
    later = aliased(RuntimeRead)
    has_later = sa.exists().where(later.agent_id == RuntimeRead.agent_id, later.seen_at > RuntimeRead.seen_at)
    is_ended = sa.or_(ApiToken.revoked_at.is_not(None), ApiToken.expires_at < moment)
    of_ended = RuntimeRead.token_id.in_(sa.select(ApiToken.id).where(is_ended))
    return sa.and_(RuntimeRead.seen_at < moment - timedelta(days=days), of_ended, has_later)
