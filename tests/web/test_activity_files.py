"""The CSV file of the page Activity is complete, or programs see that it is not."""

import json
from datetime import timedelta
from http.client import HTTPConnection, IncompleteRead

import pytest
from flask import Flask

from agents_app.operations import event_exports
from agents_app.operations.permissions import Actor
from tests.conftest import OpenConsole
from tests.make import PASSWORD, cookie_name, make_user
from tests.many_events import START, add_events, break_after_a_batch
from tests.security.served import HOST, served
from tests.web.conftest import Browser
from tests.web.test_activity import rows_of


def test_a_file_whose_first_rows_cannot_be_read_is_an_error_page(open_console: OpenConsole, schema_url: str) -> None:
    app = open_console(schema_url)
    admin = make_user(app)
    browser = Browser(app)
    browser.send("/sign-in", email=admin.email, password=PASSWORD)
    break_after_a_batch(app, admin.account_id)

    answer = browser.client.get("/activity/export?about=agent", environ_base=browser.environ)

    assert answer.status_code >= 500
    assert "Content-Disposition" not in answer.headers


def test_a_download_that_fails_in_the_middle_ends_without_its_end(open_console: OpenConsole, schema_url: str) -> None:
    app = open_console(schema_url)
    admin = make_user(app)
    browser = Browser(app)
    browser.send("/sign-in", email=admin.email, password=PASSWORD)
    # The file has the newest events first.
    break_after_a_batch(app, admin.account_id, START - timedelta(days=1))
    cookie = browser.client.get_cookie(cookie_name(app), domain=HOST)
    assert cookie is not None

    with served(app) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/activity/export", headers={"Host": HOST, "Cookie": f"{cookie.key}={cookie.value}"})
        answer = connection.getresponse()
        with pytest.raises(IncompleteRead) as cut:
            answer.read()
        connection.close()

    assert answer.status == 200
    assert b"signed in" in cut.value.partial


def test_the_file_is_complete_whatever_limit_and_page_the_list_has(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    stored = add_events(console, admin.account_id, event_exports.BATCH * 2 + 1, details={"note": "=1"})
    page = browser.get("/activity?limit=5&about=user&until=2026-03-01T12:30:00Z")

    found = rows_of(browser, page.root.one("a", rel="next")["href"].replace("/activity?", "/activity/export?"))

    assert [row["Event ID"] for row in found] == stored[::-1]
    assert json.loads(found[0]["Details"]) == {"note": "=1"}
    assert "To 1 Mar 2026, 12:30:00 UTC" in page.text
