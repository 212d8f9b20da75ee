"""What all pages share: icons, URLs of static files, theme, headers, errors."""

import re
from datetime import timedelta

import pytest
from flask import Flask

from agents_app.connections import TYPES
from agents_app.db import now
from agents_app.operations.permissions import Actor
from agents_app.paths import ROOT
from agents_app.values import limits
from agents_app.web import activity_sentences, display, icons
from agents_app.web import connection_display as types
from tests.conftest import OpenConsole
from tests.make import make_agent
from tests.web.conftest import Browser, Page

TEMPLATES = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
THEME = (ROOT / "agents_app" / "web" / "theme.py").read_text()
# What templates give to `icon`, such as: "arrow-down" if is_descending else "arrow-up", 14
ARGUMENTS = "\n".join(re.findall(r"(?:icon\(|set icons = )(.+?)(?:\) ?-?}}| %})", TEMPLATES))
USED_ICONS = {
    # All texts but the keys of dictionaries and what something is compared with.
    *re.findall(r'(?<!== )"([a-z0-9-]+)"(?!:)', ARGUMENTS),
    *re.findall(r'(?:empty|nav_link)\((?:[^"()]|\([^()]*\))*"([a-z0-9-]+)", "', TEMPLATES),
    *display.THEMES.values(),
    icons.OF_UNKNOWN_TYPE,
    *(name for name, _ in activity_sentences.MARKS.values()),
    "history",
}


@pytest.mark.parametrize("name", sorted(USED_ICONS | {declaration.icon for declaration in TYPES.values()}))
def test_every_used_icon_is_in_the_file_of_icons(name: str, console: Flask) -> None:
    with console.test_request_context():
        drawn = icons.icon(name)

    assert 'aria-hidden="true"' in drawn
    address = re.search(r'href="([^"#]+)#([a-z0-9-]+)"', drawn)
    assert address
    answer = console.test_client().get(address[1])
    assert answer.mimetype == "image/svg+xml"
    assert f'id="{address[2]}"' in answer.text


def test_the_file_has_no_icon_that_is_not_used() -> None:
    assert [name for name in icons.NAMES if f'"{name}"' not in TEMPLATES + THEME and name not in USED_ICONS] == []


def test_an_icon_that_is_not_in_the_file_is_refused(console: Flask) -> None:
    with console.test_request_context(), pytest.raises(LookupError, match="no 'airplane'"):
        icons.icon("airplane")


def test_every_button_that_sends_a_form_has_a_text_for_the_time_until_the_answer() -> None:
    buttons = re.findall(r"<button\b(?:[^>{]|{{.*?}})*>", TEMPLATES, re.DOTALL)
    silent = [
        button
        for button in buttons
        if 'type="button"' not in button and "data-busy" not in button and "quiet" not in button
    ]

    # A search and a theme show their result at once.
    assert [button for button in silent if 'name="theme"' not in button and "search-go" not in button] == []
    assert len(buttons) > 20


def test_a_connection_type_of_a_later_release_is_shown_by_its_stored_name() -> None:
    assert [
        types.type_label("LATER"),
        types.type_icon("LATER"),
        types.type_colour("LATER"),
    ] == [
        "LATER",
        "plug",
        "grey",
    ]


def test_pages_after_sign_in_are_not_cached(browser: Browser) -> None:
    answer = browser.client.get("/agents")

    assert answer.headers["Cache-Control"] == "no-store"
    assert "Cookie" in answer.headers["Vary"]


@pytest.mark.parametrize("theme", ["light", "dark", "system"])
def test_the_theme_is_rendered_by_the_server(theme: str, browser: Browser) -> None:
    answer = browser.send("/agents", "/theme", theme=theme)

    assert answer.headers["Location"] == "/agents"
    page = browser.get("/agents")
    assert page.root.one("html")["data-theme"] == theme
    assert page.root.one("button", value=theme)["aria-pressed"] == "true"


def test_an_unknown_theme_changes_nothing(browser: Browser) -> None:
    browser.send("/agents", "/theme", theme="<b>")
    browser.client.set_cookie("theme", "<b>")

    assert browser.get("/agents").root.one("html")["data-theme"] == "system"


@pytest.mark.parametrize(
    "address", ["/nothing", "/agents/1", "/agents/new/nothing", "/static/nothing.css", "/tokens/x"]
)
def test_a_missing_page_is_an_error_page_with_a_link_back(address: str, console: Flask, browser: Browser) -> None:
    for visitor in (browser, Browser(console)):
        answer = visitor.client.get(address)
        page = Page(answer)
        assert page.status == 404
        assert page.root.one("a", href="/")
        assert answer.headers["X-Request-ID"] in page.text


def test_a_form_that_is_too_large_is_refused_with_the_limit(browser: Browser) -> None:
    values = {"csrf_token": browser.token(), "name": "x" * limits.BODY_BYTES}

    page = browser.post("/agents/new", values, status=413)

    assert isinstance(page, Page)
    assert page.title.startswith("Request too large")
    assert "Send at most 1,000 kB." in page.text


def test_a_wrong_method_is_answered_with_a_page(browser: Browser) -> None:
    page = Page(browser.client.get("/sign-out"))

    assert page.status == 405
    assert page.answer.headers["Allow"]


def test_a_form_with_too_many_parts_is_answered_with_a_page(browser: Browser) -> None:
    page = Page(browser.client.post("/agents/new", data={"name": "x" * 1_100_000}))

    assert page.status == 413


@pytest.mark.parametrize("address", ["/", "/sign-in", "/setup", "/agents"])
def test_a_missing_database_is_answered_with_a_page(address: str, sqlite_url: str, open_console: OpenConsole) -> None:
    browser = Browser(open_console(sqlite_url))
    with browser.client.session_transaction() as session:
        session["sid"] = "some-session"

    page = Page(browser.client.get(address))

    assert page.status == 503
    assert page.answer.headers["Retry-After"] == "2"
    assert "Try again" in page.text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "just now"),
        (-5, "just now"),
        (61, "1 min ago"),
        (7_300, "2 h ago"),
        (86_500, "1 day ago"),
        (90 * 86_400, "90 days ago"),
        (200 * 86_400, "6 months ago"),
        (800 * 86_400, "2 years ago"),
        (-90 * 86_400 + 5, "in 90 days"),
    ],
)
def test_a_relative_time_uses_the_largest_unit(seconds: int, words: str) -> None:
    shown = display.when(now() - timedelta(seconds=seconds))

    assert f">{words}<" in shown
    assert " UTC" in shown
    assert 'datetime="' in shown


def test_the_list_shows_a_credential_that_expires_soon(console: Flask, admin: Actor, browser: Browser) -> None:
    today = now().date()
    for name, days in (("Over", -1), ("Near", 9), ("Far", 300)):
        config = {"credential_expires_at": (today + timedelta(days=days)).isoformat()}
        make_agent(console, admin, name=name, connection_type="POWERBI", connection_config=config)

    rows = {row.all("a")[0].text: row.text for row in browser.get("/agents").root.one("tbody").all("tr")}

    assert "Credential: Expired" in rows["Over"]
    assert "Credential: Ends in 9 d" in rows["Near"]
    assert "Credential:" not in rows["Far"]
