"""Rows of older and newer releases: every door reads them, with missing and with unknown fields."""

import copy
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.connections import TYPES
from agents_app.db import db
from agents_app.models import Agent, AgentVersion, ApiToken, Event
from agents_app.operations import agent_secrets, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.web.activity_sentences import SENTENCES
from tests.api.conftest import Client, is_valid
from tests.make import PASSWORD, make_agent, make_token
from tests.web.conftest import Browser

CONFIGS: dict[str, dict[str, Any]] = {
    "DB": {"password": "pass word 12", "port": 6432, "ssl_root_cert": None},
    "POWERBI": {"client_secret": "a~client~secret~of~ours", "credential_expires_at": "2099-12-31"},
}
LACKING = object()


def browser_of(app: Flask, actor: Actor) -> Browser:
    """A browser in which this user is signed in."""
    browser = Browser(app)
    browser.send("/sign-in", email=actor.email, password=PASSWORD)
    return browser


def store(app: Flask, agent_id: UUID, **columns: Any) -> None:
    """Store these values in the row of an agent, without any check."""
    with app.app_context(), db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(**columns))


def stored_config(app: Flask, agent_id: UUID) -> dict[str, Any]:
    """The stored configuration of an agent."""
    with app.app_context(), db.reading() as connection:
        found: dict[str, Any] = connection.scalar(sa.select(Agent.connection_config).where(Agent.id == agent_id))
        return found


class Unchecked:
    """The same client without the check of answers against the API document, as stored values do not match it."""

    def __init__(self, app: Flask, client: Client) -> None:
        self.app, self.client = app, client

    def __call__(self, method: str, path: str, json: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.client.token}"}
        return self.app.test_client(use_cookies=False).open(f"/api/v1{path}", method=method, json=json, headers=headers)


@pytest.mark.long
@pytest.mark.parametrize("value", [LACKING, None, -7, [["x"]]])
@pytest.mark.parametrize("kind", CONFIGS)
def test_every_door_reads_a_configuration_with_a_missing_or_invalid_field(
    kind: str, value: Any, console: Flask, admin: Actor
) -> None:
    browser = browser_of(console, admin)
    api = Client(console, make_token(console, admin, "write"))
    running = Client(console, make_token(console, admin, "runtime"))
    agent_id = make_agent(
        console, admin, api_key="sk-0123456789", connection_type=kind, connection_config=CONFIGS[kind]
    )
    whole = stored_config(console, agent_id)
    declaration = next(found for name, found in TYPES.items() if name == kind)
    for name in (*agent_secrets.public_config(whole), "flavour"):
        config = {**copy.deepcopy(whole), name: value}
        if value is LACKING:
            del config[name]
        store(console, agent_id, connection_config=config)
        is_required = name in declaration.model_fields and declaration.model_fields[name].is_required()
        ask = api if name == "flavour" or (not is_required and value in (LACKING, None)) else Unchecked(console, api)

        read = ask("GET", f"/agents/{agent_id}")
        assert read.status_code == 200, name
        assert set(read.json[CONFIG]) == set(declaration.model_fields) - set(declaration.secret_names())
        assert ask("GET", "/agents?limit=200").status_code == 200
        fetched = (running if ask is api else Unchecked(console, running))("GET", f"/agents/{agent_id}/runtime")
        assert (fetched.status_code, fetched.json["api_key"]) == (200, "sk-0123456789")
        for page in ("/agents", f"/agents/{agent_id}", f"/agents/{agent_id}/edit"):
            assert browser.client.get(page).status_code == 200, (name, page)
        shown = console.test_cli_runner().invoke(
            args=["agents", "show", str(agent_id), "--account", str(admin.account_id)]
        )
        assert shown.exit_code == 0, shown.output
        changed = ask("PATCH", f"/agents/{agent_id}", {"description": f"{name} {value}"})
        assert changed.status_code == 200 or changed.json["code"] == "invalid_input", name


def test_an_undo_that_is_not_possible_says_why(console: Flask, admin: Actor) -> None:
    agent_id, browser = make_agent(console, admin), browser_of(console, admin)
    with console.app_context():
        agents.delete(admin, agent_id)
        with db.transaction() as session:
            mine = sa.update(AgentVersion).where(AgentVersion.agent_id == agent_id)
            session.execute(mine.values(snapshot={"name": "Sales", "connection_type": "ORACLE"}))

    page = browser.post(f"/agents/{agent_id}/restore", {"csrf_token": browser.token()}, 409)

    assert "cannot be used by this release: connection_type: Choose one of: " in page.text


