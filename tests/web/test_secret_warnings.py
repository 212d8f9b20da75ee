"""The form of an agent warns of what looks like a secret in a public field, and saves it if it is sent again."""

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from agents_app.operations import agent_reads
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import parse
from tests.make import make_agent
from tests.web.conftest import Browser, Page
from tests.web.test_agents import NEW_DATABASE

KEY = "sk-proj-Zk3vXy8Qm1TtLw6RbNc4HsJd9GfPa2Ue"


@pytest.mark.parametrize(
    ("changes", "input_id"),
    [
        ({"description": f"Uses {KEY}"}, "description"),
        ({"labels": f"team=core\nkey={KEY}"}, "labels"),
        ({"DB-table_allow_list": f"orders\n{KEY}"}, "DB-table_allow_list"),
    ],
)
def test_a_field_with_a_secret_is_warned_of_once_and_saved_the_second_time(
    changes: dict[str, str], input_id: str, browser: Browser
) -> None:
    page = browser.send("/agents/new", status=422, **{**NEW_DATABASE, **changes})

    assert isinstance(page, Page)
    said = page.root.one(id="warnings").text
    assert (
        "Remove it, or press Create agent again to keep the value as it is. Before that, type the secrets again" in said
    )
    assert page.root.one(id="warnings").one("a")["href"] == f"#{input_id}"
    assert page.root.one(id=f"{input_id}-warning")["class"] == "warning"
    assert ("The label key contains" in page.root.one(id=f"{input_id}-warning").text) == (input_id == "labels")
    assert f"{input_id}-warning" in page.root.one(id=input_id)["aria-describedby"]
    assert page.root.one(id=input_id).inside("details")
    again = {name: NEW_DATABASE[name] for name in ("DB-password", "api_key")}
    assert isinstance(browser.send(page, "/agents/new", **again), TestResponse)


def test_another_secret_is_warned_of_again(browser: Browser) -> None:
    page = browser.send("/agents/new", status=422, **{**NEW_DATABASE, "description": KEY})
    assert isinstance(page, Page)
    again = {name: NEW_DATABASE[name] for name in ("DB-password", "api_key")}

    page = browser.send(page, "/agents/new", status=422, **again, description=KEY.replace("Z", "Y"))

    assert isinstance(page, Page)
    assert page.root.one(id="description-warning")


def test_warnings_and_errors_are_shown_together(console: Flask, admin: Actor, browser: Browser) -> None:
    page = browser.send("/agents/new", status=422, **{**NEW_DATABASE, "name": "", "description": KEY})

    assert isinstance(page, Page)
    assert page.error_at("name") == "Enter a name for the agent."
    assert page.root.one(id="description-warning")
    with console.app_context():
        assert agent_reads.listing(admin, parse({})).items == []


def test_a_stored_text_that_is_not_changed_is_not_warned_of(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, description=KEY)

    assert isinstance(browser.send(f"/agents/{agent_id}/edit", name="Retail"), TestResponse)
    page = browser.send(f"/agents/{agent_id}/edit", status=422, system_instructions=f"Use {KEY}")

    assert isinstance(page, Page)
    assert [found["id"] for found in page.root.all("p", class_="warning")] == ["system_instructions-warning"]
    assert isinstance(browser.send(page, f"/agents/{agent_id}/edit"), TestResponse)


def test_the_reason_for_disabling_is_warned_of_once(console: Flask, admin: Actor, browser: Browser) -> None:
    path = f"/agents/{make_agent(console, admin)}/disable"

    page = browser.send(path, status=422, reason=f"Replaced by {KEY}")

    assert isinstance(page, Page)
    assert page.root.one(id="reason-warning")["class"] == "warning"
    assert isinstance(browser.send(page, path), TestResponse)
