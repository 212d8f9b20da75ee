"""Signing in through the provider, as a browser without script does it, with a real provider on the loopback."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from agents_app import http
from agents_app.db import db
from agents_app.operations import identities, users
from agents_app.operations.permissions import Actor
from tests.conftest import OpenConsole
from tests.make import PASSWORD, cookie_name, make_user
from tests.probes.local_server import Reply, Request
from tests.sign_on.conftest import answer_at
from tests.sign_on.loopback_provider import CLIENT_ID, CLIENT_SECRET, LoopbackProvider
from tests.web.conftest import Browser, Page


@pytest.fixture
def console(schema_url: str, open_console: OpenConsole, provider: LoopbackProvider) -> Flask:
    """A console with this provider, and without an account."""
    named = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    return open_console(schema_url, **named)


@pytest.fixture
def admin(console: Flask) -> Actor:
    """The admin of the one account."""
    return make_user(console, name="Ada")


def begin(browser: Browser, path: str = "/sign-on") -> str:
    """Begin a sign-in. Returns the URL at the provider."""
    answer = browser.client.get(path, environ_base=browser.environ)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def come_back(browser: Browser, url: str, **changes: str | None) -> TestResponse:
    """Do at the provider what a browser does there, and load the address to which it sends back."""
    sent = {**answer_at(url), **changes}
    given = {name: value for name, value in sent.items() if value is not None}
    return browser.client.get("/sign-on/return", query_string=given, environ_base=browser.environ)


def enter(browser: Browser, path: str = "/sign-on") -> TestResponse:
    return come_back(browser, begin(browser, path))


def is_in(browser: Browser) -> bool:
    return browser.client.get("/profile").status_code == 200


def refused(answer: TestResponse, status: int, *words: str) -> Page:
    """Check that the answer is a page of this status with these words."""
    assert answer.status_code == status, answer.text
    page = Page(answer)
    for word in words:
        assert word in page.text
    assert answer.headers["Cache-Control"] == "no-store"
    return page


def test_without_a_provider_there_is_nothing_to_sign_in_at(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    browser = Browser(open_console(sqlite_schema_url))

    for path in ("/sign-on", "/sign-on/return?code=a&state=b"):
        assert "OIDC_ISSUER is not set" in browser.get(path, 404).text


def test_before_set_up_the_page_leads_there(console: Flask) -> None:
    page = refused(enter(Browser(console)), 403, "Set it up first.")

    assert [link["href"] for link in page.root.all("a")] == ["/setup"]


def test_a_return_that_this_browser_did_not_begin_is_refused(console: Flask, admin: Actor) -> None:
    attacker, victim = Browser(console), Browser(console)
    url = begin(attacker)

    refused(come_back(victim, url), 400, "Start again", "did not begin this sign-in")
    assert not is_in(victim)
    # A code of another sign-in, brought back with the state of one's own.
    other = answer_at(begin(attacker))
    refused(come_back(victim, begin(victim), code=other["code"]), 400, "The sign-in failed")
    assert not is_in(victim)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": None}, "did not begin"),
        ({"state": "☃"}, "did not begin"),
        ({"iss": "https://other.example"}, "does not come from the provider"),
        ({"code": None}, "neither a code nor an error"),
        ({"error": "access_denied"}, "did not let you in"),
        ({"error": "<b>bold</b>", "error_description": "<i>italic</i>"}, "The provider refused the sign-in."),
        ({"code": "wrong"}, "has expired or was used"),
    ],
)
def test_a_wrong_answer_says_what_is_wrong(
    console: Flask, admin: Actor, changes: dict[str, str | None], words: str
) -> None:
    browser = Browser(console)

    page = refused(come_back(browser, begin(browser), **changes), 400, words)

    assert "italic" not in page.html
    assert not is_in(browser)


def test_a_sign_in_is_used_once(console: Flask, admin: Actor) -> None:
    browser = Browser(console)
    url = begin(browser)
    answer = answer_at(url)
    assert browser.client.get("/sign-on/return", query_string=answer).status_code == 303

    # Who goes back is signed in, and gets home.
    again = browser.client.get("/sign-on/return", query_string=answer)
    assert (again.status_code, again.headers["Location"]) == (303, "/")
    browser.client.delete_cookie(cookie_name(console))
    refused(browser.client.get("/sign-on/return", query_string=answer), 400, "Start again")


def test_a_sign_in_that_failed_is_used_up(console: Flask, admin: Actor) -> None:
    browser = Browser(console)
    url = begin(browser)
    refused(come_back(browser, url, error="access_denied"), 400, "did not let you in")

    refused(come_back(browser, url), 400, "Start again")

    assert not is_in(browser)


def test_head_neither_begins_nor_ends_a_sign_in(console: Flask, admin: Actor) -> None:
    browser = Browser(console)
    answer = answer_at(begin(browser))

    for path in ("/sign-on", "/sign-on/return"):
        assert browser.client.head(path, query_string=answer).status_code == 200
    assert browser.client.get("/sign-on/return", query_string=answer).status_code == 303


def test_three_tabs_can_sign_in_and_a_fourth_ends_the_first(console: Flask, admin: Actor) -> None:
    browser = Browser(console)
    urls = [begin(browser, f"/sign-on?next=/activity%3Fq={number}{'x' * 600}") for number in range(4)]

    refused(come_back(browser, urls[0]), 400, "Start again")
    assert come_back(browser, urls[3]).headers["Location"].startswith("/activity?q=3")
    # The session has replaced the other sign-ins.
    assert come_back(browser, urls[2]).headers["Location"] == "/"


@pytest.mark.parametrize("path", ["//other.example", "https://other.example", "/\\other", "javascript:x"])
def test_next_never_leads_to_another_site(console: Flask, admin: Actor, path: str) -> None:
    browser = Browser(console)

    assert enter(browser, f"/sign-on?next={path}").headers["Location"] == "/"


def test_a_path_is_as_long_as_the_header_of_its_redirect(console: Flask, admin: Actor) -> None:
    browser = Browser(console)

    for count, path in ((70, "/activity?q="), (80, "/")):
        answer = enter(browser, f"/sign-on?next=/activity?q={chr(0x1F600) * count}")
        assert answer.headers["Location"].startswith(path)
        assert len(answer.headers["Location"]) <= 900


def test_a_person_comes_in_and_reaches_the_page_they_asked_for(
    console: Flask, admin: Actor, provider: LoopbackProvider
) -> None:
    browser = Browser(console)
    url = begin(browser, "/sign-on?next=/activity&again=1")
    asked = dict(parse_qsl(urlsplit(url).query))
    with browser.client.session_transaction() as cookie:
        cookie[http.SESSION_ID] = "chosen-by-someone-else"

    answer = come_back(browser, url)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/activity")
    assert (asked["prompt"], asked["max_age"], asked["scope"]) == ("login", "43200", "openid profile email")
    with browser.client.session_transaction() as cookie:
        assert cookie[http.SESSION_ID] != "chosen-by-someone-else"
    assert "ann@example.com" in browser.get("/profile").text


def test_no_secret_of_the_sign_in_is_in_the_cookie_or_in_the_log(
    console: Flask, admin: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser(console)
    url = begin(browser)
    sent = dict(parse_qsl(urlsplit(url).query))
    with browser.client.session_transaction() as cookie:
        content = json.dumps(dict(cookie))
    answer = answer_at(url)
    browser.client.get("/sign-on/return", query_string={**answer, "code": "code-that-is-wrong"})
    written = str([vars(record) for record in caplog.records])

    for secret in (sent["state"], sent["nonce"], sent["code_challenge"]):
        assert secret not in content
    for secret in (*answer.values(), sent["nonce"], "code-that-is-wrong"):
        assert secret not in written
    assert "invalid_grant" in written


def test_the_page_without_a_role_says_what_to_ask_for(console: Flask, admin: Actor, provider: LoopbackProvider) -> None:
    provider.claims = {"roles": None}
    page = refused(enter(Browser(console)), 403, "You have no role in this console", "editor, for the role Editor")
    assert "groups" not in page.text

    provider.claims = {"roles": None, "hasgroups": True}
    refused(enter(Browser(console)), 403, "more groups", "app roles")


def test_a_role_that_went_ends_every_session(console: Flask, admin: Actor, provider: LoopbackProvider) -> None:
    first, second = Browser(console), Browser(console)
    enter(first)
    enter(second)
    assert is_in(first)
    assert is_in(second)
    provider.claims = {"roles": []}

    refused(enter(Browser(console)), 403, "no role")

    assert not is_in(first)
    assert not is_in(second)


def test_an_address_that_is_taken_leads_to_the_password_and_the_profile(
    console: Flask, admin: Actor, provider: LoopbackProvider
) -> None:
    provider.claims = {"email": admin.email}
    refused(
        enter(Browser(console)), 403, "A person with your email address exists", "link your account on your profile"
    )

    provider.claims = {"email": admin.email, "email_verified": None, "sub": "ben"}
    page = refused(enter(Browser(console)), 403, "is not linked to a person")
    assert "address" not in page.text


def test_a_provider_that_is_away_is_named_and_ends_no_session(
    console: Flask, admin: Actor, provider: LoopbackProvider
) -> None:
    signed_in, browser = Browser(console), Browser(console)
    enter(signed_in)
    url = begin(browser)
    answer = answer_at(url)
    provider.replies["/token"] = lambda _request: Reply(503, {"error": "down"})

    away = browser.client.get("/sign-on/return", query_string=answer)

    page = refused(away, 503, "is not available", "stays signed in", "sign in with their password")
    assert int(away.headers["Retry-After"]) > 0
    assert urlsplit(provider.issuer).netloc in page.title
    assert "/sign-on" in [link["href"].partition("?")[0] for link in page.root.all("a")]
    assert is_in(signed_in)
    browser.send("/sign-in", email=admin.email, password=PASSWORD)
    assert is_in(browser)


def test_no_connection_of_the_database_is_held_while_the_provider_answers(
    console: Flask, admin: Actor, provider: LoopbackProvider
) -> None:
    held: list[int] = []
    with console.app_context():
        pool: Any = db.engine.pool

    def answer(request: Request) -> Reply:
        held.append(pool.checkedout())
        return provider.token(request)

    provider.replies["/token"] = answer
    browser = Browser(console)

    assert enter(browser).status_code == 303
    assert enter(browser, "/sign-on?purpose=link").status_code == 303
    assert held == [0, 0]


def test_below_a_path_the_browser_returns_to_that_path(
    sqlite_schema_url: str, open_console: OpenConsole, provider: LoopbackProvider
) -> None:
    named = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    app = open_console(sqlite_schema_url, PUBLIC_URL="https://apps.example.org/console", **named)

    answer = app.test_client().get("/console/sign-on", base_url="https://apps.example.org")

    asked = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    assert asked["redirect_uri"] == "https://apps.example.org/console/sign-on/return"


def test_a_provider_that_cannot_be_reached_at_the_start_is_named(
    console: Flask, admin: Actor, provider: LoopbackProvider
) -> None:
    provider.replies["/.well-known/openid-configuration"] = lambda _request: Reply(200, body="<h1>Hello</h1>")

    refused(Browser(console).client.get("/sign-on"), 503, "is not available")


def test_a_sign_in_there_that_is_too_old_is_asked_for_again(
    console: Flask, admin: Actor, provider: LoopbackProvider
) -> None:
    provider.claims = {"auth_time": 1_700_000_000}

    page = refused(enter(Browser(console), "/sign-on?next=/activity"), 403, "too long ago")

    assert "/sign-on?again=1&next=/activity" in [link["href"] for link in page.root.all("a")]


def test_too_many_failures_of_one_address_are_refused(console: Flask, admin: Actor) -> None:
    browser = Browser(console, "192.0.2.99")
    for _ in range(100):
        assert come_back(browser, begin(browser), code="guessed").status_code == 400

    late = come_back(browser, begin(browser))

    refused(late, 429, "Too many failed sign-ins.")
    assert int(late.headers["Retry-After"]) > 0


@pytest.fixture
def signed_in(console: Flask, admin: Actor) -> Browser:
    """A browser in which the admin has signed in with the password."""
    browser = Browser(console)
    browser.send("/sign-in", email=admin.email, password=PASSWORD)
    return browser


def test_a_person_links_their_account_after_a_confirmation(
    console: Flask, admin: Actor, signed_in: Browser, provider: LoopbackProvider
) -> None:
    assert "/sign-on?purpose=link" in signed_in.get("/profile").html
    asked = enter(signed_in, "/sign-on?purpose=link")
    assert asked.headers["Location"] == "/profile/link"
    page = signed_in.get("/profile/link")
    assert "Ann, ann@example.com" in page.text
    with console.app_context():
        assert identities.own(admin) is None

    signed_in.send(page, "/profile/link")

    assert "You sign in at" in signed_in.get("/profile").text
    other = Browser(console)
    enter(other)
    assert "ann@example.com" in other.get("/profile").text
    with console.app_context():
        assert len(users.listing(admin)) == 1
    signed_in.send(signed_in.get("/profile/unlink"), "/profile/unlink")
    assert not is_in(other)
    assert "Sign in with your password." in signed_in.get("/sign-in").text


def test_a_link_is_bound_to_the_person_who_began_it(console: Flask, admin: Actor, signed_in: Browser) -> None:
    other = make_user(console, account_id=admin.account_id)
    url = begin(signed_in, "/sign-on?purpose=link")
    with signed_in.client.session_transaction() as cookie:
        begun = cookie["begun"]
    signed_in.send("/profile", "/sign-out")
    signed_in.send("/sign-in", email=other.email, password=PASSWORD)
    with signed_in.client.session_transaction() as cookie:
        assert "begun" not in cookie
        cookie["begun"] = begun

    assert come_back(signed_in, url).headers["Location"] == "/"

    assert signed_in.client.get("/profile/link").headers["Location"] == "/profile"
    # Without a session nobody links anything.
    assert Browser(console).client.get("/sign-on?purpose=link").headers["Location"].startswith("/sign-in")


def test_an_account_of_another_person_is_not_linked(
    console: Flask, admin: Actor, signed_in: Browser, provider: LoopbackProvider
) -> None:
    enter(Browser(console))

    assert enter(signed_in, "/sign-on?purpose=link").headers["Location"] == "/profile"

    assert "is linked to another person" in signed_in.get("/profile").text


def test_an_admin_links_a_waiting_account(
    console: Flask, admin: Actor, signed_in: Browser, provider: LoopbackProvider
) -> None:
    ben = make_user(console, account_id=admin.account_id, name="Ben")
    provider.claims = {"email": ben.email}
    refused(enter(Browser(console)), 403)
    page = signed_in.get("/people")
    assert "Waiting to be linked" in page.text
    path = next(link["href"] for link in page.root.all("a") if link["href"].endswith("/link"))

    assert signed_in.send(path, status=422, person="").error_at("person") == "Choose a person."
    signed_in.send(path, person=str(ben.user_id))

    people = signed_in.get("/people")
    assert "Waiting to be linked" not in people.text
    assert f"from {urlsplit(provider.issuer).netloc}" in people.text
    browser = Browser(console)
    assert enter(browser).headers["Location"] == "/"
    # The role comes from the provider.
    refusal = signed_in.send(f"/people/{ben.user_id}/role", status=409, role="viewer")
    assert "comes from" in refusal.text


@pytest.mark.parametrize(("act", "left"), [("add", 2), ("dismiss", 1)])
def test_a_waiting_account_becomes_a_new_person_or_goes(
    console: Flask, admin: Actor, signed_in: Browser, provider: LoopbackProvider, act: str, left: int
) -> None:
    provider.claims = {"email": admin.email}
    refused(enter(Browser(console)), 403)
    page = signed_in.get("/people")
    path = next(button["formaction"] for button in page.root.all("button") if button["formaction"].endswith(act))

    token = page.form("/people").one("input", name="csrf_token")["value"]
    signed_in.post(path, {"csrf_token": token})

    with console.app_context():
        assert len(users.listing(admin)) == left
        assert identities.waiting(admin) == []
