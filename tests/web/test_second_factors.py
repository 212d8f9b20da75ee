"""The pages of the second factor, without script: set-up, sign-in, confirmation, removal."""

import re
from dataclasses import replace

import pyotp
import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from agents_app.db import db, now
from agents_app.models import Event, SecondFactor, UserSession
from agents_app.operations import accounts, invitations, one_time_codes
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door, Role
from tests.make import PASSWORD, cookie_name, make_user
from tests.second_factor import fresh_code, set_up
from tests.web.conftest import Browser, Page, SignIn, fields_of

SET_UP, CODE, CONFIRM = "/profile/second-factor", "/sign-in/code", "/confirm"


@pytest.fixture
def codes(console: Flask, admin: Actor) -> list[str]:
    """The recovery codes of the admin, who has a second factor."""
    with console.app_context():
        return set_up(admin)


def give_password(console: Flask, actor: Actor, address: str = "/sign-in") -> Browser:
    """A browser that the console asks for the code of this person."""
    browser = Browser(console)
    answer = browser.send(address, email=actor.email, password=PASSWORD, action="/sign-in")
    assert isinstance(answer, TestResponse)
    assert answer.headers["Location"].partition("?")[0] == CODE
    return browser


def signed_in_with_code(console: Flask, actor: Actor, code: str) -> Browser:
    browser = give_password(console, actor)
    browser.send(CODE, code=code)
    return browser


def forget_codes(console: Flask, actor: Actor) -> None:
    """Make the sessions of this person as old as if the code had been given long ago."""
    with console.app_context(), db.transaction() as session:
        session.execute(sa.update(UserSession).where(UserSession.user_id == actor.user_id).values(confirmed_at=None))


