"""Sign-in, its limit and sessions are shared by all processes, and the limit holds for concurrent attempts."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import InvalidInput, NotSignedIn, Throttled
from agents_app.models import LoginAttempt, User, UserSession
from agents_app.operations import login_attempts, passwords, sessions, user_details, users
from agents_app.operations.permissions import Actor, Visitor
from tests.conftest import OpenConsole
from tests.make import PASSWORD, make_user

WRONG = "not the pass phrase 27"


@pytest.fixture
def ada(app: Flask) -> Actor:
    """A user of a new account with the password PASSWORD."""
    return make_user(app)


@pytest.fixture
def address() -> str:
    """An address that no other test uses."""
    number = uuid4().int
    return f"10.{number % 250}.{number // 250 % 250}.{number // 62_500 % 250}"


@pytest.fixture
def other(app: Flask, open_console: OpenConsole) -> Flask:
    """The console in another process: another app on the same database."""
    return open_console(app.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False))


class Hasher(PasswordHasher):
    """A hasher that calls a function after each check."""

    def __init__(self, callback: Callable[[], object]) -> None:
        super().__init__(time_cost=2, memory_cost=19_456, parallelism=1)
        self.callback = callback

    def verify(self, *given: Any) -> Any:
        """Check, then call the function."""
        try:
            return super().verify(*given)
        finally:
            self.callback()


def sign_in(email: str, password: str = PASSWORD, address: str = "192.0.2.1") -> str:
    return sessions.sign_in(Visitor(address, "test"), email, password)


def is_signed_in(session_id: str) -> bool:
    try:
        sessions.authenticate(Visitor(), session_id)
    except NotSignedIn:
        return False
    return True


def add_guesses(email: str, address: str, number: int) -> None:
    """Add the rows of this many wrong passwords."""
    with db.transaction() as session:
        session.add_all(LoginAttempt(login=login_attempts.login_key(email), address=address) for _ in range(number))


def change(statement: Any) -> None:
    with db.transaction() as session:
        session.execute(statement)


def stored(actor: Actor) -> str:
    with db.reading() as connection:
        return str(connection.scalar(sa.select(User.password_hash).where(User.id == actor.user_id)))


def test_after_ten_wrong_passwords_from_one_address_the_correct_one_has_to_wait(ada: Actor, address: str) -> None:
    for _ in range(10):
        with pytest.raises(NotSignedIn) as refusal:
            sign_in(ada.email, WRONG, address)
        assert refusal.value.detail == "The email address or the password is wrong."

    for spelling in (ada.email, f" {ada.email.upper()} "):
        with pytest.raises(Throttled) as throttled:
            sign_in(spelling, PASSWORD, address)
        assert 14 * 60 < throttled.value.retry_after <= 15 * 60 + 1


def test_after_fifty_wrong_passwords_from_all_addresses_one_more_blocks_an_address(ada: Actor, address: str) -> None:
    add_guesses(ada.email, "203.0.113.7", 49)
    with pytest.raises(NotSignedIn):
        sign_in(ada.email, WRONG, address)

    with pytest.raises(Throttled):
        sign_in(ada.email, PASSWORD, address)


def test_correct_passwords_and_refused_attempts_are_not_counted(ada: Actor, address: str) -> None:
    add_guesses(ada.email, address, 9)
    for _ in range(3):
        sign_in(ada.email, PASSWORD, address)
    add_guesses(ada.email, address, 1)
    for _ in range(3):
        with pytest.raises(Throttled):
            sign_in(ada.email, PASSWORD, address)

    with db.reading() as connection:
        mine = sa.select(sa.func.count()).where(LoginAttempt.login == login_attempts.login_key(ada.email))
        assert connection.scalar(mine) == 10


def test_concurrent_attempts_do_not_exceed_the_limit(app: Flask, ada: Actor, address: str) -> None:
    add_guesses(ada.email, address, 7)
    start, refusals = threading.Barrier(8), []

    def guess() -> None:
        with app.app_context():
            start.wait()
            try:
                sign_in(ada.email, WRONG, address)
            except (NotSignedIn, Throttled) as refusal:
                refusals.append(type(refusal))

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refusals) == 8
    assert refusals.count(NotSignedIn) <= 3


def test_the_throttle_survives_a_restart_and_holds_in_every_process(ada: Actor, other: Flask, address: str) -> None:
    add_guesses(ada.email, address, 9)
    with pytest.raises(NotSignedIn):
        sign_in(ada.email, WRONG, address)

    with other.app_context(), pytest.raises(Throttled):
        sign_in(ada.email, PASSWORD, address)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_all_addresses_of_an_ipv6_network_count_as_one(address: str, source: str) -> None:
    assert login_attempts.network_of(address) == source


def test_another_address_of_the_same_ipv6_network_has_the_same_limit(ada: Actor) -> None:
    add_guesses(ada.email, "2001:db8:1:2::/64", 9)
    with pytest.raises(NotSignedIn):
        sign_in(ada.email, WRONG, "2001:db8:1:2::1")

    with pytest.raises(Throttled):
        sign_in(ada.email, WRONG, "2001:db8:1:2::2")


def test_the_limit_on_wrong_passwords_applies_to_the_profile_page(ada: Actor, address: str) -> None:
    here = Actor(ada.account_id, ada.name, ada.door, user_id=ada.user_id, email=ada.email, visitor=Visitor(address))
    add_guesses(ada.email, address, 9)
    values = {"current_password": WRONG, "password": "another-quiet-4-river"}
    with pytest.raises(InvalidInput):
        user_details.change_password(here, "", values)

    with pytest.raises(Throttled):
        user_details.change_password(here, "", {**values, "current_password": PASSWORD})


def test_an_unknown_address_also_costs_one_password_check(
    ada: Actor, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    monkeypatch.setattr(passwords, "HASHER", Hasher(lambda: looks.append(True)))

    for email in (ada.email, f"{uuid4().hex}@nowhere.example"):
        with pytest.raises(NotSignedIn) as refusal:
            sign_in(email, WRONG, address)
        assert refusal.value.detail == "The email address or the password is wrong."

    assert len(looks) == 2


def test_a_password_that_is_changed_during_its_check_starts_no_session(
    ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = passwords.hash_password("another-quiet-4-river")
    mine = sa.update(User).where(User.id == ada.user_id).values(password_hash=fresh)
    monkeypatch.setattr(passwords, "HASHER", Hasher(lambda: change(mine)))

    with pytest.raises(NotSignedIn):
        sign_in(ada.email)

    with db.reading() as connection:
        assert connection.scalar(sa.select(UserSession.id).where(UserSession.user_id == ada.user_id)) is None


def test_a_hash_of_older_strength_is_replaced_at_sign_in(app: Flask) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1_024, parallelism=1).hash(PASSWORD)
    ada = make_user(app, password_hash=weak)

    with pytest.raises(NotSignedIn):
        sign_in(ada.email, WRONG)
    assert stored(ada) == weak
    sign_in(ada.email)

    assert not passwords.needs_rehash(stored(ada))
    assert is_signed_in(sign_in(ada.email))


def test_a_session_lasts_at_most_twelve_hours_even_if_it_is_used(ada: Actor) -> None:
    session_id = sign_in(ada.email)

    (row,) = sessions.listing(ada, session_id)
    with db.reading() as connection:
        ends = connection.scalar(sa.select(UserSession.expires_at).where(UserSession.id == row["id"]))

    assert timedelta(hours=12) - timedelta(minutes=1) < ends - row["created_at"] <= timedelta(hours=12, seconds=1)


def test_last_seen_is_written_once_a_minute(ada: Actor) -> None:
    session_id = sign_in(ada.email)
    mine = sa.update(UserSession).where(UserSession.user_id == ada.user_id)
    for ago, is_written in ((50, False), (70, True)):
        before = now() - timedelta(seconds=ago)
        change(mine.values(last_seen_at=before))

        assert is_signed_in(session_id)

        assert (sessions.listing(ada, session_id)[0]["last_seen_at"] > before) is is_written


def test_a_session_that_ends_in_one_process_ends_in_all(app: Flask, ada: Actor, other: Flask) -> None:
    admin = make_user(app, account_id=ada.account_id)
    acts: list[Callable[[str], object]] = [
        lambda session_id: sessions.sign_out(ada, session_id),
        lambda session_id: sessions.end(ada, sessions.listing(ada, session_id)[0]["id"]),
        lambda _: users.change_role(admin, ada.user_id, {"role": "viewer"}),
        lambda _: users.deactivate(admin, ada.user_id),
    ]
    for act in acts:
        session_id = sign_in(ada.email)
        with other.app_context():
            assert is_signed_in(session_id)

        act(session_id)

        with other.app_context():
            assert not is_signed_in(session_id)
