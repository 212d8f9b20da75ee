"""The pages "Your profile" and "Organisation"."""

import re
from uuid import uuid4

import pytest
from flask import Flask

from agents_app.operations import sessions
from agents_app.operations.permissions import Actor
from agents_app.web.profile import browser_name
from tests.make import PASSWORD, make_agent, make_user
from tests.web.conftest import Browser, Page, SignIn

NEW_PASSWORD = "another-quiet-4-river"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1"


def is_signed_in(browser: Browser) -> bool:
    return browser.client.get("/agents").status_code == 200


@pytest.mark.parametrize(
    ("changes", "input_id", "sentence"),
    [
        ({"current_password": "wrong"}, "current_password", "This is not your current password."),
        ({"current_password": ""}, "current_password", "Enter the current password."),
        ({"password": "short"}, "password", "Use 12 to 1,024 characters."),
        ({"password": PASSWORD}, "password", "Choose a password that differs from the current one."),
    ],
)
def test_a_password_that_breaks_a_rule_is_refused(
    changes: dict[str, str], input_id: str, sentence: str, browser: Browser
) -> None:
    given = {"current_password": PASSWORD, "password": NEW_PASSWORD, **changes}

    page = browser.send("/profile", status=422, **given)

    assert isinstance(page, Page)
    assert page.error_at(input_id) == sentence
    assert PASSWORD not in page.html


def test_guesses_of_the_current_password_are_throttled(console: Flask, admin: Actor) -> None:
    browser = Browser(console, "203.0.113.77")
    browser.send("/sign-in", email=admin.email, password=PASSWORD)
    page = browser.get("/profile")
    for _ in range(10):
        browser.send(page, "/profile", status=422, current_password="wrong", password=NEW_PASSWORD)

    page = browser.send(page, "/profile", status=429, current_password=PASSWORD, password=NEW_PASSWORD)

    assert isinstance(page, Page)
    assert int(page.answer.headers["Retry-After"]) > 0
    assert "Too many wrong passwords" in page.root.one(class_="problems").text


def test_a_changed_password_signs_out_all_other_browsers(browser: Browser, admin: Actor, signed_in: SignIn) -> None:
    other_browser = signed_in(admin)

    browser.send("/profile", current_password=PASSWORD, password=NEW_PASSWORD)

    assert "Your password was changed." in browser.get("/profile").text
    assert not is_signed_in(other_browser)


def test_a_refused_name_or_address_is_shown_at_its_input_without_the_password(
    console: Flask, browser: Browser, admin: Actor
) -> None:
    given = {"name": " ", "email": "nobody", "current_password": PASSWORD}
    page = browser.send("/profile/details", status=422, **given)
    assert isinstance(page, Page)
    assert page.error_at("name") == "Enter your name."
    assert page.error_at("email") == "Write an email address, such as ada@example.org."
    assert PASSWORD not in page.html
    assert page.text.count("does not keep secrets") == page.text.count("Type it again.") == 1

    given = {"name": "Ada", "email": make_user(console).email, "current_password": PASSWORD}
    page = browser.send("/profile/details", status=422, **given)
    assert isinstance(page, Page)
    assert page.error_at("email") == "A person with this address exists already. Use another address."
    page = browser.send("/profile/details", status=422, **{**given, "current_password": "wrong"})
    assert isinstance(page, Page)
    assert page.error_at("password-for-details") == "This is not your current password."
    assert page.text.count("This is not your current password.") == 2  # in the summary and at the field
    assert not re.search(r"keep secrets|[Tt]ype (it|them) again", page.text)
    assert "exists already" not in page.text
    assert admin.name in browser.get("/profile").text


def test_a_new_name_is_shown_at_once_and_a_new_address_signs_out_all_other_browsers(
    browser: Browser, admin: Actor, signed_in: SignIn
) -> None:
    other_browser, email = signed_in(admin), f"{uuid4().hex}@example.org"

    browser.send("/profile/details", name="Ada King", current_password=PASSWORD)
    page = browser.get("/profile")
    assert "Your name was changed." in page.text
    assert "Ada King" in page.root.one("dl", class_="facts").text
    assert is_signed_in(other_browser)

    browser.send("/profile/details", email=email, current_password=PASSWORD)
    page = browser.get("/profile")
    assert "Your email address was changed. Every other browser was signed out." in page.text
    assert email in page.root.one("dl", class_="facts").text
    assert not is_signed_in(other_browser)
    activity = browser.get("/activity").text
    assert f"changed their name from {admin.name} to Ada King" in activity
    assert "changed the email address of Ada King" in activity
    assert email not in activity

    browser.send("/profile/details", current_password=PASSWORD)
    assert "Nothing was changed: your name and your email address are these already." in browser.get("/profile").text