def require_factor(console: Flask, actor: Actor) -> None:
    with console.app_context():
        operator = Actor(actor.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
        accounts.require_second_factor(operator, is_required=True)


def shown_secret(page: Page) -> str:
    return page.root.one(id="factor-key").text.replace(" ", "")


def test_the_password_alone_signs_nobody_in(console: Flask, admin: Actor, codes: list[str]) -> None:
    browser = give_password(console, admin)

    for path in ("/agents", "/profile", "/people"):
        answer = browser.client.get(path)
        assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (303, "/sign-in")


@pytest.mark.parametrize("code", ["", "000000", "abc"])
def test_a_wrong_code_is_refused_at_its_input(console: Flask, admin: Actor, codes: list[str], code: str) -> None:
    browser = give_password(console, admin)

    page = browser.send(CODE, code=code, status=422)

    assert isinstance(page, Page)
    assert page.error_at("code") == one_time_codes.WRONG
    assert browser.client.get("/agents").status_code == 303


def test_a_wrong_recovery_code_is_refused_at_its_input(console: Flask, admin: Actor, codes: list[str]) -> None:
    page = give_password(console, admin).send(CODE, recovery_code="abcd-efgh", status=422)

    assert isinstance(page, Page)
    assert page.error_at("recovery_code") == one_time_codes.WRONG


def test_the_page_for_the_code_is_only_for_those_who_gave_their_password(console: Flask) -> None:
    browser = Browser(console)

    for answer in (
        browser.client.get(CODE),
        browser.client.post(CODE, data={"csrf_token": browser.token(), "code": "1"}),
    ):
        assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")


def test_too_many_wrong_codes_are_refused_with_a_time(console: Flask, admin: Actor, codes: list[str]) -> None:
    browser = give_password(console, admin)
    for _ in range(10):
        browser.send(CODE, code="000000", status=422)

    page = browser.send(CODE, recovery_code=codes[0], status=429)

    assert isinstance(page, Page)
    assert "Too many wrong codes. Try again in" in page.text
    assert page.answer.headers["Retry-After"]


def test_a_code_signs_in_and_leads_to_the_page_that_was_asked_for(
    console: Flask, admin: Actor, codes: list[str]
) -> None:
    browser = give_password(console, admin, "/sign-in?next=/people")
    with console.app_context():
        code = fresh_code(admin)
    form = browser.get(f"{CODE}?next=/people").root.one("input", name="code")
    assert (form["autocomplete"], form["inputmode"]) == ("one-time-code", "numeric")

    answer = browser.send(f"{CODE}?next=/people", code=f"{code[:3]} {code[3:]}")

    assert isinstance(answer, TestResponse)
    assert answer.headers["Location"] == "/people"
    browser.get("/people")


def test_next_never_leads_to_another_site(console: Flask, admin: Actor, codes: list[str]) -> None:
    browser = Browser(console)
    answer = browser.send("/sign-in?next=//evil.example", email=admin.email, password=PASSWORD, action="/sign-in")
    assert isinstance(answer, TestResponse)
    assert "evil" not in answer.headers["Location"]

    answer = browser.send(f"{CODE}?next=//evil.example", recovery_code=codes[0])

    assert isinstance(answer, TestResponse)
    assert answer.headers["Location"] == "/"


def test_a_half_session_that_is_used_again_leads_back_to_the_sign_in_page(
    console: Flask, admin: Actor, codes: list[str]
) -> None:
    browser = give_password(console, admin)
    stolen = browser.client.get_cookie(cookie_name(console))
    page = browser.get(CODE)
    browser.send(page, CODE, recovery_code=codes[0])
    assert stolen is not None
    thief = Browser(console)
    thief.client.set_cookie(cookie_name(console), stolen.value)

    refused = thief.send(CODE, recovery_code=codes[1], status=422)

    assert isinstance(refused, Page)
    assert "Sign in again" in refused.text
    assert refused.form("/sign-in")


def test_a_form_that_was_not_saved_survives_the_code(console: Flask, admin: Actor, codes: list[str]) -> None:
    browser = signed_in_with_code(console, admin, codes[0] and current(console, admin))
    page = browser.get("/agents/new")
    with console.app_context(), db.transaction() as session:
        session.execute(sa.delete(UserSession).where(UserSession.user_id == admin.user_id))
    page = browser.send(page, "/agents/new", name="Typed before", status=401)
    page = browser.send(page, "/sign-in", email=admin.email, password=PASSWORD, status=200)
    page = browser.send(page, CODE, code="000000", status=422)
    page = browser.send(page, CODE, recovery_code=codes[1], status=200)

    page = browser.send(page, "/agents/new", status=200)

    assert isinstance(page, Page)
    assert page.root.one("input", name="name")["value"] == "Typed before"


def current(console: Flask, actor: Actor) -> str:
    with console.app_context():
        return fresh_code(actor)


def test_a_reset_link_asks_for_the_code_too(console: Flask, admin: Actor, codes: list[str]) -> None:
    with console.app_context():
        operator = Actor(admin.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
        assert admin.user_id
        code = invitations.make_reset_link(operator, admin.user_id)
    browser = Browser(console)

    answer = browser.send(f"/reset?code={code}", password="another long pass phrase")

    assert isinstance(answer, TestResponse)
    assert answer.headers["Location"] == CODE
    assert browser.client.get("/agents").status_code == 303
    browser.send(CODE, recovery_code=codes[0])
    browser.get("/agents")


def test_the_set_up_shows_the_codes_once_and_nothing_secret_stays(
    console: Flask, admin: Actor, signed_in: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    browser = signed_in(admin)
    page = browser.get(SET_UP)
    secret = shown_secret(page)
    picture = page.root.one("img", class_="qr")
    assert picture["src"].startswith("data:image/svg+xml")
    wrong = browser.send(page, SET_UP, code="000000", current_password=PASSWORD, status=422)
    assert isinstance(wrong, Page)
    assert shown_secret(wrong) == secret
    assert PASSWORD not in browser.seen

    done = browser.send(wrong, SET_UP, code=pyotp.TOTP(secret).at(now()), current_password=PASSWORD, status=200)

    assert isinstance(done, Page)
    shown = done.root.one(id="recovery-codes").text.split()
    assert len(shown) == one_time_codes.RECOVERY_CODES
    assert done.form("/sign-out")
    profile = browser.get("/profile")
    assert "10 of your recovery codes are left" in profile.text
    cookie = browser.client.get_cookie(cookie_name(console))
    with console.app_context(), db.reading() as connection:
        kept = str(connection.execute(sa.select(Event.details).where(Event.account_id == admin.account_id)).all())
    for text in (secret, *shown):
        assert text not in profile.html + caplog.text + kept + str(cookie)


def test_who_has_a_second_factor_cannot_set_up_another(console: Flask, admin: Actor, codes: list[str]) -> None:
    browser = signed_in_with_code(console, admin, current(console, admin))

    for answer in (browser.client.get(SET_UP), browser.client.post(SET_UP, data={"csrf_token": browser.token()})):
        assert (answer.status_code, answer.headers["Location"]) == (303, "/profile")


def test_a_change_of_access_asks_for_a_code_and_keeps_what_was_typed(
    console: Flask, admin: Actor, codes: list[str]
) -> None:
    browser = signed_in_with_code(console, admin, current(console, admin))
    forget_codes(console, admin)

    asked = browser.send("/people/invite", role="editor", note="For Grace", status=403)
    assert isinstance(asked, Page)
    assert "Nothing was changed yet" in asked.text
    wrong = browser.send(asked, CONFIRM, code="000000", status=422)
    assert isinstance(wrong, Page)
    values = fields_of(wrong.form(CONFIRM))
    values["recovery_code"] = codes[0]
    sent = browser.client.post(CONFIRM, data=values)
    # The browser sends the same values on.
    assert (sent.status_code, sent.headers["Location"]) == (307, "/people/invite")
    restored = browser.post("/people/invite", values, 200)

    assert isinstance(restored, Page)
    assert "Not saved yet. This is what you typed before." in restored.text
    assert restored.root.one("input", name="note")["value"] == "For Grace"
    browser.send(restored, "/people/invite", status=200)


def test_a_form_without_inputs_is_sent_again_after_the_code(console: Flask, admin: Actor, codes: list[str]) -> None:
    other = make_user(console, "viewer", admin.account_id)
    browser = signed_in_with_code(console, admin, current(console, admin))
    forget_codes(console, admin)
    path = f"/people/{other.user_id}/deactivate"

    asked = browser.send(path, status=403)
    assert isinstance(asked, Page)
    answer = browser.send(asked, CONFIRM, recovery_code=codes[0])

    assert isinstance(answer, TestResponse)
    assert answer.headers["Location"] == path
    assert "Your code was right. Nothing was changed yet: send the form again." in browser.get(path).text
    browser.send(path)


def test_secrets_of_agents_need_a_code_and_are_not_kept(console: Flask, admin: Actor, codes: list[str]) -> None:
    browser = signed_in_with_code(console, admin, current(console, admin))
    forget_codes(console, admin)
    agent = {"connection_type": "DB", "DB-host": "a.example.org", "DB-database": "b", "DB-username": "c"}
    browser.send("/agents/new", name="Without a key", **agent)

    page = browser.send("/agents/new", name="With a key", api_key="sk-canary-12345", **agent, status=403)

    assert isinstance(page, Page)
    assert "What you typed is kept, except secrets." in page.text
    assert "sk-canary-12345" not in browser.seen


def test_people_without_a_factor_are_not_asked(admin: Actor, signed_in: SignIn) -> None:
    signed_in(admin).send("/people/invite", role="editor", status=200)


def test_values_of_another_person_are_refused(console: Flask, admin: Actor, codes: list[str]) -> None:
    other = make_user(console, account_id=admin.account_id)
    with console.app_context():
        set_up(other)
    theirs = signed_in_with_code(console, other, current(console, other))
    forget_codes(console, other)
    page = theirs.send("/people/invite", role="editor", note="Theirs", status=403)
    assert isinstance(page, Page)
    kept = page.form(CONFIRM).one("input", name="kept")["value"]
    browser = signed_in_with_code(console, admin, current(console, admin))

    browser.post(CONFIRM, {"csrf_token": browser.token(), "kept": kept, "recovery_code": codes[0]}, 400)


def test_a_required_factor_is_asked_for_at_the_next_request_and_keeps_what_was_typed(
    console: Flask, admin: Actor, signed_in: SignIn
) -> None:
    browser = signed_in(admin)
    form = browser.get("/agents/new")
    require_factor(console, admin)

    for path in ("/agents", "/profile", "/people", "/account"):
        answer = browser.client.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (303, SET_UP)
    page = browser.send(form, "/agents/new", name="Typed before", status=403)
    assert isinstance(page, Page)
    assert "Your organisation requires a second factor. The agent was not created." in page.text
    code = pyotp.TOTP(shown_secret(page)).at(now())
    page = browser.send(page, SET_UP, code=code, current_password=PASSWORD, status=200)
    page = browser.send(page, "/agents/new", status=200)

    assert isinstance(page, Page)
    assert page.root.one("input", name="name")["value"] == "Typed before"
    browser.get("/agents")


def test_who_must_set_up_a_factor_can_sign_out_and_choose_a_theme(
    console: Flask, admin: Actor, signed_in: SignIn
) -> None:
    browser = signed_in(admin)
    require_factor(console, admin)
    page = browser.get(SET_UP)

    browser.send(page, "/theme", theme="dark")
    answer = browser.send(page, "/sign-out")

    assert isinstance(answer, TestResponse)
    assert answer.headers["Location"] == "/sign-in"


def test_an_admin_requires_a_factor_only_with_one_of_their_own(console: Flask, admin: Actor, signed_in: SignIn) -> None:
    browser = signed_in(admin)
    refused = browser.send("/account", "/account/second-factor", required="yes", status=409)
    assert isinstance(refused, Page)
    assert "Set up your own second factor first" in refused.text
    with console.app_context():
        set_up(admin)
    browser = signed_in_with_code(console, admin, current(console, admin))

    browser.send("/account", "/account/second-factor", required="yes")

    assert "A second factor is required of people who sign in with a password." in browser.get("/account").text
    browser.send("/account", "/account/second-factor", required="no")
    assert "A second factor is not required any more." in browser.get("/account").text


def test_new_recovery_codes_need_a_code_and_are_shown_once(console: Flask, admin: Actor, codes: list[str]) -> None:
    browser = signed_in_with_code(console, admin, current(console, admin))
    page = browser.send(f"{SET_UP}/recovery-codes", status=200)
    assert isinstance(page, Page)
    new = page.root.one(id="recovery-codes").text.split()
    assert not set(new) & set(codes)
    forget_codes(console, admin)

    browser.send(f"{SET_UP}/recovery-codes", status=403)


def test_a_removal_asks_for_the_password_and_a_code(console: Flask, admin: Actor, codes: list[str]) -> None:
    browser = signed_in_with_code(console, admin, current(console, admin))
    path = f"{SET_UP}/remove"
    refused = browser.send(path, current_password="wrong", recovery_code=codes[0], status=422)
    assert isinstance(refused, Page)
    assert refused.error_at("password-for-removal") == "This is not your current password."
    browser.send(path, current_password=PASSWORD, code="000000", status=422)

    browser.send(path, current_password=PASSWORD, recovery_code=codes[0])

    page = browser.get("/profile")
    assert "Your second factor was removed." in page.text
    assert "Set up a second factor" in page.text


def test_an_admin_sees_who_has_a_second_factor_and_removes_it(console: Flask, admin: Actor, signed_in: SignIn) -> None:
    other = replace(make_user(console, "viewer", admin.account_id), name="Grace")
    with console.app_context():
        set_up(other)
    browser = signed_in(admin)
    path = f"/people/{other.user_id}/second-factor"
    assert path in browser.get("/people").html

    browser.send(path)

    page = browser.get("/people")
    assert "The second factor of" in page.text
    assert path not in page.html
    with console.app_context(), db.reading() as connection:
        assert connection.scalar(sa.select(SecondFactor).where(SecondFactor.user_id == other.user_id)) is None


def test_every_page_of_codes_says_that_it_must_not_be_stored(console: Flask, admin: Actor, signed_in: SignIn) -> None:
    answer = signed_in(admin).client.get(SET_UP)

    assert answer.headers["Cache-Control"] == "no-store"
    assert re.search("img-src 'self' data:", answer.headers["Content-Security-Policy"])