def test_a_missing_field_has_its_default_and_saving_the_form_unchanged_changes_nothing(
    console: Flask, admin: Actor
) -> None:
    api = Client(console, make_token(console, admin, "write"))
    agent_id = make_agent(console, admin)
    config = stored_config(console, agent_id)
    store(console, agent_id, connection_config={k: v for k, v in config.items() if k != "row_limit"})

    read = api.get(f"/agents/{agent_id}").json
    same = api.patch(f"/agents/{agent_id}", {"name": read["name"], CONFIG: {"row_limit": 1_000}}).json

    assert (read[CONFIG]["row_limit"], same["version"]) == (1_000, read["version"])


def test_a_field_of_a_newer_release_is_kept_until_the_agent_is_changed(console: Flask, admin: Actor) -> None:
    api, browser = Client(console, make_token(console, admin, "write")), browser_of(console, admin)
    agent_id = make_agent(console, admin)
    store(console, agent_id, connection_config=stored_config(console, agent_id) | {"flavour": "sweet"})

    api.post(f"/agents/{agent_id}/disable", {"reason": "Try."})
    api.post(f"/agents/{agent_id}/enable")

    assert stored_config(console, agent_id)["flavour"] == "sweet"
    assert "flavour" not in api.get(f"/agents/{agent_id}").json[CONFIG]
    assert api.delete(f"/agents/{agent_id}").status_code == 204
    token = {"csrf_token": browser.token()}
    assert browser.client.post(f"/agents/{agent_id}/restore", data=token).status_code == 303


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"/api_key": {}},
        {"/api_key": {"set_at": "yesterday"}},
        {"/api_key": {"set_at": "2026-01-31", "set_by": 5}},
        {"/api_key": {"set_at": 5}},
        {"/api_key": None},
        {"/api_key": {"last_four": "1234", "hue": 1}},
        {"/gone": {}},
    ],
)
def test_a_secret_with_incomplete_facts_is_shown_as_set(facts: Any, console: Flask, admin: Actor) -> None:
    api = Client(console, make_token(console, admin, "write"))
    agent_id = make_agent(console, admin, api_key="sk-0123456789abcdef")
    store(console, agent_id, secret_facts=facts)

    facts_shown = api.get(f"/agents/{agent_id}").json["secrets_set"]["/api_key"]
    page = browser_of(console, admin).get(f"/agents/{agent_id}")
    shown = console.test_cli_runner().invoke(args=["agents", "show", str(agent_id), "--account", str(admin.account_id)])

    assert (facts_shown["set_at"], facts_shown["set_by"], facts_shown["readable"]) == (None, None, True)
    assert "Stored encrypted." in page.text
    assert (shown.exit_code, "None" in shown.stdout) == (0, False)


def test_an_event_without_details_and_an_unknown_event_are_shown(console: Flask, admin: Actor) -> None:
    actions = [*SENTENCES, "robot.danced", "robot"]
    with console.app_context(), db.transaction() as session:
        for details in ({}, {"colour": "red"}, dict.fromkeys(("role", "key", "moved", "what", "version"))):
            for action in actions:
                event = {"action": action, "actor_name": "Ada", "account_id": admin.account_id, "details": details}
                session.add(Event(**event, door="pigeon", target_kind=None))

    page = browser_of(console, admin).client.get("/activity?limit=200")
    shown = console.test_cli_runner().invoke(args=["events", "list", "--account", str(admin.account_id)])

    assert (page.status_code, "pigeon" in page.text, "robot danced" in page.text) == (200, True, True)
    assert shown.exit_code in (0, 2), shown.output


def test_an_unknown_scope_permits_nothing_and_breaks_no_page(console: Flask, admin: Actor) -> None:
    token = make_token(console, admin, "read")
    with console.app_context(), db.transaction() as session:
        mine = sa.update(ApiToken).where(ApiToken.account_id == admin.account_id)
        session.execute(mine.values(scopes=["read", "fly"]))

    me = Client(console, token).get("/me")

    assert (me.status_code, me.json["scopes"], is_valid(me.json, "Me")) == (200, ["read"], True)
    assert "fly" in browser_of(console, admin).get("/tokens").text
