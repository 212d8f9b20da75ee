"""How a runtime fetches an agent: the command on the page of the agent, and the token that is created for it."""

import subprocess
from uuid import UUID

import pytest
from flask import Flask

from agents_app.operations import agents, tokens
from agents_app.operations.permissions import Actor
from tests.conftest import OpenConsole
from tests.make import make_agent, make_user
from tests.security.conftest import Caller
from tests.web.conftest import Browser, Page, SignIn, fields_of
from tests.web.test_sub_path import request_as

COMPLETE = {"connection_config": {"password": "a password"}}
CURL = "curl() { printf '%s\\n' \"$@\"; }"


@pytest.fixture
def console(_sqlite_console: Flask) -> Flask:
    """The shared console on one database, because these pages do not depend on it."""
    return _sqlite_console


def arguments(command: str) -> list[str]:
    """The arguments that `curl` gets from a shell that runs this command."""
    shell = subprocess.run(["sh", "-uc", f"{CURL}; TOKEN=agc_x; {command}"], capture_output=True, text=True, check=True)
    return shell.stdout.splitlines()


def use_card(browser: Browser, agent_id: UUID) -> str:
    main = browser.get(f"/agents/{agent_id}").root.one("main")
    return main.one("section", aria_labelledby="use").text


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_people_who_cannot_create_tokens_see_who_can(
    role: str, console: Flask, admin: Actor, signed_in: SignIn
) -> None:
    agent_id = make_agent(console, admin)
    browser = signed_in(make_user(console, role, admin.account_id))

    assert "Who can create a token: the admin Admin." in use_card(browser, agent_id)
    assert "Create a token for this agent" not in use_card(browser, agent_id)
    browser.get(f"/tokens/new?agent={agent_id}", 403)


@pytest.mark.parametrize("text", ["x", "%00", "1", "..", str(UUID(int=1)), "foreign"])
def test_an_agent_that_does_not_exist_presets_nothing(text: str, console: Flask, browser: Browser) -> None:
    agent_id = make_agent(console, make_user(console)) if text == "foreign" else text

    page = browser.get(f"/tokens/new?agent={agent_id}&scope=root")

    assert "The link named an agent that does not exist." in page.text
    sent = fields_of(page.form("/tokens/new"))
    assert (sent["name"], sent.getlist("scopes"), sent.getlist("agent_ids")) == ("", ["read"], [])


def test_the_command_is_quoted_for_a_shell_and_has_the_url_of_the_console(
    sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    console = open_console(sqlite_schema_url, PUBLIC_URL="https://example.org/~ops/agents")
    admin = make_user(console)
    agent_id = make_agent(console, admin)

    page = Page(request_as(Caller(console, admin), "forwarded", "GET", f"/agents/{agent_id}"))

    command = page.root.one("pre", id="use-command").text
    assert "'https://example.org/~ops/agents" in command
    assert arguments(command) == [
        *("-H", "Authorization: Bearer agc_x"),
        f"https://example.org/~ops/agents/api/v1/agents/{agent_id}/runtime",
    ]


def test_the_page_says_what_a_runtime_gets_from_a_disabled_or_incomplete_agent(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id, complete = make_agent(console, admin), make_agent(console, admin, **COMPLETE)

    assert "Now a runtime gets a configuration that is incomplete." in use_card(browser, agent_id)
    assert "Now a runtime" not in use_card(browser, complete)
    with console.app_context():
        agents.disable(admin, agent_id, {"reason": "Old"})
    assert "Now a runtime gets status 403 with the reason, because the agent is disabled." in use_card(
        browser, agent_id
    )


def test_a_token_for_an_agent_is_preset_and_its_page_has_the_command(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id, other = make_agent(console, admin, name="N" * 255), make_agent(console, admin)
    link = browser.get(f"/agents/{agent_id}").root.one("section", aria_labelledby="use").one("a")["href"]
    form = browser.get(link)
    assert fields_of(form.form("/tokens/new"))["name"].startswith("Runtime of NNN")

    page = browser.send(form, "/tokens/new", status=200)
    of_another = browser.send(link, "/tokens/new", status=200, agent_ids=[str(other)])
    read_only = browser.send(link, "/tokens/new", status=200, scopes=["read"], agent_ids=[])

    assert isinstance(page, Page)
    text = page.root.one(id="new-value")["value"]
    assert arguments(page.root.one("pre", id="command").text) == [
        *("-H", f"Authorization: Bearer {text}"),
        f"http://127.0.0.1:8000/api/v1/agents/{agent_id}/runtime",
    ]
    for without in (of_another, read_only):
        assert isinstance(without, Page)
        assert not without.root.all("pre", id="command")
    with console.app_context():
        created = tokens.listing(admin)[-1]
    assert (created["scopes"], created["agent_ids"]) == (["runtime"], [str(agent_id)])
