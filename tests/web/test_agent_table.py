"""The CSV file of the list of agents: every agent that matches, no secret, in words that people read."""

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.connections import TYPES
from agents_app.db import db, now
from agents_app.models import Agent
from agents_app.operations import agent_exports, agents
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Finding, Result
from agents_app.values.choices import ConnectionType
from agents_app.web.agent_table import HEADINGS
from tests.make import make_agent, make_last_test, make_user
from tests.web.conftest import Browser, SignIn
from tests.web.test_activity import rows_of

CANARY = "canary-of-the-secret-0123456789"


@pytest.mark.parametrize(("query", "status"), [("sort=colour", 422), ("status=gone", 422), ("created_by=me", 422)])
def test_a_file_of_a_refused_list_is_a_page_that_says_why(query: str, status: int, browser: Browser) -> None:
    assert "This list cannot be shown" in browser.get(f"/agents/export.csv?{query}", status).text


def test_the_file_has_no_agent_of_another_account(console: Flask, browser: Browser) -> None:
    make_agent(console, make_user(console), name="Foreign")

    assert rows_of(browser, "/agents/export.csv") == []


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
def test_the_file_says_what_an_agent_is_in_words(role: str, console: Flask, admin: Actor, signed_in: SignIn) -> None:
    config = {"password": CANARY, "table_allow_list": ["public.orders", "public.items"], "read_only": True}
    facts = {"owner": "=Ada", "environment": "production", "labels": {"team": "finance"}, "model_provider": "openai"}
    agent_id = make_agent(console, admin, name="Sales", api_key=CANARY, connection_config=config, **facts)
    make_agent(console, admin, name="Dataset", connection_type="POWERBI")
    with console.app_context():
        agents.disable(admin, agent_id, {"reason": "Moving; -1"})
    browser = signed_in(make_user(console, role, admin.account_id))

    answer = browser.client.get("/agents/export.csv", environ_base=browser.environ)
    sales, dataset = rows_of(browser, "/agents/export.csv")

    assert CANARY.encode() not in answer.data
    assert answer.headers["Content-Disposition"] == f"attachment; filename=agents-{now():%Y-%m-%d}.csv"
    wanted = {
        "Name": "Sales",
        "Owner": "'=Ada",
        "Environment": "Production",
        "Labels": "team=finance",
        "Status": "Disabled",
        "Reason": "Moving; '-1",
        "Incomplete": "No",
        "Model provider": "OpenAI",
        "Connection": TYPES[ConnectionType.DB].label,
        "Database type": "PostgreSQL",
        "Host": "db.example.org",
        "Read only": "Yes",
        "Allowed tables": "public.orders, public.items",
        "Tenant ID": "",
        "Secrets that are set": "API key, Password",
        "Last test": "Not tested",
        "Version": "2",
        "Created by": admin.name,
        "ID": str(agent_id),
    }
    assert sales == {**sales, **wanted}
    assert (dataset["Incomplete"], dataset["Host"], dataset["Secrets that are set"]) == ("Yes", "", "")
    assert dataset["Tenant ID"] == "contoso.example.org"


def test_the_file_has_every_agent_of_the_filters_whatever_page_and_order_the_list_has(
    console: Flask, admin: Actor, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_exports, "LIMIT_MAX", 2)
    for number in range(5):
        make_agent(console, admin, name=f"Sales {number}", owner="Ada")
    make_agent(console, admin, name="Other")

    page = browser.get("/agents?owner=Ada&limit=2&sort=name")
    cursor = page.root.one("a", rel="next")["href"]
    menu = browser.get(cursor).root.one("main").one("div", class_="page-head").one("div", class_="menu-list")
    rows = rows_of(browser, menu.all("a")[0]["href"])

    assert [row["Name"] for row in rows] == [f"Sales {number}" for number in range(5)]
    assert [row["Name"] for row in rows_of(browser, "/agents/export.csv?status=disabled")] == []
    assert len(rows_of(browser, "/agents/export.csv?needs_attention=true")) == 6


def test_a_failed_and_a_changed_test_are_named_as_in_the_list(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, name="Sales")
    make_last_test(console, admin, agent_id, connection=Result((), Finding("server_slow")))
    first = rows_of(browser, "/agents/export.csv")
    with console.app_context():
        agents.update(admin, agent_id, {"connection_config": {"host": "other.example.org"}})

    assert [first[0]["Last test"], rows_of(browser, "/agents/export.csv")[0]["Last test"]] == ["Failed", "Out of date"]


def test_an_agent_of_another_release_does_not_break_the_file(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, name="Sales")
    odd = {"host": {"odd": [1, None]}, "unknown": 7, "port": True}
    with console.app_context(), db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(connection_config=odd, labels={}))

    assert rows_of(browser, "/agents/export.csv")[0]["Host"] == "odd=[1, None]"


def test_no_two_columns_have_the_same_heading() -> None:
    assert len(set(HEADINGS)) == len(HEADINGS)
