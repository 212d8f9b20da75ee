"""Pages show the names of workspace and dataset that the last test of an agent read."""

import pytest
from flask import Flask

from agents_app.connections.power_bi import PowerBiConnection
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Outcome, Result, Step
from tests.make import make_agent, make_last_test
from tests.web.conftest import Browser

EXAMPLE = PowerBiConnection.example
WORKSPACE = {"workspace_id": EXAMPLE["workspace_id"], "workspace_name": "Finance <b>"}
DATASET = {"dataset_id": EXAMPLE["dataset_id"], "dataset_name": "Revenue"}


def make_tested(console: Flask, admin: Actor, facts: dict[str, str]) -> str:
    """Make a Power BI agent whose last test read these facts. Returns the path of its page."""
    agent_id = make_agent(console, admin, connection_type="POWERBI", connection_config=EXAMPLE)
    make_last_test(console, admin, agent_id, connection=Result((Step("query", Outcome.PASSED, 1),), facts=facts))
    return f"/agents/{agent_id}"


@pytest.mark.parametrize("place", ["list", "agent"])
def test_names_of_ids_that_were_changed_since_the_test_are_not_shown(
    console: Flask, admin: Actor, browser: Browser, place: str
) -> None:
    address = make_tested(console, admin, {**WORKSPACE, **DATASET, "dataset_id": EXAMPLE["client_id"]})

    main = browser.get("/agents" if place == "list" else address).root.one("main")

    titles = main.all("td", class_="c-connection") or main.all("section", aria_labelledby="connection")
    assert "Finance <b>" in titles[0].text
    assert "Revenue" not in titles[0].text


def test_a_page_shows_the_names_and_the_ids(console: Flask, admin: Actor, browser: Browser) -> None:
    page = browser.get(make_tested(console, admin, {**WORKSPACE, **DATASET}))

    connection = page.root.one("section", aria_labelledby="connection").text
    assert "Revenue" in connection
    assert EXAMPLE["dataset_id"] in connection
    facts = page.root.one("section", aria_labelledby="test").one("dl").text
    assert facts == "WorkspaceFinance <b>DatasetRevenue"


def test_the_list_shows_the_names_in_place_of_the_ids(console: Flask, admin: Actor, browser: Browser) -> None:
    make_tested(console, admin, {**WORKSPACE, **DATASET})

    cell = browser.get("/agents").root.one("td", class_="c-connection").text

    assert cell == "Power BI Revenue · Finance <b>"


def test_without_a_test_the_list_shows_the_id(console: Flask, admin: Actor, browser: Browser) -> None:
    make_agent(console, admin, connection_type="POWERBI", connection_config=EXAMPLE)

    assert EXAMPLE["dataset_id"] in browser.get("/agents").root.one("td", class_="c-connection").text
