"""Second factors: who gets in with which code, and that no code works twice."""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import (
    CodeNeeded,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    Throttled,
    Unavailable,
)
from agents_app.models import Event, LoginAttempt, RecoveryCode, SecondFactor, UserSession
from agents_app.operations import (
    accounts,
    form_keys,
    half_sessions,
    invitations,
    login_attempts,
    one_time_codes,
    second_factors,
    sessions,
    user_details,
    users,
)
from agents_app.operations.half_sessions import HalfSession
from agents_app.operations.permissions import CODE_COUNTS_FOR, Actor
from agents_app.values.choices import Door, Role, SignInMethod
from tests.make import PASSWORD, make_user
from tests.second_factor import (
    KEY,
    VISITOR,
    code_at,
    confirmed,
    fresh_code,
    half_session_of,
    secret_of,
    session_of,
    set_up,
    stored_id,
)

STEP = timedelta(seconds=one_time_codes.STEP_S)


@pytest.fixture
def person(app: Flask) -> Actor:
    """An admin without a second factor."""
    return make_user(app)


def finish(text: str, code: str, moment: datetime | None = None) -> str:
    return second_factors.finish_sign_in(VISITOR, text, {"code": code}, moment)


def finish_at(actor: Actor, shown: timedelta, moment: datetime) -> str:
    """Sign in at a time with the code that the app shows a while before or after it."""
    return finish(half_session_of(actor), code_at(actor, moment + shown), moment)


def codes_left(actor: Actor) -> int:
    """How many recovery codes a person has left."""
    found = second_factors.state(actor)
    assert found
    return int(found["left"])


def events(actor: Actor) -> list[tuple[str, dict[str, object]]]:
    query = sa.select(Event.action, Event.details).where(Event.account_id == actor.account_id)
    with db.reading() as connection:
        return [(row.action, row.details) for row in connection.execute(query.order_by(Event.created_at, Event.id))]


def actions(actor: Actor) -> list[str]:
    return [action for action, _ in events(actor)]


def rows(model: type, actor: Actor) -> int:
    with db.reading() as connection:
        return (
            connection.scalar(sa.select(sa.func.count()).select_from(model).where(model.user_id == actor.user_id)) or 0
        )


@pytest.mark.parametrize(
    "code", ["", "000000", "12345", "1234567", "abcdef", "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa", "\0", "\ud800"]
)
def test_a_wrong_code_does_not_sign_in_and_is_an_event_without_the_code(person: Actor, code: str) -> None:
    set_up(person)
    half = half_session_of(person)

    with pytest.raises(InvalidInput) as refusal:
        finish(half, code)

    assert refusal.value.fields == [("/code", one_time_codes.WRONG)]
    assert events(person)[-1] == ("user.code_refused", {})
    assert rows(UserSession, person) == 1


@pytest.mark.parametrize("shown", [-2 * STEP, 2 * STEP])
def test_a_code_of_another_time_is_refused(person: Actor, shown: timedelta) -> None:
    set_up(person)
    with pytest.raises(InvalidInput):
        finish_at(person, shown, now() + 10 * STEP - timedelta(minutes=4))


@pytest.mark.parametrize("shown", [-STEP, timedelta(), STEP])
def test_the_clock_of_the_phone_may_differ_by_one_step(person: Actor, shown: timedelta) -> None:
    set_up(person)

    assert finish_at(person, shown, now() + 4 * STEP)


def test_a_code_works_once_and_none_that_is_older_works_after_it(person: Actor) -> None:
    set_up(person)
    moment = now() + 4 * STEP
    finish_at(person, timedelta(), moment)

    for shown in (timedelta(), -STEP):
        with pytest.raises(InvalidInput, match="One field") as refusal:
            finish_at(person, shown, moment)
        assert refusal.value.fields == [("/code", one_time_codes.USED)]
    assert finish_at(person, STEP, moment)


def test_the_code_of_the_set_up_cannot_be_used_to_sign_in(person: Actor) -> None:
    set_up(person)
    moment = now()
    with db.reading() as connection:
        step = connection.scalar(sa.select(SecondFactor.last_step).where(SecondFactor.user_id == person.user_id))
    assert step is not None

    with pytest.raises(InvalidInput):
        finish(half_session_of(person), code_at(person, datetime.fromtimestamp(step * 30, moment.tzinfo)), moment)


