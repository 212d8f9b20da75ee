"""The pages of one-time links: invitation and password reset."""

from uuid import uuid4

import pytest
from flask import Flask

from agents_app.operations import invitation_records, invitations, user_records, users
from agents_app.operations.permissions import Actor
from tests.make import PASSWORD, cookie_name, make_user
from tests.web.conftest import Browser, Page, SignIn, fields_of

NEW_PASSWORD = "another-quiet-4-river"


def code_of(console: Flask, admin: Actor, person: Actor | None = None) -> str:
    """The code of a new link: an invitation, or a password reset for this user."""
    with console.app_context():
        if person is None:
            return invitations.invite(admin, {"role": "viewer"})
        return invitations.make_reset_link(admin, person.user_id)


def newcomer(**changes: str) -> dict[str, str]:
    return {"name": "Grace Hopper", "email": f"{uuid4().hex}@example.org", "password": PASSWORD, **changes}


@pytest.mark.parametrize("address", ["/join", "/reset"])
def test_an_unknown_link_or_one_for_another_purpose_is_not_found(address: str, console: Flask, admin: Actor) -> None:
    wrong = code_of(console, admin, admin) if address == "/join" else code_of(console, admin)
    browser = Browser(console)

    for code in ("", "no-such-code", "x" * 5_000, "%ED%A0%80", "%00", wrong):
        page = browser.get(f"{address}?code={code}", 404)
        assert invitation_records.GONE in page.text
    page = browser.post(address, {"csrf_token": browser.token(), "code": wrong, **newcomer()}, 404)
    assert isinstance(page, Page)
    assert invitation_records.GONE in page.text


def test_a_link_works_once(console: Flask, admin: Actor) -> None:
    address = f"/join?code={code_of(console, admin)}"
    first, second = Browser(console), Browser(console)
    forms = first.get(address), second.get(address)

    first.send(forms[0], "/join", **newcomer())

    page = second.send(forms[1], "/join", status=404, **newcomer())
    assert isinstance(page, Page)
    assert invitation_records.GONE in page.text


@pytest.mark.parametrize("kind", ["join", "reset"])
def test_a_used_link_does_nothing_in_another_browser_that_copies_the_form(
    kind: str, console: Flask, admin: Actor
) -> None:
    person = make_user(console, "viewer", admin.account_id)
    address, given = f"/{kind}", newcomer() if kind == "join" else {"password": NEW_PASSWORD}
    first, thief = Browser(console), Browser(console)
    page = first.get(f"{address}?code={code_of(console, admin, person if kind == 'reset' else None)}")
    sent = fields_of(page.form(address))
    first.send(page, address, **given)

    for changes in ({"password": "wrong"}, {**given, "key": "another"}, {"key": "another"}):
        copied = {**sent.to_dict(), "csrf_token": thief.token(), **changes}
        refused = thief.post(address, copied, 404)
        assert isinstance(refused, Page)
        assert invitation_records.GONE in refused.text
    assert thief.client.get("/agents").status_code == 303


@pytest.mark.parametrize("kind", ["join", "reset"])
def test_a_form_that_is_sent_twice_signs_in_the_same_user(kind: str, console: Flask, admin: Actor) -> None:
    person = make_user(console, "viewer", admin.account_id)
    address, given = f"/{kind}", newcomer() if kind == "join" else {"password": NEW_PASSWORD}
    first, second = Browser(console), Browser(console)
    page = first.get(f"{address}?code={code_of(console, admin, person if kind == 'reset' else None)}")
    # The browser drops the answer to the first click, and with it the cookie.
    cookie = first.client.get_cookie(cookie_name(first.client.application))
    assert cookie is not None
    second.client.set_cookie(cookie_name(second.client.application), cookie.value)

    answers = [browser.send(page, address, **given) for browser in (first, second)]

    assert [answer.headers["Location"] for answer in answers] == ["/agents"] * 2
    first.get("/agents")
    second.get("/agents")
    with console.app_context():
        assert len(users.listing(admin)) == (3 if kind == "join" else 2)


@pytest.mark.parametrize(
    ("changes", "input_id", "sentence"),
    [
        ({"name": " "}, "name", "Enter your name."),
        ({"email": "grace"}, "email", "Write an email address, such as ada@example.org."),
        ({"password": "short"}, "password", "Use 12 to 1,024 characters."),
    ],
)
def test_a_refused_joiner_sees_what_to_fix_and_types_only_that_again(
    changes: dict[str, str], input_id: str, sentence: str, console: Flask, admin: Actor
) -> None:
    browser = Browser(console)
    page = browser.get(f"/join?code={code_of(console, admin)}")

    page = browser.send(page, "/join", status=422, **newcomer(**changes))

    assert isinstance(page, Page)
    assert page.error_at(input_id) == sentence
    assert page.root.one(id="password")["value"] == ""
    # An error says what to type.
    assert ("Type it again" in page.text) == (input_id != "password")
    browser.send(page, "/join", **newcomer())


def test_only_the_holder_of_the_link_learns_that_an_email_address_is_taken(console: Flask, admin: Actor) -> None:
    browser = Browser(console)
    page = browser.get(f"/join?code={code_of(console, admin)}")

    page = browser.send(page, "/join", status=422, **newcomer(email=make_user(console).email.upper()))

    assert isinstance(page, Page)
    assert page.root.one(id="email-error").text == f"{user_records.TAKEN}Use another address, or sign in."


def test_a_signed_in_user_is_warned_and_signed_out_of_the_other_account(
    console: Flask, browser: Browser, admin: Actor
) -> None:
    other = make_user(console)
    cookie = browser.client.get_cookie(cookie_name(browser.client.application))
    assert cookie is not None
    page = browser.get(f"/join?code={code_of(console, other)}")
    assert f"You are signed in as {admin.name}" in page.text

    browser.send(page, "/join", **newcomer())

    assert "Grace Hopper" in browser.get("/profile").text
    thief = Browser(console)
    thief.client.set_cookie(cookie_name(thief.client.application), cookie.value)
    assert thief.client.get("/agents").status_code == 303


def test_a_reset_password_ends_every_session_and_replaces_the_old_one(
    console: Flask, admin: Actor, signed_in: SignIn
) -> None:
    person = make_user(console, "viewer", admin.account_id)
    before, here = signed_in(person), Browser(console)
    page = here.get(f"/reset?code={code_of(console, admin, person)}")
    assert person.email in page.text
    refused = here.send(page, "/reset", status=422, password="short")
    assert isinstance(refused, Page)
    assert refused.error_at("password") == "Use 12 to 1,024 characters."

    here.send(refused, "/reset", password=NEW_PASSWORD)

    here.get("/agents")
    assert before.client.get("/agents").status_code == 303
    Browser(console).send("/sign-in", email=person.email, password=NEW_PASSWORD)
