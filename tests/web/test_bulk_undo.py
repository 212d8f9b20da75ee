"""What the history and Activity say of an agent whose bulk act was undone."""

from flask import Flask

from agents_app.operations import agents, bulk_agents
from agents_app.operations.permissions import Actor
from tests.make import make_agent
from tests.web.conftest import Browser


def test_an_undo_is_named_as_one_with_the_version_that_is_back_and_never_as_the_opposite_act(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    active, disabled = make_agent(console, admin, name="Active"), make_agent(console, admin, name="Disabled")
    with console.app_context():
        agents.disable(admin, disabled, {"reason": "Before."})
        done = bulk_agents.act(admin, {"act": "disable", "reason": "Freeze.", "ids": [str(active), str(disabled)]})
        bulk_agents.undo(admin, done.id, {"note": "Mistake."})
        owned = bulk_agents.act(admin, {"act": "set_owner", "owner": "Grace", "ids": [str(disabled)]})
        bulk_agents.undo(admin, owned.id)

    for agent_id, version, words in (
        (active, 3, "undid the disabling of the agent, back to version 1"),
        (disabled, 4, "undid the disabling of the agent, back to version 2"),
        (disabled, 6, "undid a change of the owner of the agent, back to version 4"),
    ):
        page = browser.get(f"/agents/{agent_id}/versions/{version}").text
        assert f"{admin.name} {words} on " in page
        assert ("Why: “Mistake.”" in page) == (version != 6)
        history = browser.get(f"/agents/{agent_id}/versions").text
        assert words in history
        assert "enabled the agent" not in history
    activity = browser.get("/activity").text
    assert "undid the disabling of the agent Active, back to version 1" in activity
    assert "undid the disabling of the agent Disabled, back to version 2" in activity
    assert "undid a change of the owner of the agent Disabled, back to version 4" in activity
    assert "enabled the agent" not in activity


def test_the_undo_of_an_agent_that_stays_disabled_has_the_note_of_the_undo_or_none(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin)
    with console.app_context():
        agents.disable(admin, agent_id, {"reason": "Before."})
        done = bulk_agents.act(admin, {"act": "disable", "reason": "Freeze.", "ids": [str(agent_id)]})
        bulk_agents.undo(admin, done.id)

    page = browser.get(f"/agents/{agent_id}/versions/4").text

    assert "Why:" not in page
