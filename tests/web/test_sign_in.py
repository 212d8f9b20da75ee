"""Signing in and out, set-up, and redirects after them."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.models import UserSession
from agents_app.operations import accounts
from agents_app.operations.permissions import Actor
from agents_app.web.urls import local_path
from tests.conftest import OpenConsole
from tests.make import PASSWORD, cookie_name, make_user
from tests.web.conftest import Browser, Page, SignIn, fields_of

OTHER_SITES = [
    "//evil.com",
    "///evil.com",
    "/\\evil.com",
    "\\\\evil.com",
    "/\t/evil.com",
    "/\n/evil.com",
    "/\r\nSet-Cookie: a=b",
    "\t//evil.com",
    " //evil.com",
    "https://evil.com",
    "https:evil.com",
    "javascript:alert(1)",
    "evil.com",
    "",
    "/ /evil.com",
    "/\x00/evil.com",
    "/a\x7fb",
]
PAGES = ["/", "/agents", "/agents/new", "/tokens", "/tokens/new", "/agents?status=active&q=two%20words"]


@pytest.mark.parametrize("address", OTHER_SITES)
def test_next_never_leads_to_another_site(address: str, console: Flask) -> None:
    with console.test_request_context():
        assert local_path(address) == "/"


@pytest.mark.parametrize("address", ["/agents", "/agents?q=a%20b&sort=name", "/agents/new"])
def test_next_leads_to_a_page_of_this_site(address: str, console: Flask) -> None:
    with console.test_request_context():
        assert local_path(address) == address


@pytest.mark.parametrize("address", ["//evil.com", "/\\evil.com", "/\t/evil.com"])
def test_signing_in_and_choosing_a_theme_stay_on_this_site(address: str, console: Flask, admin: Actor) -> None:
    browser = Browser(console)

    answer = browser.send("/sign-in", email=admin.email, password=PASSWORD, next=address)
    assert answer.headers["Location"] == "/"

    answer = browser.send("/agents", "/theme", theme="dark", next=address)
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("address", PAGES)
def test_an_anonymous_visitor_is_redirected_to_sign_in_and_back(address: str, console: Flask, admin: Actor) -> None:
    browser = Browser(console)

    answer = browser.client.get(address)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in")
    assert answer.headers["Cache-Control"] == "no-store"

    answer = browser.send(browser.get(answer.headers["Location"]), "/sign-in", email=admin.email, password=PASSWORD)
    assert answer.headers["Location"] == address


def test_a_form_from_an_anonymous_visitor_redirects_to_sign_in(console: Flask) -> None:
    browser = Browser(console)
    unknown = "00000000-0000-0000-0000-000000000000"

    answer = browser.post(f"/agents/{unknown}/test", {"csrf_token": browser.token()})

    assert answer.headers["Location"] == "/sign-in"


@pytest.mark.parametrize("changes", [{"password": "wrong"}, {"email": "nobody@example.org"}, {"email": ""}])
def test_a_wrong_email_address_and_a_wrong_password_get_the_same_answer(
    changes: dict[str, str], console: Flask, admin: Actor
) -> None:
    page = Browser(console).send("/sign-in", status=422, **{"email": admin.email, "password": PASSWORD, **changes})

    assert isinstance(page, Page)
    assert "The email address or the password is wrong." in page.root.one(class_="problems").text
    assert PASSWORD not in page.html


def test_too_many_attempts_to_sign_in_are_throttled(console: Flask, admin: Actor) -> None:
    browser = Browser(console, "198.51.100.7")
    for _ in range(10):
        browser.send("/sign-in", status=422, email=admin.email, password="wrong")

    page = browser.send("/sign-in", status=429, email=admin.email, password=PASSWORD)

    assert isinstance(page, Page)
    assert int(page.answer.headers["Retry-After"]) > 0
    assert "Too many wrong passwords" in page.text


def test_a_form_without_its_csrf_value_is_refused(console: Flask, browser: Browser) -> None:
    for address in ("/sign-in", "/sign-out", "/theme", "/agents/new", "/tokens/new"):
        page = browser.post(address, {"name": "x"}, status=400)
        assert isinstance(page, Page)
        assert "no longer valid" in page.text


def test_a_csrf_value_of_another_browser_is_refused(console: Flask, browser: Browser) -> None:
    browser.post("/theme", {"theme": "dark", "csrf_token": Browser(console).token()}, status=400)


def test_signing_in_replaces_the_csrf_value_and_the_cookie(console: Flask, admin: Actor) -> None:
    browser = Browser(console)
    before = browser.token()

    browser.send("/sign-in", email=admin.email, password=PASSWORD)

    browser.post("/theme", {"theme": "dark", "csrf_token": before}, status=400)


def test_signing_out_ends_the_session_on_the_server(console: Flask, browser: Browser) -> None:
    cookie = browser.client.get_cookie(cookie_name(browser.client.application))
    assert cookie is not None

    answer = browser.send("/agents", "/sign-out")
    assert answer.headers["Location"] == "/sign-in"
    assert "You are signed out." in browser.get("/sign-in").text

    thief = Browser(console)
    thief.client.set_cookie(cookie_name(thief.client.application), cookie.value)
    assert thief.client.get("/agents").status_code == 303


def test_only_a_signed_in_user_extends_a_session_and_never_beyond_its_end(
    console: Flask, browser: Browser, admin: Actor
) -> None:
    visitor = Browser(console)
    visitor.post("/session", {"csrf_token": visitor.token()})
    values = {"csrf_token": browser.token()}
    hour = timedelta(hours=1)
    with console.app_context(), db.transaction() as session:
        session.execute(sa.update(UserSession).values(last_seen_at=now() - hour, expires_at=now() + hour))

    answer = browser.client.post("/session", data=values)

    assert (
        answer.get_json()["idle"] > (console.extensions["settings"].session_idle - timedelta(minutes=1)).total_seconds()
    )
    assert hour.total_seconds() - 60 < answer.get_json()["whole"] <= hour.total_seconds()
    page = browser.get("/agents").root.one(class_="session-notice")
    assert int(page["data-idle"]) > int(page["data-whole"]) > hour.total_seconds() - 60


@pytest.mark.parametrize(
    ("address", "hints"),
    [
        ("/sign-in", {"email": "username", "password": "current-password"}),
        ("/profile", {"current_password": "current-password", "password": "new-password"}),
        ("/agents/new", {"api_key": "new-password", "DB-password": "new-password"}),
    ],
)
def test_password_managers_get_their_hints(
    address: str, hints: dict[str, str], console: Flask, browser: Browser
) -> None:
    page = (Browser(console) if address == "/sign-in" else browser).get(address)

    for name, hint in hints.items():
        assert hint in {field["autocomplete"] for field in page.root.all("input", name=name)}
    assert address != "/profile" or page.root.all("input", autocomplete="username", type="text")


def test_a_signed_in_user_is_redirected_from_the_sign_in_page(browser: Browser) -> None:
    assert browser.client.get("/sign-in?next=/tokens").headers["Location"] == "/tokens"


def test_over_https_the_cookie_is_secure(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(sqlite_schema_url, PUBLIC_URL="https://agents.example.org")
    admin = make_user(app)
    client = app.test_client()
    page = Page(client.get("/sign-in", base_url="https://agents.example.org"))
    values = {**fields_of(page.form("/sign-in")), "email": admin.email, "password": PASSWORD}

    answer = client.post("/sign-in", data=values, base_url="https://agents.example.org")

    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{cookie_name(app)}=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


@pytest.mark.parametrize("address", ["/tokens", "/tokens/new"])
@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_tokens_are_for_admins(address: str, role: str, console: Flask, signed_in: SignIn) -> None:
    page = signed_in(make_user(console, role)).get(address, 403)

    assert "Only an admin can do this." in page.text
    assert page.root.one("a", href="/")


def test_a_console_without_account_redirects_to_set_up_and_only_then(
    schema_url: str, open_console: OpenConsole
) -> None:
    browser = Browser(open_console(schema_url))
    assert browser.client.get("/agents").headers["Location"] == "/sign-in?next=/agents"
    assert browser.client.get("/sign-in").headers["Location"] == "/setup"
    assert not browser.get("/setup").root.all(id="code")

    page = browser.send("/setup", status=422, account_name="Acme", name="Ada", email="ada", password="short")
    assert isinstance(page, Page)
    assert page.error_at("email") == "Write an email address, such as ada@example.org."
    assert page.error_at("password") == "Use 12 to 1,024 characters."
    assert page.root.one(id="name")["value"] == "Ada"

    given = {"account_name": "Acme", "name": "Ada", "email": "ada@example.org", "password": PASSWORD}
    form = browser.get("/setup")
    answer = browser.send(form, "/setup", **given)
    assert answer.headers["Location"] == "/agents"
    assert "Create your first agent" in browser.get("/agents").text

    assert browser.client.get("/setup").headers["Location"] == "/sign-in"
    late = Browser(browser.client.application)
    answer = late.post("/setup", {"csrf_token": late.token(), **given})
    assert answer.headers["Location"] == "/sign-in"


def test_a_set_up_form_that_is_sent_twice_signs_in_the_same_user(schema_url: str, open_console: OpenConsole) -> None:
    first = Browser(open_console(schema_url))
    second = Browser(first.client.application)
    form = first.get("/setup")
    cookie = first.client.get_cookie(cookie_name(first.client.application))
    assert cookie is not None
    second.client.set_cookie(cookie_name(second.client.application), cookie.value)
    given = {"account_name": "Acme", "name": "Ada", "email": "ada@example.org", "password": PASSWORD}

    answers = [browser.send(form, "/setup", **given) for browser in (first, second)]

    assert [answer.headers["Location"] for answer in answers] == ["/agents"] * 2
    second.get("/agents")
    with first.client.application.app_context():
        assert [account["people"] for account in accounts.listing()] == [1]


def test_set_up_asks_for_its_code_where_the_console_is_public(
    sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    app = open_console(sqlite_schema_url, PUBLIC_URL="http://localhost")
    browser = Browser(app)
    given = {"account_name": "Acme", "name": "Ada", "email": "ada@example.org", "password": PASSWORD}

    page = browser.send("/setup", status=422, code="AAAA-BBBB-CCCC", **given)

    assert isinstance(page, Page)
    assert page.error_at("code") == "Enter the set-up code that the server printed when it started."
    with app.app_context():
        code = accounts.setup_code()
    assert browser.send("/setup", code=code, **given).headers["Location"] == "/agents"