def test_a_half_session_works_once(person: Actor) -> None:
    codes = set_up(person)
    half = half_session_of(person)
    finish(half, codes[0])

    with pytest.raises(NotSignedIn, match="Sign in again"):
        finish(half, codes[1])
    assert codes_left(person) == 9


def test_a_half_session_is_kept_while_its_code_is_wrong(person: Actor) -> None:
    codes = set_up(person)
    half = half_session_of(person)
    with pytest.raises(InvalidInput):
        finish(half, "000000")

    assert finish(half, codes[0])


def test_a_half_session_ends_after_five_minutes(person: Actor) -> None:
    codes = set_up(person)
    half = half_session_of(person)

    with pytest.raises(NotSignedIn, match="five minutes"):
        finish(half, codes[0], now() + half_sessions.LASTS_FOR + timedelta(seconds=2))


@pytest.mark.parametrize("change", ["password", "deactivated", "removed", "deleted"])
def test_a_half_session_ends_with_the_password_the_factor_and_the_person(
    app: Flask, person: Actor, change: str
) -> None:
    operator = Actor(person.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
    make_user(app, account_id=person.account_id)
    codes = set_up(person)
    half, user_id = half_session_of(person), stored_id(person)
    if change == "password":
        code = invitations.make_reset_link(operator, user_id)
        invitations.choose_password(VISITOR, code, {"password": "another long pass phrase"})
    elif change == "removed":
        second_factors.reset(operator, user_id)
    else:
        {"deactivated": users.deactivate, "deleted": users.delete}[change](operator, user_id)

    with pytest.raises(NotSignedIn):
        finish(half, codes[0])


@pytest.mark.parametrize("part", range(5))
def test_a_half_session_that_was_changed_is_refused(app: Flask, person: Actor, part: int) -> None:
    codes = set_up(person)
    other = make_user(app, account_id=person.account_id)
    parts = half_session_of(person).split(" ")
    parts[part] = [str(stored_id(person)), str(other.user_id), str(int(parts[2]) + 1), "provider", "A" * 43][part]

    with pytest.raises(NotSignedIn):
        finish(" ".join(parts), codes[0])
    assert rows(UserSession, other) == 0


@pytest.mark.parametrize("text", ["", "x", "a b c d e", f"{'0' * 32} {'0' * 32} {10**30} password x"])
def test_another_text_is_no_half_session(app: Flask, text: str) -> None:
    with pytest.raises(NotSignedIn):
        finish(text, "000000")


def test_wrong_codes_are_counted_by_person_in_all_browsers_and_from_all_addresses(person: Actor) -> None:
    codes = set_up(person)
    halves = [half_session_of(person) for _ in range(3)]
    for number in range(login_attempts.PER_USER_AND_ADDRESS):
        other = replace(VISITOR, address=f"198.51.100.{number}")
        with pytest.raises(InvalidInput):
            second_factors.finish_sign_in(other, halves[number % 3], {"code": "000000"})

    with pytest.raises(Throttled, match="Too many wrong codes"):
        finish(halves[0], codes[0])
    with pytest.raises(Throttled):
        second_factors.confirm(confirmed(person), "x", {"code": codes[0]})


def test_right_codes_are_not_counted(person: Actor) -> None:
    codes = set_up(person)
    for code in codes:
        finish(half_session_of(person), code)
    with db.reading() as connection:
        key = login_attempts.login_key(f"code of {person.user_id}")
        assert connection.scalar(sa.select(sa.func.count()).where(LoginAttempt.login == key)) == 0


def test_a_password_without_its_code_counts_as_a_wrong_password(person: Actor) -> None:
    set_up(person)
    for _ in range(login_attempts.PER_USER_AND_ADDRESS):
        half_session_of(person)

    with pytest.raises(Throttled, match="wrong passwords"):
        half_session_of(person)


def test_a_recovery_code_works_once_and_the_event_says_how_many_are_left(person: Actor) -> None:
    first, second, *_ = set_up(person)
    finish(half_session_of(person), f"  {first.upper().replace('-', ' ').replace('O', '0').replace('L', '1')} ")

    with pytest.raises(InvalidInput):
        finish(half_session_of(person), first)
    finish(half_session_of(person), second)
    used = [details for action, details in events(person) if action == "user.recovery_code_used"]
    assert used == [{"left": 9}, {"left": 8}]


def test_a_recovery_code_has_120_random_bits(person: Actor) -> None:
    codes = set_up(person)

    assert len(set(codes)) == one_time_codes.RECOVERY_CODES
    assert {len(base64.b32decode(code.replace("-", "").upper())) * 8 for code in codes} == {120}


def test_a_recovery_code_of_another_person_is_refused(app: Flask, person: Actor) -> None:
    set_up(person)
    other = make_user(app, account_id=person.account_id)
    code = set_up(other)[0]

    with pytest.raises(InvalidInput):
        finish(half_session_of(person), code)


def test_new_recovery_codes_replace_the_earlier_ones(person: Actor) -> None:
    old = set_up(person)
    new = second_factors.make_recovery_codes(confirmed(person))

    assert len({*old, *new}) == 2 * one_time_codes.RECOVERY_CODES
    with pytest.raises(InvalidInput):
        finish(half_session_of(person), old[0])
    assert finish(half_session_of(person), new[0])
    assert "user.recovery_codes_made" in actions(person)


def test_a_code_may_have_spaces_and_digits_of_other_widths(person: Actor) -> None:
    set_up(person)
    code = fresh_code(person)
    wide = "".join(chr(ord("0") + int(digit)) for digit in code)

    assert finish(half_session_of(person), f" {wide[:3]} {wide[3:]}\n")


def at_once(app: Flask, *acts: Callable[[], object]) -> list[object]:
    """What each of these returns, or the class of its refusal, when they run at the same time."""

    def run(act: Callable[[], object]) -> object:
        with app.app_context():
            try:
                return act()
            except (InvalidInput, NotSignedIn, Conflict) as refusal:
                return type(refusal)

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_of_two_requests_with_one_code_at_the_same_time_one_signs_in(app: Flask, person: Actor) -> None:
    set_up(person)
    halves, code = [half_session_of(person) for _ in range(4)], fresh_code(person)

    ended = at_once(app, *(partial(finish, half, code) for half in halves))

    assert ended.count(InvalidInput) == 3


def test_of_two_requests_with_one_recovery_code_at_the_same_time_one_signs_in(app: Flask, person: Actor) -> None:
    code = set_up(person)[0]
    halves = [half_session_of(person) for _ in range(4)]

    ended = at_once(app, *(partial(finish, half, code) for half in halves))

    assert ended.count(InvalidInput) == 3


def test_of_two_requests_with_one_half_session_at_the_same_time_one_signs_in(app: Flask, person: Actor) -> None:
    codes, half = set_up(person), half_session_of(person)

    ended = at_once(app, *(partial(finish, half, code) for code in codes[:4]))

    assert ended.count(NotSignedIn) == 3
    assert codes_left(person) == 9


def test_of_two_set_ups_at_the_same_time_one_is_stored(app: Flask, person: Actor) -> None:
    session_id, code = session_of(person), code_at(person, now())
    values = {"current_password": PASSWORD, "code": code}

    ended = at_once(app, *(lambda: second_factors.set_up(person, session_id, KEY, values),) * 3)

    assert ended.count(Conflict) == 2
    assert rows(RecoveryCode, person) == one_time_codes.RECOVERY_CODES


@pytest.mark.parametrize("wrong", [{"current_password": "wrong"}, {"code": "000000"}, {"code": None}, {"code": 7}])
def test_a_set_up_with_a_wrong_password_or_code_stores_nothing(person: Actor, wrong: dict[str, object]) -> None:
    session_id = session_of(person)
    values = {"current_password": PASSWORD, "code": code_at(person, now()), **wrong}

    with pytest.raises(InvalidInput) as refusal:
        second_factors.set_up(person, session_id, KEY, values)

    assert [pointer for pointer, _ in refusal.value.fields] == [f"/{name}" for name in wrong]
    assert (rows(SecondFactor, person), rows(RecoveryCode, person)) == (0, 0)
    assert isinstance(sessions.sign_in(VISITOR, person.email, PASSWORD), str)


def test_a_second_set_up_is_refused(person: Actor) -> None:
    set_up(person)
    with pytest.raises(Conflict, match="already"):
        second_factors.set_up(person, "x", KEY, {"current_password": PASSWORD, "code": fresh_code(person)})


def test_a_set_up_in_a_session_of_the_provider_is_refused(person: Actor) -> None:
    by_provider = replace(person, method=SignInMethod.PROVIDER)
    with pytest.raises(Conflict, match="organisation"):
        second_factors.set_up(by_provider, "x", KEY, {"current_password": PASSWORD, "code": code_at(person, now())})


def test_a_set_up_ends_other_sessions_and_counts_as_confirmed_in_this_one(person: Actor) -> None:
    here, there = session_of(person), session_of(person)
    set_up(person, here)

    actor = sessions.authenticate(VISITOR, here)
    assert actor.has_second_factor
    assert actor.confirmed_at is not None
    actor.require_recent_code()
    with pytest.raises(NotSignedIn):
        sessions.authenticate(VISITOR, there)


def test_the_secret_and_the_codes_are_not_stored_in_clear(person: Actor) -> None:
    codes = set_up(person)
    with db.reading() as connection:
        stored = str(connection.execute(sa.select(SecondFactor.secret)).all())
        stored += str(connection.execute(sa.select(RecoveryCode)).all()) + str(
            connection.execute(sa.select(Event)).all()
        )

    for text in (secret_of(person), *codes, *(code.replace("-", "") for code in codes)):
        assert text not in stored


def test_the_secret_of_one_person_cannot_be_used_for_another(app: Flask, person: Actor) -> None:
    other = make_user(app, account_id=person.account_id)
    set_up(person)
    set_up(other)
    with db.transaction() as session:
        secret = session.scalar(sa.select(SecondFactor.secret).where(SecondFactor.user_id == person.user_id))
        session.execute(sa.update(SecondFactor).where(SecondFactor.user_id == other.user_id).values(secret=secret))
    code = fresh_code(person)
    half = half_session_of(other)

    # What could not be checked is no wrong code: recovery codes work after it.
    for _ in range(11):
        with pytest.raises(Unavailable, match="ENCRYPTION_KEYS"):
            finish(half, code)


def test_two_pages_of_set_up_offer_different_secrets(app: Flask, person: Actor) -> None:
    other = make_user(app)
    offered = {second_factors.offered_secret(actor, form_keys.new()) for actor in (person, person, other)}

    assert len(offered | {second_factors.offered_secret(other, KEY), second_factors.offered_secret(person, KEY)}) == 5


@pytest.mark.parametrize("method", [SignInMethod.PASSWORD, SignInMethod.LINK])
def test_a_reset_link_does_not_replace_the_code(person: Actor, method: SignInMethod) -> None:
    codes = set_up(person)
    terminal = Actor(person.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
    maker = terminal if method is SignInMethod.LINK else confirmed(person)
    code = invitations.make_reset_link(maker, stored_id(person))

    started = invitations.choose_password(VISITOR, code, {"password": "another long pass phrase"})

    assert isinstance(started, HalfSession)
    assert rows(UserSession, person) == 0
    assert sessions.authenticate(VISITOR, finish(started.text, codes[0])).has_second_factor


def test_a_removal_needs_the_password_and_a_code(person: Actor) -> None:
    here = session_of(person)
    code = set_up(person, here)[0]
    for wrong in ({"current_password": "wrong", "code": code}, {"current_password": PASSWORD, "code": "000000"}, {}):
        with pytest.raises(InvalidInput):
            second_factors.remove(person, here, wrong)
    assert rows(SecondFactor, person) == 1

    second_factors.remove(person, here, {"current_password": PASSWORD, "code": code})

    assert (rows(SecondFactor, person), rows(RecoveryCode, person)) == (0, 0)
    assert actions(person)[-1] == "user.second_factor_removed"
    assert isinstance(sessions.sign_in(VISITOR, person.email, PASSWORD), str)
    with pytest.raises(Conflict):
        second_factors.remove(person, here, {"current_password": PASSWORD, "code": code})


def test_only_an_admin_of_the_account_removes_the_factor_of_another_person(app: Flask, person: Actor) -> None:
    set_up(person)
    user_id = stored_id(person)
    with pytest.raises(Forbidden):
        second_factors.reset(make_user(app, "editor", person.account_id), user_id)
    with pytest.raises(NotFound):
        second_factors.reset(make_user(app), user_id)
    with pytest.raises(Conflict, match="on your profile"):
        second_factors.reset(confirmed(person), user_id)
    admin = make_user(app, account_id=person.account_id)

    assert [second_factors.reset(admin, user_id), second_factors.reset(admin, user_id)] == [True, False]
    assert actions(person)[-1] == "user.second_factor_reset"
    assert rows(UserSession, person) == 0


def test_changes_of_access_need_a_code_of_the_last_ten_minutes(person: Actor) -> None:
    old = now() - CODE_COUNTS_FOR - timedelta(seconds=1)
    for actor in (replace(person, has_second_factor=True), confirmed(person, old)):
        with pytest.raises(CodeNeeded):
            actor.require_to_change("users.manage")
        with pytest.raises(CodeNeeded):
            user_details.change_password(actor, "x", {})
        with pytest.raises(CodeNeeded):
            accounts.rename(actor, {"name": "Other"})
    for actor in (person, confirmed(person, old + timedelta(minutes=1))):
        actor.require_to_change("users.manage")


def test_a_code_confirms_one_session_for_ten_minutes(person: Actor) -> None:
    codes = set_up(person)
    here, there = finish(half_session_of(person), codes[0]), finish(half_session_of(person), codes[1])
    with db.transaction() as session:
        session.execute(sa.update(UserSession).where(UserSession.user_id == person.user_id).values(confirmed_at=None))
    with pytest.raises(InvalidInput):
        second_factors.confirm(sessions.authenticate(VISITOR, here), here, {"code": "000000"})

    second_factors.confirm(sessions.authenticate(VISITOR, here), here, {"code": codes[2]})

    sessions.authenticate(VISITOR, here).require_recent_code()
    with pytest.raises(CodeNeeded):
        sessions.authenticate(VISITOR, there).require_recent_code()
    assert actions(person)[-1] == "user.code_given"


def test_the_account_requires_a_factor_only_when_its_admin_has_one(app: Flask, person: Actor) -> None:
    with pytest.raises(Conflict, match="your own second factor first"):
        accounts.require_second_factor(person, is_required=True)
    with pytest.raises(Forbidden):
        accounts.require_second_factor(make_user(app, "editor", person.account_id), is_required=True)
    assert not accounts.requires_second_factor(person)
    set_up(person)

    assert accounts.require_second_factor(confirmed(person), is_required=True)
    assert not accounts.require_second_factor(confirmed(person), is_required=True)
    assert accounts.require_second_factor(confirmed(person), is_required=False)
    names = [name for name in actions(person) if name.startswith("account.")]
    assert names == ["account.second_factor_required", "account.second_factor_optional"]


@pytest.mark.parametrize("method", [SignInMethod.PASSWORD, SignInMethod.LINK])
def test_a_required_factor_is_required_in_every_open_session(app: Flask, person: Actor, method: SignInMethod) -> None:
    here = session_of(person)
    with db.transaction() as session:
        session.execute(sa.update(UserSession).where(UserSession.user_id == person.user_id).values(method=method))
    accounts.require_second_factor(Actor(person.account_id, "root", Door.TERMINAL, role=Role.ADMIN), is_required=True)

    assert sessions.authenticate(VISITOR, here).must_set_up_second_factor
    set_up(person, here)
    actor = sessions.authenticate(VISITOR, here)
    assert (actor.must_set_up_second_factor, actor.has_second_factor) == (False, True)
