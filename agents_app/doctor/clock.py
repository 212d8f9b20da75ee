"""Compares the clock of this machine with the database server's clock and with the newest event."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.db import now
from agents_app.doctor.check import Check, ok, problem, warning
from agents_app.models import Account, Event

# Clocks that are set by the network differ by less than the first. More than the second makes sessions and tokens
# expire at the wrong time.
WARNING_S, PROBLEM_S = 5, 60
# An earlier time than this is wrong.
FIRST_RELEASE = datetime(2026, 1, 1, tzinfo=UTC)
SET_CLOCK = "Set the clock by the network: timedatectl set-ntp true"


def compare_with_server(connection: Connection) -> Iterator[Check]:
    """Compare the clock with that of a PostgreSQL server."""
    if connection.dialect.name != "postgresql":
        return
    before = now()
    server_time: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    yield check_difference((server_time - before - (now() - before) / 2).total_seconds())


def check_difference(seconds: float) -> Check:
    """Check by how many seconds the server is ahead of this machine."""
    code, facts = "clock.server", {"seconds": round(seconds, 1)}
    by = f"{abs(seconds):,.0f} s {'behind' if seconds > 0 else 'ahead of'} the database server's"
    if abs(seconds) > PROBLEM_S:
        return problem(
            code,
            f"The clock of this machine is {by}: sessions and tokens expire at the wrong time.",
            SET_CLOCK,
            **facts,
        )
    if abs(seconds) > WARNING_S:
        return warning(code, f"The clock of this machine is {by}.", SET_CLOCK, **facts)
    return ok(code, "The clocks of this machine and the database server agree.", **facts)


def compare_with_events(connection: Connection) -> Iterator[Check]:
    """Compare the clock with the newest event, which cannot be later."""
    if not sa.inspect(connection).has_table(Event.__tablename__):
        yield _check_present(None)
        return
    # One index lookup per account, because the table can be large.
    newest = sa.select(sa.func.max(Event.created_at)).where(Event.account_id == Account.id).scalar_subquery()
    yield _check_present(
        connection.scalar(sa.select(sa.func.max(newest, type_=Event.created_at.type)).select_from(Account))
    )


def _check_present(newest: datetime | None) -> Check:
    code, present = "clock.rows", now()
    if newest and newest > present + timedelta(seconds=PROBLEM_S):
        newest_text, clock_text = f"{newest:%Y-%m-%d %H:%M}", f"{present:%Y-%m-%d %H:%M}"
        what = f"The newest event has the time {newest_text} UTC, but the clock shows {clock_text} UTC."
        return problem(
            code,
            f"{what} The clock is wrong now, or was wrong when the event was recorded.",
            f"Compare with: date -u. {SET_CLOCK}",
        )
    if present < FIRST_RELEASE:
        return problem(code, f"The clock says {present:%Y-%m-%d}, which is before the first release.", SET_CLOCK)
    return ok(code, f"The clock says {present:%Y-%m-%d %H:%M} UTC, and no event is later.")
