"""Two requests with the key of one form make one record, and show its secret text again only for a short time."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import Conflict, Forbidden, NotFound, Repeated, Throttled
from agents_app.models import ApiToken, Event, Invitation, User, UserSession
from agents_app.operations import (
    accounts,
    form_keys,
    invitation_records,
    invitations,
    session_records,
    sessions,
    tokens,
    users,
)
from agents_app.operations.permissions import Actor, Visitor
from tests.conftest import OpenConsole
from tests.make import KEYS, PASSWORD, make_user

KEY = "the key of one form"
TOKEN = {"name": "ci", "scopes": ["write"], "agent_ids": []}
NEW_PASSWORD = "another-quiet-4-river"


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


@pytest.fixture
def person(app: Flask, admin: Actor) -> Actor:
    """Another user of the account."""
    return make_user(app, "viewer", admin.account_id)


def visitor() -> Visitor:
    """A visitor with a new address, so that wrong passwords of one test do not count in another."""
    return Visitor(uuid4().hex, "test")


def newcomer(**changes: str) -> dict[str, str]:
    """The values of the form to join."""
    return {"name": "Grace", "email": f"{uuid4().hex}@example.org", "password": PASSWORD, **changes}


def make_token(actor: Actor, key: str = KEY, **changes: Any) -> str:
    return tokens.create(actor, TOKEN | changes, key=key)[1]


def invite(actor: Actor, key: str = KEY, role: str = "viewer") -> str:
    return invitations.invite(actor, {"role": role}, key)


def count(model: Any, actor: Actor, *which: Any) -> int:
    """The number of rows of an account."""
    with db.reading() as connection:
        found = sa.select(sa.func.count()).select_from(model).where(model.account_id == actor.account_id, *which)
        return connection.scalar(found) or 0


def events_of(actor: Actor, action: str) -> int:
    return count(Event, actor, Event.action == action)


def at_once(app: Flask, act: Callable[[], Any]) -> list[Any]:
    """The answers to four concurrent requests."""
    answers: list[Any] = []
    together = threading.Barrier(4)

    def ask() -> None:
        with app.app_context():
            together.wait()
            answers.append(act())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(answers) == 4
    return answers


@pytest.mark.parametrize("changes", [{"name": "other"}, {"scopes": ["read"]}, {"expires_in_days": 7}], ids=str)
def test_a_form_with_other_content_makes_and_shows_no_token(app: Flask, admin: Actor, changes: dict[str, Any]) -> None:
    make_token(admin)

    with pytest.raises(Repeated) as refusal:
        make_token(admin, **changes)

    assert refusal.value.detail == "This form already created a token with other values."
    assert count(ApiToken, admin) == 1


def test_a_form_with_another_role_or_for_another_person_makes_and_shows_no_link(
    app: Flask, admin: Actor, person: Actor
) -> None:
    invite(admin)

    for act in (lambda: invite(admin, role="admin"), lambda: invitations.make_reset_link(admin, person.user_id, KEY)):
        with pytest.raises(Repeated) as refusal:
            act()
        assert refusal.value.detail == "This form already created a link with other values."
    assert count(Invitation, admin) == 1


def test_a_revoked_token_is_not_shown_again_and_stays_revoked(app: Flask, admin: Actor) -> None:
    text = make_token(admin)
    tokens.revoke(admin, tokens.listing(admin)[0]["id"])

    with pytest.raises(Repeated) as refusal:
        make_token(admin)

    assert refusal.value.detail == "This form already created a token, which is no longer valid."
    assert (tokens.listing(admin), count(ApiToken, admin)) == ([], 1)
    assert text


def end_by_withdrawing(admin: Actor, _code: str) -> None:
    invitations.withdraw(admin, invitations.listing(admin)[0]["id"])


def end_by_joining(_admin: Actor, code: str) -> None:
    invitations.join(visitor(), code, newcomer())


@pytest.mark.parametrize("end", [end_by_withdrawing, end_by_joining])
def test_a_link_to_join_that_has_ended_is_neither_shown_again_nor_made_again(
    app: Flask, admin: Actor, end: Callable[[Actor, str], None]
) -> None:
    code = invite(admin)
    end(admin, code)

    with pytest.raises(Repeated) as refusal:
        invite(admin)

    assert refusal.value.detail == "This form already created a link, which is no longer valid."
    assert invitations.listing(admin) == []
    with pytest.raises(NotFound):
        invitations.read_link(code)


def test_a_link_for_a_password_that_has_ended_is_neither_shown_again_nor_made_again(
    app: Flask, admin: Actor, person: Actor
) -> None:
    first = invitations.make_reset_link(admin, person.user_id, KEY)
    second = invitations.make_reset_link(admin, person.user_id, "another form")
    with pytest.raises(Repeated):
        invitations.make_reset_link(admin, person.user_id, KEY)
    invitations.choose_password(visitor(), second, {"password": NEW_PASSWORD})

    with pytest.raises(Repeated):
        invitations.make_reset_link(admin, person.user_id, "another form")

    for code in (first, second):
        with pytest.raises(NotFound):
            invitations.read_link(code)


def test_a_token_is_not_shown_again_after_ten_minutes(app: Flask, admin: Actor) -> None:
    make_token(admin)
    with db.transaction() as session:
        token = session.scalars(sa.select(ApiToken).where(ApiToken.account_id == admin.account_id)).one()
        token.created_at -= form_keys.SHOWN_FOR
        token.expires_at -= form_keys.SHOWN_FOR

    with pytest.raises(Repeated) as refusal:
        make_token(admin)

    assert refusal.value.detail == "This form already created a token, which cannot be shown again."


def test_a_row_that_was_purged_and_is_made_again_has_another_code(app: Flask, admin: Actor) -> None:
    code = invite(admin)
    with db.transaction() as session:
        session.execute(sa.delete(Invitation).where(Invitation.account_id == admin.account_id))

    assert invite(admin) != code
    with pytest.raises(NotFound):
        invitations.read_link(code)


def test_another_server_key_cannot_derive_the_text(schema_url: str, open_console: OpenConsole) -> None:
    app, changed = open_console(schema_url), open_console(schema_url, SECRET_KEY=KEYS["SECRET_KEY"][::-1])
    with app.app_context():
        admin = make_user(app)
        make_token(admin)
        invite(admin)

    with changed.app_context():
        for act, what in ((make_token, "token"), (invite, "link")):
            with pytest.raises(Repeated) as refusal:
                act(admin)
            assert refusal.value.detail == f"This form already created a {what}, which cannot be shown again."


def test_a_former_admin_is_shown_nothing(app: Flask, admin: Actor, person: Actor) -> None:
    former = make_user(app, "admin", admin.account_id)
    acts = (make_token, invite, lambda actor: invitations.make_reset_link(actor, person.user_id, "reset"))
    [act(former) for act in acts]
    users.change_role(admin, former.user_id, {"role": "editor"})

    for act in acts:
        with pytest.raises(Forbidden):
            act(former)


def test_the_same_key_of_another_person_or_account_makes_something_else(app: Flask, admin: Actor) -> None:
    colleague, outsider = make_user(app, "admin", admin.account_id), make_user(app)

    for act in (make_token, invite):
        assert len({act(actor) for actor in (admin, colleague, outsider)}) == 3


def test_two_forms_make_two_records(app: Flask, admin: Actor) -> None:
    for act in (make_token, invite):
        assert act(admin, "one form") != act(admin, "another form")


def test_each_request_without_a_key_makes_a_record(app: Flask, admin: Actor) -> None:
    assert tokens.create(admin, TOKEN) != tokens.create(admin, TOKEN)
    assert invitations.invite(admin, {"role": "viewer"}) != invitations.invite(admin, {"role": "viewer"})


def test_nothing_that_is_stored_shows_the_key_or_the_text(app: Flask, admin: Actor) -> None:
    key = form_keys.new()
    text, code = make_token(admin, key), invite(admin, key)
    session_id = invitations.join(visitor(), code, newcomer(), key)

    with db.reading() as connection:
        rows = [
            connection.execute(sa.select(model.__table__)).all() for model in (ApiToken, Invitation, Event, UserSession)
        ]
    assert not [secret for secret in (key, text[17:], code, session_id) if secret in str(rows)]


def test_concurrent_requests_make_one_token_and_show_the_same_text(app: Flask, admin: Actor) -> None:
    shown = at_once(app, lambda: make_token(admin))

    assert len(set(shown)) == 1
    assert (count(ApiToken, admin), events_of(admin, "token.created")) == (1, 1)
    assert tokens.authenticate(Visitor(uuid4().hex), shown[0]).user_id == admin.user_id


def test_concurrent_requests_make_one_link_and_show_the_same_text(app: Flask, admin: Actor, person: Actor) -> None:
    to_join = at_once(app, lambda: invite(admin))
    to_choose = at_once(app, lambda: invitations.make_reset_link(admin, person.user_id, "another form"))

    assert (len(set(to_join)), len(set(to_choose)), count(Invitation, admin)) == (1, 1, 2)
    assert [events_of(admin, f"user.{act}") for act in ("invited", "reset_link_made")] == [1, 1]
    assert invitations.read_link(to_join[0])["role"] == "viewer"
    assert invitations.read_link(to_choose[0])["email"] == person.email


def test_concurrent_requests_make_one_user_and_one_session(app: Flask, admin: Actor) -> None:
    code, values, where = invite(admin), newcomer(), visitor()

    entered = at_once(app, lambda: invitations.join(where, code, values, KEY))

    assert len(set(entered)) == 1
    assert (count(User, admin), events_of(admin, "user.joined"), events_of(admin, "user.signed_in")) == (2, 1, 1)
    assert sessions.authenticate(Visitor(), entered[0]).email == values["email"]


def test_concurrent_requests_choose_one_password_and_start_one_session(app: Flask, admin: Actor, person: Actor) -> None:
    code, where = invitations.make_reset_link(admin, person.user_id), visitor()

    entered = at_once(app, lambda: invitations.choose_password(where, code, {"password": NEW_PASSWORD}, KEY))

    assert len(set(entered)) == 1
    assert [events_of(admin, f"user.{act}") for act in ("password_reset", "signed_in")] == [1, 1]
    assert sessions.authenticate(Visitor(), entered[0]).user_id == person.user_id


def test_concurrent_requests_set_up_a_console_once(schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(schema_url)
    values, where = newcomer(account_name="Acme"), visitor()

    entered = at_once(app, lambda: accounts.claim(where, values, "", KEY))

    assert len(set(entered)) == 1
    with app.app_context():
        assert [account["people"] for account in accounts.listing()] == [1]
        for late in (values | {"password": NEW_PASSWORD}, values | {"email": "grace@example.org"}):
            with pytest.raises(Conflict):
                accounts.claim(visitor(), late, "", KEY)
        with pytest.raises(Conflict):
            accounts.claim(visitor(), values, "", "another form")


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"password": NEW_PASSWORD}, KEY), ({"email": "grace@example.org"}, KEY), ({}, "another form"), ({}, None)],
    ids=str,
)
def test_a_used_link_opens_nothing_to_another_form_address_or_password(
    app: Flask, admin: Actor, changes: dict[str, str], key: str | None
) -> None:
    code, values = invite(admin), newcomer()
    invitations.join(visitor(), code, values, KEY)

    with pytest.raises(NotFound) as refusal:
        invitations.join(visitor(), code, values | changes, key)

    assert refusal.value.detail == invitation_records.GONE
    assert count(User, admin) == 2


def test_the_form_that_chose_a_password_opens_nothing_with_another_one(app: Flask, admin: Actor, person: Actor) -> None:
    code = invitations.make_reset_link(admin, person.user_id)
    invitations.choose_password(visitor(), code, {"password": NEW_PASSWORD}, KEY)

    for password, key in ((PASSWORD, KEY), (NEW_PASSWORD, "another form")):
        with pytest.raises(NotFound):
            invitations.choose_password(visitor(), code, {"password": password}, key)


def sign_out(actor: Actor, session_id: str) -> None:
    sessions.sign_out(sessions.authenticate(Visitor(), session_id), session_id)


def wait_ten_minutes(_actor: Actor, session_id: str) -> None:
    mine = sa.update(UserSession).where(UserSession.digest == session_records.digest(session_id))
    with db.transaction() as session:
        session.execute(mine.values(created_at=now() - form_keys.SHOWN_FOR - timedelta(seconds=1)))


def delete(admin: Actor, session_id: str) -> None:
    users.delete(admin, sessions.authenticate(Visitor(), session_id).user_id)


def deactivate(admin: Actor, session_id: str) -> None:
    users.deactivate(admin, sessions.authenticate(Visitor(), session_id).user_id)


@pytest.mark.parametrize("end", [sign_out, wait_ten_minutes, delete, deactivate])
def test_a_used_link_opens_nothing_once_its_session_is_over(
    app: Flask, admin: Actor, end: Callable[[Actor, str], None]
) -> None:
    code, values = invite(admin), newcomer()
    session_id = invitations.join(visitor(), code, values, KEY)
    end(admin, session_id)
    people = count(User, admin)

    with pytest.raises(NotFound):
        invitations.join(visitor(), code, values, KEY)

    assert count(User, admin) == people


def test_the_limit_on_wrong_passwords_applies_to_a_used_link(app: Flask, admin: Actor) -> None:
    code, values, where = invite(admin), newcomer(), visitor()
    invitations.join(where, code, values, KEY)

    for _ in range(10):
        with pytest.raises(NotFound):
            invitations.join(where, code, values | {"password": "wrong"}, KEY)
    with pytest.raises(Throttled):
        invitations.join(where, code, values, KEY)