def test_a_session_of_another_user_is_not_found(console: Flask, browser: Browser, signed_in: SignIn) -> None:
    other = make_user(console)
    theirs = signed_in(other)
    with console.app_context():
        foreign = sessions.listing(other, "")[0]["id"]

    for row_id in (foreign, uuid4()):
        browser.post(f"/profile/sessions/{row_id}/end", {"csrf_token": browser.token()}, 404)

    assert is_signed_in(theirs)


def test_one_browser_can_be_signed_out_from_another(browser: Browser, admin: Actor, signed_in: SignIn) -> None:
    other_browser = signed_in(admin)
    rows = browser.get("/profile").root.one("tbody").all("tr")
    other = next(row for row in rows if "This browser" not in row.text)

    browser.post(other.one("form")["action"], {"csrf_token": browser.token()})

    assert (is_signed_in(browser), is_signed_in(other_browser)) == (True, False)


def test_every_other_browser_can_be_signed_out_at_once(browser: Browser, admin: Actor, signed_in: SignIn) -> None:
    others = [signed_in(admin), signed_in(admin)]

    browser.send("/profile", "/profile/sessions/end-others")

    assert "Every other browser was signed out." in browser.get("/profile").text
    assert [is_signed_in(one) for one in (browser, *others)] == [True, False, False]
    assert "all other browsers" not in browser.get("/profile").text


def test_ending_this_session_leads_to_the_sign_in_page(browser: Browser) -> None:
    form = browser.get("/profile").root.one("tbody").one("form")

    answer = browser.post(form["action"], {"csrf_token": browser.token()})

    assert answer.headers["Location"] == "/sign-in"
    assert "You are signed out." in browser.get("/sign-in").text


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (EDGE, "Edge on Windows"),
        (SAFARI, "Safari on iPhone"),
        ("curl/8.1", "curl"),
        ("", "Unknown browser"),
        (None, "Unknown browser"),
    ],
)
def test_a_browser_has_a_readable_name(user_agent: str | None, words: str) -> None:
    assert browser_name(user_agent) == words


def test_an_account_needs_a_name(browser: Browser) -> None:
    page = browser.send("/account", status=422, name=" ")

    assert isinstance(page, Page)
    assert page.error_at("name") == "Enter the name of your organisation."


def test_a_new_name_of_the_account_is_shown_at_once(browser: Browser) -> None:
    browser.send("/account", name="Acme & Söhne")

    page = browser.get("/account")
    assert page.root.one(id="name")["value"] == "Acme & Söhne"
    assert "Admin, Acme & Söhne" in page.text


def test_an_account_that_has_this_name_already_is_not_renamed(browser: Browser) -> None:
    browser.send("/account", name=" Acme ")

    assert "Nothing was changed: the organisation already has this name." in browser.get("/account").text
    assert "renamed" not in browser.get("/activity").text


@pytest.mark.parametrize("typed", ["", "acme", "Acme!", None])
def test_an_account_is_deleted_only_with_its_exact_name(typed: str | None, browser: Browser) -> None:
    page = browser.send("/account/delete", status=422, name=typed)

    assert isinstance(page, Page)
    assert page.error_at("typed-name") == "Type the name of the organisation, Acme, to delete it."
    assert is_signed_in(browser)


def test_a_deleted_account_is_gone_with_all_its_users(
    console: Flask, browser: Browser, admin: Actor, signed_in: SignIn
) -> None:
    colleague = signed_in(make_user(console, "viewer", admin.account_id))
    make_agent(console, admin)
    outsider = signed_in(make_user(console))

    answer = browser.send("/account/delete", name="Acme")

    assert answer.headers["Location"] == "/sign-in"
    assert "The organisation Acme was deleted" in browser.get("/sign-in").text
    assert [is_signed_in(one) for one in (browser, colleague, outsider)] == [False, False, True]
    page = browser.send("/sign-in", status=422, email=admin.email, password=PASSWORD)
    assert isinstance(page, Page)
