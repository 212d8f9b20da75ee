"""The schema of the database, in the browser."""

import pytest
import sqlalchemy as sa
from alembic import command
from flask import Flask

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import db
from tests.conftest import OpenConsole
from tests.make import make_user
from tests.web.conftest import PASSWORD, Browser


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Flask:
    """A console of this test's own, whose schema it may change."""
    return open_console(schema_url)


@pytest.fixture
def browser(app: Flask) -> Browser:
    """An admin's browser."""
    browser = Browser(app)
    browser.send("/sign-in", email=make_user(app).email, password=PASSWORD)
    return browser


def test_a_schema_at_head_is_said_to_be_up_to_date(browser: Browser) -> None:
    page = browser.get("/database")

    assert "Up to date" in page.text
    assert "None. Every table is what it should be." in page.text


def test_what_was_changed_by_hand_is_named(app: Flask, browser: Browser) -> None:
    with app.app_context(), db.transaction() as session:
        session.execute(sa.text("ALTER TABLE agents ADD COLUMN nickname TEXT"))

    page = browser.get("/database")

    assert "agents.nickname" in page.root.one("ul", class_="drift").text
    assert "Up to date" not in page.text


def test_pending_steps_are_shown_with_their_sql(schema_url: str, browser: Browser) -> None:
    command.downgrade(dbtools.alembic_config(parse_url(schema_url)), "a5ecd374ab0b-1")

    page = browser.get("/database")

    assert "2 steps are pending" in page.text
    assert "flask db deploy" in page.text
    assert any("CREATE TABLE" in script.text for script in page.root.all("pre"))
    assert "Not looked at while steps are pending." in page.text


def test_a_database_that_a_newer_release_migrated_is_said_to_be_ahead(app: Flask, browser: Browser) -> None:
    with app.app_context(), db.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = 'ffffffffffff'"))

    page = browser.get("/database")

    assert "Ahead of this release" in page.text
    assert "ffffffffffff" in page.text
