"""The sign-in page of a console with a provider, and signing out at the provider."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import UserSession
from agents_app.operations.permissions import Actor
from tests.conftest import OpenConsole
from tests.make import PASSWORD, cookie_name, make_user
from tests.probes.local_server import Reply
from tests.sign_on.loopback_provider import CLIENT_ID, CLIENT_SECRET, LoopbackProvider
from tests.web.conftest import Browser, Page, fields_of
from tests.web.test_sign_on import begin, come_back, enter

OpenWith = Callable[..., Flask]


@pytest.fixture
def open_with(schema_url: str, open_console: OpenConsole, provider: LoopbackProvider) -> OpenWith:
    """A function that opens a console with this provider and further settings."""
    named = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    return lambda **settings: open_console(schema_url, **named, **settings)


@pytest.fixture
def console(open_with: OpenWith) -> Flask:
    """A console with this provider."""
    return open_with()


@pytest.fixture
def admin(console: Flask) -> Actor:
    """The admin of the one account."""
    return make_user(console, name="Ada")


def way_to_provider(page: Page) -> str:
    """The address of the link that leads to the provider."""
    (found,) = [link["href"] for link in page.root.all("a") if "Sign in with" in link.text]
    return str(found)


def test_where_nobody_may_use_a_password_the_page_has_no_form_for_one(open_with: OpenWith) -> None:
    console = open_with(PASSWORD_SIGN_IN="off")
    make_user(console)

    page = Browser(console).get("/sign-in")

    assert way_to_provider(page) == "/sign-on"
    assert page.root.all("input", name="password") == []
    assert "Sign in with a password" not in page.text


@pytest.mark.parametrize(("rule", "is_open"), [("on", True), ("ada@example.org", False)])
def test_the_form_for_a_password_is_open_where_everyone_may_use_it(
    open_with: OpenWith, rule: str, is_open: bool
) -> None:
    console = open_with(PASSWORD_SIGN_IN=rule)
    make_user(console)
    browser = Browser(console)

    page = browser.get("/sign-in")

    assert ("open" in page.root.one("details").attributes) is is_open
    # After an error the form is shown.
    wrong = browser.send(page, email="ada@example.org", password="wrong", action="/sign-in", status=422)
    assert isinstance(wrong, Page)
    assert "open" in wrong.root.one("details").attributes


def test_the_way_to_the_provider_keeps_where_the_person_wanted_to_go(console: Flask, admin: Actor) -> None:
    browser = Browser(console)
    asked = browser.client.get("/activity", environ_base=browser.environ)

    path = way_to_provider(browser.get(asked.headers["Location"]))

    assert come_back(browser, begin(browser, path)).headers["Location"] == "/activity"


def test_without_a_provider_the_page_has_the_form_only(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    console = open_console(sqlite_schema_url)
    make_user(console)

    page = Browser(console).get("/sign-in")

    assert not page.root.all("details")
    assert "Sign in with the email address and password" in page.text


def test_a_form_whose_session_ended_is_kept_while_another_tab_signs_in_at_the_provider(
    console: Flask, admin: Actor
) -> None:
    browser = Browser(console)
    enter(browser)
    form = browser.get("/account")
    with console.app_context(), db.transaction() as session:
        session.execute(sa.delete(UserSession))
    ended = browser.send(form, action="/account", status=401, name="Acme & Söhne")
    assert isinstance(ended, Page)
    assert ended.root.one("a", target="_blank")["href"].startswith("/sign-on?")

    early = browser.send(ended, action="/sign-in/continue", status=422)
    assert isinstance(early, Page)
    assert "You are not signed in yet" in early.text
    come_back(browser, begin(browser, "/sign-on?next=/profile"))

    # The page is older than the session. The script-less browser sends it nevertheless.
    resumed = browser.send(early, action="/sign-in/continue", status=400)
    assert isinstance(resumed, Page)
    again = browser.post(resumed.form("/account")["action"], fields_of(resumed.form("/account")), status=200)
    assert isinstance(again, Page)
    assert again.root.one("input", name="name")["value"] == "Acme & Söhne"


def test_continue_without_a_form_leads_home(console: Flask, admin: Actor) -> None:
    browser = Browser(console)

    answer = browser.post("/sign-in/continue", {"csrf_token": browser.token()})

    assert answer.headers["Location"] == "/"


def test_signing_out_leads_to_the_provider_and_back(console: Flask, admin: Actor, provider: LoopbackProvider) -> None:
    browser = Browser(console)
    enter(browser)
    # The page says that the person is signed out, which is not true yet.
    assert browser.client.get("/sign-out/provider").headers["Location"] == "/"

    answer = browser.send("/profile", action="/sign-out")
    page = browser.get(answer.headers["Location"])
    left = browser.client.get("/sign-out/provider/go", environ_base=browser.environ)

    assert "You are signed out of the console" in page.text
    assert page.root.one("meta", **{"http-equiv": "refresh"})["content"] == "0; url=/sign-out/provider/go"
    url = urlsplit(left.headers["Location"])
    assert (left.status_code, f"{url.scheme}://{url.netloc}") == (303, provider.issuer)
    back = f"{console.extensions['settings'].base_url}/sign-in"
    assert parse_qs(url.query) == {"client_id": [CLIENT_ID], "post_logout_redirect_uri": [back]}
    assert browser.client.get("/profile").status_code == 303
    assert "You are signed out." in browser.get("/sign-in").text


def test_signing_out_of_a_session_by_password_stays_in_the_console(console: Flask, admin: Actor) -> None:
    browser = Browser(console)
    browser.send("/sign-in", action="/sign-in", email=admin.email, password=PASSWORD)

    assert browser.send("/profile", action="/sign-out").headers["Location"] == "/sign-in"


@pytest.mark.parametrize("trouble", ["no page", "away"])
def test_where_the_provider_cannot_sign_out_the_page_says_so(
    console: Flask, admin: Actor, provider: LoopbackProvider, trouble: str
) -> None:
    if trouble == "away":
        provider.replies["/.well-known/openid-configuration"] = lambda _request: Reply(500)
    else:
        provider.metadata["end_session_endpoint"] = None

    page = Browser(console).get("/sign-out/provider/go")

    assert "You may still be signed in at 127.0.0.1" in page.text


def test_without_a_provider_there_is_nowhere_to_sign_out(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    browser = Browser(open_console(sqlite_schema_url))

    for path in ("/sign-out/provider", "/sign-out/provider/go"):
        assert "OIDC_ISSUER is not set" in browser.get(path, 404).text


def test_a_session_by_password_says_why_it_ended_when_passwords_are_switched_off(
    console: Flask, admin: Actor, open_with: OpenWith
) -> None:
    earlier = Browser(console)
    earlier.send("/sign-in", action="/sign-in", email=admin.email, password=PASSWORD)
    form = earlier.get("/account")
    later = Browser(open_with(PASSWORD_SIGN_IN="off"))
    cookie = earlier.client.get_cookie(cookie_name(console))
    assert cookie
    later.client.set_cookie(cookie_name(console), cookie.value)

    ended = later.send(form, action="/account", status=401, name="Acme")
    page = later.get(later.client.get("/account").headers["Location"])

    assert isinstance(ended, Page)
    for shown in (ended, page):
        assert "You sign in with 127.0.0.1" in shown.text
        assert "not with a password." in shown.text
