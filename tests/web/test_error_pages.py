"""Error pages keep the menu for people who are signed in, and say who can help."""

from uuid import uuid4

import pytest
from flask import Flask

from agents_app.operations.permissions import Actor
from tests.conftest import OpenConsole
from tests.make import make_user
from tests.web.conftest import Browser, Page, SignIn


@pytest.fixture
def console(_sqlite_console: Flask) -> Flask:
    """The shared console on one database, because these pages do not depend on it."""
    return _sqlite_console


def menu(page: Page) -> list[str]:
    """The texts of the main menu. Empty where the page has none."""
    return [link.text for nav in page.root.all("nav", aria_label="Main") for link in nav.all("a")]


def test_a_visitor_who_is_not_signed_in_gets_no_menu_and_no_names(console: Flask, admin: Actor) -> None:
    visitor = Browser(console)
    ended = Browser(console)
    with ended.client.session_transaction() as session:
        session["sid"] = "a session that has ended"

    for browser in (visitor, ended):
        page = browser.get("/nothing", 404)
        assert menu(page) == []
        assert admin.name not in page.text


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_a_refusal_names_the_active_admins_of_the_own_account(
    role: str, console: Flask, admin: Actor, signed_in: SignIn
) -> None:
    make_user(console, name="Foreign Admin")
    make_user(console, account_id=admin.account_id, name="Grace Hopper")
    make_user(console, account_id=admin.account_id, name="Left Admin", is_active=False)

    page = signed_in(make_user(console, role, admin.account_id)).get("/tokens", 403)

    assert "Only an admin can do this." in page.text
    assert "For help, ask the admins of Acme: Admin, Grace Hopper." in page.text
    assert menu(page) == ["Agents", "Activity", "API reference"]
    assert page.answer.headers["X-Request-ID"] in page.text


def test_an_error_page_names_at_most_five_admins(console: Flask, admin: Actor, signed_in: SignIn) -> None:
    for number in range(6):
        make_user(console, account_id=admin.account_id, name=f"Name {number}")

    page = signed_in(make_user(console, "viewer", admin.account_id)).get("/people", 403)

    assert "Admin, Name 0, Name 1, Name 2, Name 3 and 2 more." in page.text


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/sign-out", 405),
        ("POST", "/agents/new", 400),
        ("GET", "/people/%00", 404),
    ],
)
def test_an_error_page_keeps_the_menu(method: str, address: str, status: int, browser: Browser) -> None:
    page = Page(browser.client.open(address, method=method))

    assert page.status == status
    assert menu(page) == ["Agents", "Activity", "People", "API tokens", "System", "API reference"]
    assert page.root.one("a", class_="person-link")


def test_without_the_database_the_menu_has_what_everyone_has(sqlite_url: str, open_console: OpenConsole) -> None:
    browser = Browser(open_console(sqlite_url))
    with browser.client.session_transaction() as session:
        session["sid"] = "some-session"

    page = browser.get("/agents", 503)

    assert menu(page) == ["Agents", "Activity", "API reference"]
    assert "Your name and role cannot be read at the moment." in page.text
    assert "tell an operator of this server the request id" in page.text
    assert not page.root.all("a", class_="person-link")
    for address in ("/agents", "/sign-in"):
        # Nothing says when a session ends that cannot be read.
        assert not browser.get(address, 503).root.all(class_="session-notice")


def test_an_error_of_the_frame_itself_is_answered_with_a_page_without_it(
    sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    console = open_console(sqlite_schema_url)
    browser = Browser(console)
    browser.send("/sign-in", email=make_user(console).email, password="a long pass phrase 27")
    # A fault that every page with the menu has.
    del console.jinja_env.filters["initials"]
    console.jinja_env.cache.clear()

    page = browser.get("/agents", 500)

    assert menu(page) == []
    assert page.answer.headers["X-Request-ID"] in page.text


def test_only_the_missing_page_of_a_record_points_to_activity(browser: Browser) -> None:
    pages = [browser.get(address, 404).text for address in ("/nothing", f"/people/{uuid4()}/delete")]

    assert ["If a link led here, Activity shows" in text for text in pages] == [False, True]
