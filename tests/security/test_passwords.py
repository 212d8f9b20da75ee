"""Which passwords are accepted, how they are stored, and how forms ask for them."""

import re
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa
from argon2 import extract_parameters
from flask import Flask

from agents_app.db import db
from agents_app.errors import InvalidInput, NotSignedIn
from agents_app.models import User
from agents_app.operations import accounts, invitations, passwords, sessions, user_details
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas.users import PasswordValues
from agents_app.values.fields import parse
from tests.conftest import OpenConsole
from tests.make import PASSWORD, make_user
from tests.security.conftest import Caller

FROM_HERE = Visitor("198.51.100.78")
REFUSED = {
    "eleven characters": "aB3$xyzwvut",
    "too long": "x1" * 513,
    "digits": "314159265358979",
    "one piece repeated": "abcdefabcdefabcdef",
    "few characters": "aabbaabbaabbab",
    "a common word with digits": "Password123456!",
    "signs in place of letters": "P@ssw0rd1234",
    "digits among the letters": "1q2w3e4r5t6y",
    "a common word twice": "adminadmin12",
    "a word of another language": "Motdepasse2026",
    "a common sentence": "correct horse battery staple",
    "the product": "Agent-Console-2026",
    "U+0000": "a long pass\0phrase",
    "half a pair": "a long pass \ud83d phrase",
}
TAKEN = {
    "letters alone": "plumkettlewindow",
    "spaces": "  seven brown  birds ",
    "no letters": "%&/()=?!#+*~'-_.:,;<>|^",
    "other scripts": "пароль из слов 名前 😀",
    "64 characters": "quiet lamp " * 5 + "and a door",
    "1 024 characters": "river stone 7 " * 73 + "ab",
}


@pytest.mark.parametrize("password", REFUSED.values(), ids=REFUSED)
def test_a_common_password_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput):
        parse(PasswordValues, {"password": password})


ADA = {"name": "Augusta Ada King", "email": "countess.lovelace@example.org"}
HER_OWN = {
    "name": "Augusta Ada King",
    "name in capitals": "AUGUSTA ADA KING",
    "name in one word": "augustaadaking",
    "name in wide letters": "\uff21ugusta Ada King",
    "address": "Countess.Lovelace@example.org",
    "address with spaces around": " countess.lovelace@example.org ",
    "address before the @": "countess.lovelace",
}


def _set_up(app: Flask, password: str) -> object:
    return accounts.claim(FROM_HERE, {"account_name": "Apex", **ADA, "password": password}, "")


def _at_the_terminal(app: Flask, password: str) -> object:
    return accounts.create({"account_name": "Apex", **ADA, "password": password})


def _by_joining(app: Flask, password: str) -> object:
    code = invitations.invite(make_user(app), {"role": "viewer"})
    return invitations.join(FROM_HERE, code, {**ADA, "password": password})


def _by_a_link(app: Flask, password: str) -> object:
    admin = make_user(app)
    code = invitations.make_reset_link(admin, make_her(app, admin))
    return invitations.choose_password(FROM_HERE, code, {"password": password})


def _in_the_profile(app: Flask, password: str) -> object:
    admin = make_user(app)
    her = replace(admin, user_id=make_her(app, admin), **ADA)
    return user_details.change_password(her, "", {"current_password": PASSWORD, "password": password})


def make_her(app: Flask, admin: Actor) -> UUID:
    """The person of ADA, in the account of this admin."""
    with db.transaction() as session:
        session.execute(sa.delete(User).where(User.email == ADA["email"]))
    found = make_user(app, "viewer", admin.account_id, **ADA).user_id
    assert found is not None
    return found


DOORS = [_set_up, _at_the_terminal, _by_joining, _by_a_link, _in_the_profile]


@pytest.mark.parametrize("password", HER_OWN.values(), ids=HER_OWN)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__.strip("_"))
def test_every_door_refuses_the_persons_own_name_or_address_as_password(
    console: Flask,
    open_console: OpenConsole,
    sqlite_schema_url: str,
    door: Callable[[Flask, str], object],
    password: str,
) -> None:
    app = open_console(sqlite_schema_url) if door is _set_up else console

    with app.app_context(), pytest.raises(InvalidInput) as refusal:
        door(app, password)

    assert refusal.value.fields == [("/password", "The password must not be your name or your email address.")]


@pytest.mark.parametrize("password", TAKEN.values(), ids=TAKEN)
def test_any_other_password_is_accepted_unchanged(password: str) -> None:
    assert parse(PasswordValues, {"password": password}).password == password


@pytest.mark.parametrize("password", list(TAKEN.values())[-2:], ids=list(TAKEN)[-2:])
def test_every_character_of_a_password_counts(console: Flask, admin: Actor, password: str) -> None:
    where = Visitor("198.51.100.77")
    with console.app_context():
        assert admin.user_id is not None
        code = invitations.make_reset_link(admin, admin.user_id)
        invitations.choose_password(where, code, {"password": password})

        for wrong in (password[:-1], password + " ", password.upper(), password[:60]):
            with pytest.raises(NotSignedIn):
                sessions.sign_in(where, admin.email, wrong)
        assert sessions.sign_in(where, admin.email, password)


def test_a_password_is_stored_as_argon2id_with_the_recommended_cost() -> None:
    kept = passwords.hash_password(PASSWORD)

    found = extract_parameters(kept)
    assert kept.startswith("$argon2id$")
    assert (found.memory_cost, found.time_cost, found.parallelism) >= (19_456, 2, 1)
    assert kept != passwords.hash_password(PASSWORD)


@pytest.mark.parametrize("path", ["/sign-in", "/profile", "/join", "/reset"])
def test_forms_hide_a_password_and_support_password_managers(console: Flask, admin: Actor, path: str) -> None:
    with console.app_context():
        assert admin.user_id is not None
        code = invitations.invite(admin, {"role": "viewer"}) if path == "/join" else ""
        code = invitations.make_reset_link(admin, admin.user_id) if path == "/reset" else code
    caller = Caller(console, admin if path == "/profile" else None)

    page = caller.ask("GET", path, query_string={"code": code}).text

    inputs = re.findall(r'<input[^>]*name="(?:current_)?password"[^>]*>', page)
    assert inputs
    for one in inputs:
        assert 'type="password"' in one
        assert re.search(r'autocomplete="(new|current)-password"', one)
        assert "onpaste" not in one
        assert "readonly" not in one
