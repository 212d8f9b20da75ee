"""Sessions: how one starts and ends, and the limit on wrong passwords."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.errors import NotFound, NotSignedIn, Throttled
from agents_app.models import Event, LoginAttempt, User, UserSession
from agents_app.operations import login_attempts, sessions
from agents_app.operations.permissions import Actor, Visitor
from tests.make import PASSWORD, make_user


@pytest.fixture
def person(app: Flask) -> Actor:
    """A user with a new account."""
    return make_user(app)


def sign_in(email: str, password: str = PASSWORD, address: str | None = None) -> str:
    """Sign in, from a new address unless one is given."""
    return sessions.sign_in(Visitor(address or uuid4().hex, "test"), email, password)


def actor_of(session_id: str) -> Actor:
    """The actor of a session."""
    return sessions.authenticate(Visitor(), session_id)


def fail(email: str, times: int, address: str) -> None:
    """Record this many wrong passwords, without computing hashes."""
    with db.transaction() as session:
        session.add_all(LoginAttempt(login=login_attempts.login_key(email), address=address) for _ in range(times))


@pytest.mark.parametrize("password", ["", " ", PASSWORD + " ", PASSWORD.upper(), "x" * 100_000, "\0", "\ud800"])
def test_a_wrong_password_is_refused(app: Flask, person: Actor, password: str) -> None:
    with pytest.raises(NotSignedIn):
        sign_in(person.email, password)


@pytest.mark.parametrize(
    "email", ["", "nobody@example.org", "%", "' OR 1=1 --", "a\0b@example.org", "\ud800", "x" * 100_000]
)
def test_an_unknown_address_gets_the_answer_of_a_wrong_password(app: Flask, person: Actor, email: str) -> None:
    with pytest.raises(NotSignedIn) as unknown:
        sign_in(email)
    with pytest.raises(NotSignedIn) as wrong:
        sign_in(person.email, "wrong")

    assert unknown.value.detail == wrong.value.detail


def test_a_deactivated_user_is_signed_out_at_once(app: Flask, person: Actor) -> None:
    session_id = sign_in(person.email)
    with db.transaction() as session:
        session.execute(sa.update(User).where(User.id == person.user_id).values(is_active=False))

    with pytest.raises(NotSignedIn):
        actor_of(session_id)
    with pytest.raises(NotSignedIn):
        sign_in(person.email)


def test_after_ten_wrong_passwords_one_address_has_to_wait(app: Flask, person: Actor) -> None:
    fail(person.email, 10, "203.0.113.5")

    with pytest.raises(Throttled) as refusal:
        sign_in(person.email, address="203.0.113.5")

    assert 0 < refusal.value.retry_after <= 15 * 60
    assert actor_of(sign_in(person.email, address="203.0.113.6")).user_id == person.user_id


def test_a_person_is_not_locked_out_by_anonymous_visitors(app: Flask, person: Actor) -> None:
    for number in range(5):
        fail(person.email, 10, f"198.51.100.{number}")

    assert actor_of(sign_in(person.email, address="203.0.113.7")).user_id == person.user_id


def test_many_addresses_with_wrong_passwords_for_one_user_have_to_wait(app: Flask, person: Actor) -> None:
    for number in range(50):
        fail(person.email, 1, f"198.51.100.{number}")

    with pytest.raises(Throttled):
        sign_in(person.email, "wrong", address="198.51.100.3")


def test_one_password_that_is_tried_for_many_users_has_to_wait(app: Flask, person: Actor) -> None:
    with db.transaction() as session:
        for number in range(100):
            login = login_attempts.login_key(f"person{number}@example.org")
            session.add(LoginAttempt(login=login, address="203.0.113.9"))

    with pytest.raises(Throttled):
        sign_in(person.email, address="203.0.113.9")
    assert actor_of(sign_in(person.email, address="203.0.113.10")).user_id == person.user_id


def test_wrong_tokens_do_not_block_sign_in(app: Flask, person: Actor) -> None:
    with db.transaction() as session:
        session.add_all(LoginAttempt(address="203.0.113.11") for _ in range(100))

    assert actor_of(sign_in(person.email, address="203.0.113.11")).user_id == person.user_id


def test_wrong_passwords_no_longer_count_after_fifteen_minutes(app: Flask, person: Actor) -> None:
    fail(person.email, 10, "203.0.113.8")
    with db.transaction() as session:
        mine = sa.update(LoginAttempt).where(LoginAttempt.login == login_attempts.login_key(person.email))
        session.execute(mine.values(created_at=now() - timedelta(minutes=16)))

    assert actor_of(sign_in(person.email, address="203.0.113.8")).user_id == person.user_id


@pytest.mark.parametrize("which", ["idle", "over", "unknown", "signed out"])
def test_a_session_that_ended_is_refused(app: Flask, person: Actor, which: str) -> None:
    session_id = sign_in(person.email)
    mine = sa.update(UserSession).where(UserSession.user_id == person.user_id)
    with db.transaction() as session:
        if which == "idle":
            session.execute(mine.values(last_seen_at=now() - settings().session_idle))
        if which == "over":
            session.execute(mine.values(expires_at=now()))
    if which == "signed out":
        sessions.sign_out(actor_of(session_id), session_id)

    with pytest.raises(NotSignedIn):
        actor_of(session_id if which != "unknown" else session_id[::-1])


def test_a_session_returns_its_actor(app: Flask, person: Actor) -> None:
    found = actor_of(sign_in(f" {person.email.upper()} "))

    assert (found.user_id, found.account_id, found.role) == (person.user_id, person.account_id, person.role)


def test_signing_out_ends_one_session_of_several(app: Flask, person: Actor) -> None:
    first, second = sign_in(person.email), sign_in(person.email)
    sessions.sign_out(actor_of(first), first)

    assert first != second
    assert actor_of(second).user_id == person.user_id


def test_a_session_of_another_user_cannot_be_ended(app: Flask, person: Actor) -> None:
    session_id = sign_in(person.email)
    row_id = sessions.listing(person, session_id)[0]["id"]
    colleague = make_user(app, account_id=person.account_id)

    with pytest.raises(NotFound):
        sessions.end(colleague, row_id)

    assert actor_of(session_id).user_id == person.user_id


def test_the_id_of_a_session_is_stored_as_a_hash(app: Flask, person: Actor) -> None:
    session_id = sign_in(person.email)

    with db.reading() as connection:
        row = connection.execute(sa.select(UserSession.__table__).where(UserSession.user_id == person.user_id)).one()
    assert session_id not in str(row)
    assert len(session_id) >= 43


def test_a_wrong_password_is_an_event_without_what_was_typed(app: Flask, person: Actor) -> None:
    address = uuid4().hex
    with pytest.raises(NotSignedIn):
        sign_in(person.email, "a wrong pass phrase", address=address)

    with db.reading() as connection:
        rows = connection.execute(sa.select(Event.__table__).where(Event.address == address)).all()
    assert [row.action for row in rows] == ["user.sign_in_failed"]
    assert person.email not in str(rows)
    assert "pass phrase" not in str(rows)
