"""Helpers that limit the tests of connections: for each person, each account and each process.

The counts for persons and accounts are in the database, and so are shared by all processes.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
from agents_app.wording import seconds_text

WINDOW = timedelta(minutes=1)
PER_PERSON = 6
AT_ONCE = 2
# A process that was killed leaves a row without an end. No test takes longer than this.
LONGEST = timedelta(seconds=LIMIT_SECONDS)
TOO_MANY = f"You can start {PER_PERSON} tests in a minute. Try again in {{wait}}."
RUNNING = f"{AT_ONCE} tests of your organisation are running. Try again in {{wait}}."
BUSY = "The server is running other tests. Try again in a few seconds."
OFF = "Testing connections is switched off on this server (CONNECTION_TESTS=off)."
OFF_RETRY_SECONDS = 3_600

# The account of each test that this process runs.
_running: list[UUID] = []
_lock = threading.Lock()


def off_sentence() -> str | None:
    """The sentence that says that CONNECTION_TESTS is off. None where it is on."""
    return None if settings().connection_tests else OFF


def require_on() -> None:
    """Raise Unavailable if CONNECTION_TESTS is off."""
    if sentence := off_sentence():
        raise Unavailable(sentence, code="tests_off", retry_after=OFF_RETRY_SECONDS)


def startable(actor: Actor) -> int:
    """How many tests this actor can start now, if nobody else runs any."""
    moment = now()
    counted = sa.select(sa.func.count()).where(
        StartedTest.account_id == actor.account_id,
        StartedTest.person == (actor.user_id or actor.token_id),
        StartedTest.started_at.between(moment - WINDOW, moment + WINDOW),
    )
    with db.reading() as connection:
        return max(0, PER_PERSON - (connection.scalar(counted) or 0))


@contextmanager
def place(actor: Actor) -> Iterator[None]:
    """Count one test of this actor while the block runs. The terminal is not limited.

    Raises Unavailable if this process runs as many tests as it may, and Throttled if the person or the account does.
    """
    if actor.door is Door.TERMINAL:
        yield
        return
    test_id = uuid4()
    # While all places are taken, a refusal needs no database.
    _require_places(1)
    with ExitStack() as place_of_process:
        with db.transaction() as session:
            _start(session, actor, test_id)
            # Last, so that only a test that starts takes a place. Without a place, the row is not stored.
            place_of_process.enter_context(_place_of_process(actor.account_id))
        try:
            yield
        finally:
            # Without its end, the row counts until the time limit.
            with suppress(ConsoleError), db.transaction() as session:
                session.execute(sa.update(StartedTest).where(StartedTest.id == test_id).values(ended_at=now()))


@contextmanager
def _place_of_process(account_id: UUID) -> Iterator[None]:
    with _lock:
        # An account that has a place does not take the last one, so no account takes all of them.
        _require_places(2 if account_id in _running else 1)
        _running.append(account_id)
    try:
        yield
    finally:
        with _lock:
            _running.remove(account_id)


def _require_places(number: int) -> None:
    # Tests use fewer than half of the places for requests. The others are for pages.
    places = max(1, (settings().pool_size - 1) // 2)
    if places - len(_running) < number:
        raise Unavailable(BUSY, code="busy", retry_after=int(LIMIT_SECONDS))


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
        raise Throttled(sentence.format(wait=seconds_text(seconds)), retry_after=seconds, code="too_many_tests")
