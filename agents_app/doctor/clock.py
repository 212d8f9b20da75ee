"""The clock of this machine, by which sessions and tokens end: beside the server's, and beside the newest row."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.db import now
from agents_app.doctor.check import Check, ok, problem, warning
from agents_app.models import Account, Event

# What clocks that are set by the network never differ by, and what makes sessions and tokens end at the wrong time.
NOTABLE_S, WRONG_S = 5, 60
# No console is older than its first release.
FIRST_RELEASE = datetime(2026, 1, 1, tzinfo=UTC)
SET_CLOCK = "Let the network set the clock: timedatectl set-ntp true"


def of_server(connection: Connection) -> Iterator[Check]:
    """The clock of this machine beside that of a PostgreSQL server."""
    if connection.dialect.name != "postgresql":
        return
    before = now()
    there: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    yield difference((there - before - (now() - before) / 2).total_seconds())


def difference(seconds: float) -> Check:
    """How many seconds the server is ahead of this machine."""
    code, facts = "clock.server", {"seconds": round(seconds, 1)}
    by = f"{abs(seconds):,.0f} s {'behind' if seconds > 0 else 'ahead of'} the database server's"
    if abs(seconds) > WRONG_S:
        return problem(
            code, f"The clock of this machine is {by}: sessions and tokens end at wrong times.", SET_CLOCK, **facts
        )
    if abs(seconds) > NOTABLE_S:
        return warning(code, f"The clock of this machine is {by}.", SET_CLOCK, **facts)
    return ok(code, "The clocks of this machine and the database server agree.", **facts)


def of_rows(connection: Connection) -> Iterator[Check]:
    """The clock of this machine beside the newest event, which cannot be later."""
    if not sa.inspect(connection).has_table(Event.__tablename__):
        yield _plausible(None)
        return
    # One look into the index for each account: the table may be large.
    newest = sa.select(sa.func.max(Event.created_at)).where(Event.account_id == Account.id).scalar_subquery()
    yield _plausible(
        connection.scalar(sa.select(sa.func.max(newest, type_=Event.created_at.type)).select_from(Account))
    )


def _plausible(newest: datetime | None) -> Check:
    code, present = "clock.rows", now()
    if newest and newest > present + timedelta(seconds=WRONG_S):
        what = f"The newest event is of {newest:%Y-%m-%d %H:%M} UTC, and the clock says {present:%Y-%m-%d %H:%M} UTC."
        return problem(code, f"{what} One of the clocks is or was wrong.", f"Compare with: date -u. {SET_CLOCK}")
    if present < FIRST_RELEASE:
        return problem(code, f"The clock says {present:%Y-%m-%d}, which is before the first release.", SET_CLOCK)
    return ok(code, f"The clock says {present:%Y-%m-%d %H:%M} UTC, and no event is later.")
