"""Helpers that limit the tests of connections: for each person, each account and each process.

The counts for persons and accounts are in the database, and so are shared by all processes.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import ConsoleError, Throttled, Unavailable
from agents_app.models import Account, StartedTest
from agents_app.operations.permissions import Actor
from agents_app.probes.runner import LIMIT_SECONDS
from agents_app.values.choices import Door

WINDOW = timedelta(minutes=1)
PER_PERSON = 6
AT_ONCE = 2
# A process that was killed leaves a row without an end. No test takes longer than this.
LONGEST = timedelta(seconds=LIMIT_SECONDS)
# A process uses one of so many places for requests for a test. The others stay free for pages.
PLACES_PER_TEST = 4
TOO_MANY = f"You can start {PER_PERSON} tests in a minute. Try again in {{seconds}} seconds."
RUNNING = f"{AT_ONCE} tests of your organisation are running. Try again in {{seconds}} seconds."
BUSY = "The server is running other tests. Try again in a few seconds."
OFF = "Testing connections is switched off on this server (CONNECTION_TESTS=off)."
OFF_RETRY_SECONDS = 3_600

_running: list[UUID] = []
_lock = threading.Lock()


def require_on() -> None:
    """Raise Unavailable if CONNECTION_TESTS is off."""
    if not settings().connection_tests:
        raise Unavailable(OFF, code="tests_off", retry_after=OFF_RETRY_SECONDS)


@contextmanager
def place(actor: Actor) -> Iterator[None]:
    """Count one test of this actor while the block runs. The terminal is not limited.

    Raises Unavailable if this process runs as many tests as it may, and Throttled if the person or the account does.
    """
    if actor.door is Door.TERMINAL:
        yield
        return
    test_id = uuid4()
    with _place_of_process(test_id):
        with db.transaction() as session:
            _start(session, actor, test_id)
        try:
            yield
        finally:
            # Without its end, the row counts until the time limit.
            with suppress(ConsoleError), db.transaction() as session:
                session.execute(sa.update(StartedTest).where(StartedTest.id == test_id).values(ended_at=now()))


@contextmanager
def _place_of_process(test_id: UUID) -> Iterator[None]:
    with _lock:
        if len(_running) >= max(1, settings().pool_size // PLACES_PER_TEST):
            raise Unavailable(BUSY, code="busy", retry_after=int(LIMIT_SECONDS))
        _running.append(test_id)
    try:
        yield
    finally:
        with _lock:
            _running.remove(test_id)


def _start(session: Session, actor: Actor, test_id: UUID) -> None:
    # Of two requests at the same time, the second waits here and then counts the first.
    account = sa.select(Account.id).where(Account.id == actor.account_id)
    session.execute(account.with_for_update(key_share=True))
    moment, person = now(), actor.user_id or actor.token_id
    of_account = StartedTest.account_id == actor.account_id
    # Times to come are from before the clock was set back.
    is_counted = StartedTest.started_at.between(moment - WINDOW, moment + WINDOW)
    session.execute(sa.delete(StartedTest).where(of_account, ~is_counted))
    started = session.execute(
        sa.select(StartedTest.person, StartedTest.started_at, StartedTest.ended_at)
        .where(of_account)
        .order_by(StartedTest.started_at)
    ).all()
    running = [row.started_at for row in started if row.ended_at is None and row.started_at > moment - LONGEST]
    _refuse_at(PER_PERSON, [row.started_at for row in started if row.person == person], WINDOW, TOO_MANY)
    _refuse_at(AT_ONCE, running, LONGEST, RUNNING)
    session.add(StartedTest(id=test_id, account_id=actor.account_id, person=person, started_at=moment))


def _refuse_at(limit: int, times: list[datetime], length: timedelta, sentence: str) -> None:
    if len(times) >= limit:
        seconds = max(1, int((times[-limit] + length - now()).total_seconds()) + 1)
        raise Throttled(sentence.format(seconds=seconds), retry_after=seconds, code="too_many_tests")
