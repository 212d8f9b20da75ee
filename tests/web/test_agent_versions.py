"""The page of one version: who changed what. Changed words are marked, and no value of a secret is shown."""

import copy
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask, g

from agents_app.db import db
from agents_app.models import AgentVersion
from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.values.text_comparison import WORK_MAX
from agents_app.web.differences import changed_words
from tests.make import POWER_BI, make_agent, make_user
from tests.operations.test_snapshots import CHANGES, CONFIGS, places, put, rewrite
from tests.web.conftest import Browser, Page, SignIn

# What is done with the stored values is the same on both databases.
ONE_DATABASE = pytest.mark.parametrize("console", ["sqlite"], indirect=True)
SECRETS = {"api_key": "sk-0123456789-canary", CONFIG: {"password": "canary-of-the-database"}}


@pytest.fixture
def agent_id(console: Flask, admin: Actor) -> UUID:
    """An agent with secrets and instructions, which is at version 1."""
    return make_agent(console, admin, name="Sales", system_instructions="Answer in two sentences.", **SECRETS)


@pytest.fixture
def change(console: Flask, admin: Actor, agent_id: UUID) -> Callable[..., None]:
    """A function that changes the agent."""

    def change_it(**changes: Any) -> None:
        with console.app_context():
            agents.update(admin, agent_id, changes)

    return change_it


def version(browser: Browser, agent_id: UUID, number: int) -> Page:
    """The page of a version."""
    return browser.get(f"/agents/{agent_id}/versions/{number}")


def table(page: Page) -> dict[str, list[str]]:
    """The values of each row by the label of its field."""
    rows = page.root.one("table").one("tbody").all("tr") if page.root.all("table") else []
    return {row.one("th").text: [cell.text for cell in row.all("td")] for row in rows}


@pytest.mark.parametrize("number", [0, 2, 2**31, 10**30])
def test_a_version_that_does_not_exist_is_not_found(number: int, browser: Browser, agent_id: UUID) -> None:
    browser.get(f"/agents/{agent_id}/versions/{number}", 404)
    browser.get(f"/agents/{uuid4()}/versions/1", 404)


def test_a_version_of_another_account_is_not_found(console: Flask, signed_in: SignIn, agent_id: UUID) -> None:
    signed_in(make_user(console, name="Mallory")).get(f"/agents/{agent_id}/versions/1", 404)


@ONE_DATABASE
@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("kind", CONFIGS)
def test_any_incomplete_or_invalid_snapshot_is_shown(
    kind: str, how: str, console: Flask, admin: Actor, browser: Browser
) -> None:
    with console.app_context():
        agent_id = make_agent(console, admin, connection_type=kind, connection_config=CONFIGS[kind])
        agents.update(admin, agent_id, {"description": "Changed."})
        found = places(console, admin, kind)
        with db.reading() as connection:
            snapshot = connection.scalar(sa.select(AgentVersion.snapshot).where(AgentVersion.agent_id == agent_id))
    whole = ("connection_type", CONFIG)
    for group in ([place for place in found if place not in whole], *([place] for place in whole)):
        odd = copy.deepcopy(snapshot)
        for place in group:
            put(place, CHANGES[how])(odd)
        with console.app_context():
            rewrite(agent_id, lambda _, odd=odd: odd, only=2)
        version(browser, agent_id, 2)


@pytest.mark.parametrize("snapshot", [[], "x", 7])
def test_a_snapshot_that_cannot_be_read_is_named(
    snapshot: Any, console: Flask, browser: Browser, agent_id: UUID, change: Callable[..., None]
) -> None:
    change(name="Orders")
    with console.app_context(), db.transaction() as session:
        first = sa.update(AgentVersion).where(AgentVersion.agent_id == agent_id, AgentVersion.version == 1)
        session.execute(first.values(snapshot=snapshot, changes=snapshot))

    assert "This version cannot be read by this release" in version(browser, agent_id, 1).text
    assert "The version before cannot be read by this release" in version(browser, agent_id, 2).text


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
def test_every_role_sees_what_changed(
    role: str,
    console: Flask,
    admin: Actor,
    signed_in: SignIn,
    agent_id: UUID,
    change: Callable[..., None],
) -> None:
    change(name="Orders", connection_config={"row_limit": 7})

    page = version(signed_in(make_user(console, role, admin.account_id)), agent_id, 2)

    assert table(page) == {"Name": ["Sales", "Orders"], "Row limit": ["1000", "7"]}
    assert page.root.one("p", class_="lead").text.startswith(f"{admin.name} changed the agent on ")
    assert "Compared with version 1." in page.text


