"""To remove the owner or environment of many agents is a choice of its own, and the result says what was removed."""

import pytest
from flask import Flask

from agents_app.operations import agent_reads
from agents_app.operations.permissions import Actor
from tests.make import make_agent
from tests.web.conftest import Browser, Page
from tests.web.test_bulk_agents import ask

ACTS = {
    "owner": ("Ada", "Write the owner, or tick “Remove the owner”."),
    "environment": ("staging", "Choose the environment, or tick “Remove the environment”."),
}


@pytest.mark.parametrize("name", ACTS)
def test_an_empty_input_removes_nothing_and_a_removal_is_named(
    name: str, console: Flask, admin: Actor, browser: Browser
) -> None:
    value, neither = ACTS[name]
    ids = [make_agent(console, admin, name="One", **{name: value}), make_agent(console, admin, name="Two")]
    asked = ask(browser, f"set_{name}", *ids)

    empty = browser.send(asked, "/agents/bulk", 422)
    both = browser.send(asked, "/agents/bulk", 422, **{name: value, "remove": "y"})

    assert isinstance(empty, Page)
    assert empty.error_at(name) == neither
    assert "Not set" not in empty.root.one("form", class_="stack").text
    assert isinstance(both, Page)
    assert f"or do not tick “Remove the {name}”." in both.error_at(name)
    with console.app_context():
        assert agent_reads.read(admin, ids[0])[name] == value
    done = browser.send(both, "/agents/bulk", **{name: "", "remove": "y"})
    assert not isinstance(done, Page)
    message = browser.get(done.location)
    result = browser.get(message.root.one("div", class_="flashes").one("a")["href"]).text
    assert f"1 agent had the {name} removed. 1 agent had no {name} before." in message.text
    assert f"1 had the {name} removed 1 had no {name} before" in result
    assert f"removed the {name} of 1 agent" in result
    assert f"removed the {name} of 1 agent" in browser.get("/activity").text
    with console.app_context():
        assert agent_reads.read(admin, ids[0])[name] is None
