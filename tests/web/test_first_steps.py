"""The first steps of an account: an agent, a test, a fetch. The list of agents shows them until all are done."""

from uuid import UUID

import pytest
from flask import Flask

from agents_app.operations import agents, connection_tests
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Finding, Result
from tests.conftest import OpenConsole
from tests.make import PASSWORD, make_agent, make_last_test, make_token, make_user
from tests.web.conftest import Browser, Page, SignIn

COMPLETE = {"connection_config": {"password": "a password"}}


def fetch(app: Flask, token: str, agent_id: UUID) -> int:
    """Fetch the agent as a runtime. Returns the status."""
    headers = {"Authorization": f"Bearer {token}"}
    return app.test_client().get(f"/api/v1/agents/{agent_id}/runtime", headers=headers).status_code


def do_first_steps(app: Flask, admin: Actor, agent_id: UUID) -> None:
    """Test and fetch an agent that has no test."""
    make_last_test(app, admin, agent_id, connection=Result(()))
    assert fetch(app, make_token(app, admin, "runtime"), agent_id) == 200


def steps(page: Page) -> list[str]:
    """The steps on the page. Empty where it has none."""
    return [step.text for part in page.root.all("section", class_="first-steps") for step in part.all("li")]


def next_step(page: Page) -> str:
    """Where the link of the next step leads."""
    return page.root.one("li", aria_current="step").one("a")["href"]


def test_a_viewer_sees_no_steps_but_who_can_create_an_agent(console: Flask, admin: Actor, signed_in: SignIn) -> None:
    viewer = signed_in(make_user(console, "viewer", admin.account_id))

    page = viewer.get("/agents")
    assert "No agents yet" in page.text
    assert "Who can create one: an editor, or the admin Admin." in page.text
    assert steps(page) == []
    make_agent(console, admin)
    assert steps(viewer.get("/agents")) == []


def test_samples_and_refused_fetches_do_not_count(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)
    with console.app_context():
        connection_tests.store_sample(admin, agent_id, 1)
        agents.disable(admin, agent_id, {"reason": "Old"})
    assert fetch(console, make_token(console, admin, "runtime"), agent_id) == 403

    assert steps(browser.get("/agents")) == ["Done: Create an agent", "Test its connection", "Let a runtime fetch it"]


def test_a_failed_test_is_no_done_step_and_leads_to_its_agent(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, **COMPLETE)
    make_agent(console, admin, name="Newer")
    make_last_test(console, admin, agent_id, connection=Result((), Finding("server_slow")))

    page = browser.get("/agents")

    assert steps(page)[1] == "Test its connection: tested, it failed"
    assert next_step(page) == f"/agents/{agent_id}#test"


def test_each_step_is_ticked_and_leads_to_the_next_until_all_are_done(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    make_user(console)
    page = browser.get("/agents")
    assert "Create your first agent" in page.text
    assert steps(page) == ["Create an agent", "Test its connection", "Let a runtime fetch it"]

    agent_id = make_agent(console, admin, **COMPLETE)
    page = browser.get("/agents")
    assert next_step(page) == f"/agents/{agent_id}#test"
    assert "First steps 1 of 3" in page.text

    make_last_test(console, admin, agent_id, connection=Result(()))
    page = browser.get("/agents?q=nothing")
    assert next_step(page) == f"/agents/{agent_id}#use"
    assert steps(page)[:2] == ["Done: Create an agent", "Done: Test its connection"]

    fetch(console, make_token(console, admin, "runtime"), agent_id)
    assert steps(browser.get("/agents")) == []


def test_an_account_whose_agents_were_all_deleted_is_not_offered_its_first_agent(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin)
    with console.app_context():
        agents.delete(admin, agent_id)

    page = browser.get("/agents")

    assert page.root.one("div", class_="empty").one("h2", id="").text == "No agents"
    assert page.root.one("main").one("a", href="/agents/deleted")
    assert steps(page)[0] == "Done: Create an agent"


def test_where_tests_are_off_a_test_is_no_step(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    console = open_console(sqlite_schema_url, CONNECTION_TESTS="off")
    admin = make_user(console)
    agent_id = make_agent(console, admin)
    browser = Browser(console)
    browser.send("/sign-in", email=admin.email, password=PASSWORD)

    assert steps(browser.get("/agents")) == ["Done: Create an agent", "Let a runtime fetch it"]
    fetch(console, make_token(console, admin, "runtime"), agent_id)
    assert steps(browser.get("/agents")) == []


@pytest.mark.parametrize("role", ["editor", "admin"])
def test_those_who_create_agents_see_the_steps(role: str, console: Flask, admin: Actor, signed_in: SignIn) -> None:
    browser = signed_in(make_user(console, role, admin.account_id))

    assert len(steps(browser.get("/agents"))) == 3