@ONE_DATABASE
def test_a_long_text_is_compared_word_by_word(browser: Browser, agent_id: UUID, change: Callable[..., None]) -> None:
    change(system_instructions="Answer in three short sentences.")

    page = version(browser, agent_id, 2)

    assert page.root.one("section", class_="card").one("h2").text == "System instructions"
    assert page.root.one("del").text == "[removed: two end of removed text]"
    assert page.root.one("ins").text == "[added: three short end of added text]"
    assert table(page) == {}


@ONE_DATABASE
def test_long_unchanged_text_is_folded(browser: Browser, agent_id: UUID, change: Callable[..., None]) -> None:
    text = "".join(f"Rule {number} stays as it is, word for word.\n" for number in range(60))
    change(system_instructions=f"{text}Old")
    change(system_instructions=f"{text}New")

    folded = version(browser, agent_id, 3).root.one("details", class_="unchanged")

    assert folded.one("summary").text == "58 lines unchanged"
    assert "Rule 0 stays" in folded.text


@ONE_DATABASE
def test_secrets_are_only_set_replaced_or_removed(
    browser: Browser, agent_id: UUID, change: Callable[..., None]
) -> None:
    change(api_key="sk-9876543210-other1", connection_config={"password": None})

    first, second = version(browser, agent_id, 1), version(browser, agent_id, 2)

    unrecorded = "Values of secrets are not recorded."
    assert table(first)["Password"] == [f"Set. {unrecorded}"]
    assert table(second) == {"API key": [f"Replaced. {unrecorded}"], "Password": [f"Removed. {unrecorded}"]}
    for canary in ("canary", "sk-", "anar", "her1"):
        assert canary not in first.root.one("main").text + second.root.one("main").text


@ONE_DATABASE
def test_another_connection_type_is_one_change_with_all_its_fields(
    browser: Browser, agent_id: UUID, change: Callable[..., None]
) -> None:
    change(connection_type="POWERBI", connection_config=POWER_BI)

    page = version(browser, agent_id, 2)

    card = page.root.one("section", class_="card")
    assert card.one("h2").text == "Connection"
    assert "db.example.org" in "".join(one.text for one in card.all("del"))
    assert POWER_BI["dataset_id"] in "".join(one.text for one in card.all("ins"))
    assert table(page)["Password"] == ["Removed. Values of secrets are not recorded."]


@ONE_DATABASE
def test_the_first_version_shows_the_new_agent_and_links_lead_to_its_neighbours(
    browser: Browser, agent_id: UUID, change: Callable[..., None]
) -> None:
    change(name="Orders")
    change(name="Stock")

    first, second = version(browser, agent_id, 1), version(browser, agent_id, 2)

    assert "created the agent on" in first.text
    assert (table(first)["Name"], table(first)["Database type"]) == (["Sales"], ["PostgreSQL"])
    assert not first.root.all("ins")
    address = f"/agents/{agent_id}/versions"
    assert [link["href"] for link in second.root.all("a", rel="prev") + second.root.all("a", rel="next")] == [
        f"{address}/1",
        f"{address}/3",
    ]
    assert not first.root.all("a", rel="prev")
    assert not version(browser, agent_id, 3).root.all("a", rel="next")


def test_the_versions_of_a_deleted_agent_are_shown(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    with console.app_context():
        agents.disable(admin, agent_id, {"reason": "Moving."})
        agents.delete(admin, agent_id)

    disabled, deleted = version(browser, agent_id, 2), version(browser, agent_id, 3)

    assert table(disabled) == {"Status": ["Active", "Disabled"], "Reason for disabling": ["Empty", "Moving."]}
    assert "This agent is deleted. Its versions are still stored." in disabled.text
    assert "No value was changed." in deleted.text
    assert deleted.root.one("div", class_="notice").one("a")["href"] == f"/agents/{agent_id}"


def test_the_comparisons_of_one_page_share_their_limit_of_work(console: Flask) -> None:
    with console.test_request_context():
        left = [changed_words("a b c", "b a c") and g.comparison_budget.work for _ in range(2)]

    assert left[1] < left[0] < WORK_MAX
