"""Every field of an agent and every connection type is at every door, and in the demo, the API reference and the tests.

CONTRIBUTING.md describes how to add one; a place that was forgotten is found here.
"""

import json
import re
from datetime import date
from typing import Any, get_origin

import pytest
from alembic.script import ScriptDirectory
from flask import Flask

from agents_app.api.request_examples import EXAMPLE_AGENT, EXAMPLES
from agents_app.cli.demo import samples
from agents_app.connections import TYPES
from agents_app.operations.permissions import Actor
from agents_app.paths import ROOT
from agents_app.schemas import completeness
from agents_app.schemas.agents import CONFIG, AgentValues
from agents_app.values.choices import ConnectionType
from agents_app.values.fields import field_notes
from agents_app.web import icons
from tests.api.conftest import Client
from tests.bad_inputs import BAD_AGENTS
from tests.make import make_agent, make_token
from tests.security.conftest import Caller
from tests.web.conftest import Page


def test_every_field_of_an_agent_has_an_input_and_is_shown_on_its_page(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, **EXAMPLE_AGENT)
    form = Page(Caller(console, admin).ask("GET", f"/agents/{agent_id}/edit"))
    page = Page(Caller(console, admin).ask("GET", f"/agents/{agent_id}"))

    for name in AgentValues.model_fields.keys() - {CONFIG}:
        assert form.root.all(name=name), f"{name} has no input"
    for name, value in EXAMPLE_AGENT.items():
        labels = field_notes(AgentValues, name).get("labels", {})
        texts = [f"{label}={text}" for label, text in value.items()] if name == "labels" else [labels.get(value, value)]
        if name.endswith("_expires_at"):
            texts = [f"{date.fromisoformat(value):%-d %b %Y}"]
        assert all(text in page.root.one("main").text for text in texts), f"{name} is not shown"


@pytest.mark.parametrize("kind", TYPES)
def test_every_door_makes_an_agent_of_every_connection_type(kind: ConnectionType, console: Flask, admin: Actor) -> None:
    config, secrets = _example(kind)
    visitor, api = Caller(console, admin), Client(console, make_token(console, admin, "write"))
    sent = {"name": "Sales", "connection_type": kind.value, CONFIG: config | secrets}
    typed = {"name": "Sales", "connection_type": kind.value} | {
        f"{kind.value}-{name}": value for name, value in sent[CONFIG].items()
    }

    by_program = api.post("/agents", sent)
    by_page = visitor.ask("POST", "/agents/new", typed)
    by_terminal = console.test_cli_runner().invoke(args=_command(kind, config, admin), input=json.dumps(secrets))

    assert (by_program.status_code, by_page.status_code, by_terminal.exit_code) == (201, 303, 0), by_terminal.output
    on_page = by_page.headers["Location"].partition("?")[0].rpartition("/")[2]
    for agent_id in (by_program.json["id"], on_page, by_terminal.stdout.strip()):
        agent = api.get(f"/agents/{agent_id}").json
        assert agent["connection_type"] == kind
        assert agent[CONFIG].items() >= config.items()
        assert set(agent["secrets_set"]) == {f"/{CONFIG}/{name}" for name in secrets}
        shown = Page(visitor.ask("GET", f"/agents/{agent_id}"))
        assert shown.root.one("span", class_="kind").text == TYPES[kind].label


def _example(kind: ConnectionType) -> tuple[dict[str, Any], dict[str, Any]]:
    """The declared example, without its secrets and the secrets alone."""
    names = TYPES[kind].secret_names()
    members = TYPES[kind].example.items()
    return {name: value for name, value in members if name not in names}, {
        name: value for name, value in members if name in names
    }


def _command(kind: ConnectionType, config: dict[str, Any], admin: Actor) -> list[str]:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in config.items()]
    words = ["agents", "create", "--name", "Sales", "--connection-type", kind.value, *options]
    return [*words, "--secrets-stdin", "--account", str(admin.account_id)]


@pytest.mark.parametrize("kind", TYPES)
def test_the_help_of_the_terminal_describes_a_field_as_its_connection_type_does(
    kind: ConnectionType, console: Flask
) -> None:
    run = console.test_cli_runner().invoke(args=["agents", "create", "--help"], terminal_width=200)
    text = " ".join(run.stdout.split())

    for name, field in TYPES[kind].model_fields.items():
        if name in TYPES[kind].secret_names() or get_origin(field.annotation) is list:
            continue
        words = f"{field.title}. {field.description or ''}".strip()
        assert re.search(rf"\b{kind}(, \w+)*: {re.escape(words)}", text), name


def test_the_demo_shows_every_field_and_every_connection_type() -> None:
    agents = list(samples())

    assert {name for agent in agents for name, value in agent.items() if value} == set(AgentValues.model_fields)
    assert {agent["connection_type"] for agent in agents} == set(TYPES)


def test_the_api_reference_shows_every_field_but_the_api_key_and_every_connection_type() -> None:
    assert set(EXAMPLES["AgentCreate"]) == set(TYPES)
    for example in EXAMPLES["AgentCreate"].values():
        assert set(example) == set(AgentValues.model_fields) - {"api_key"}


def test_the_table_of_bad_inputs_has_every_field_and_every_connection_type() -> None:
    pointers = {pointer for bad in BAD_AGENTS for pointer, _ in bad.refused}
    in_config = [bad for bad in BAD_AGENTS if any(pointer.startswith(f"/{CONFIG}/") for pointer, _ in bad.refused)]

    assert {f"/{name}" for name in AgentValues.model_fields} <= pointers
    assert set(TYPES) <= {bad.values.get("connection_type") for bad in in_config}


def test_the_last_migration_that_filled_the_attention_columns_has_the_rules_of_the_code() -> None:
    steps = ScriptDirectory(str(ROOT / "migrations")).walk_revisions()
    last = next(step.module for step in steps if step.doc.startswith("fill_agent_attention_columns"))
    needed = {(kind, method or None): names for kind in TYPES for method, names in TYPES[kind].needed.items()}

    # No agent has a provider or a type that the migration does not know.
    assert {name: completeness.NEEDED.get(name) for name in last.MODEL_NEEDS} == last.MODEL_NEEDS
    known = {kind for kind, _ in last.CONNECTION_NEEDS}
    assert {key: names for key, names in needed.items() if key[0] in known} == last.CONNECTION_NEEDS


@pytest.mark.parametrize("kind", ConnectionType)
def test_every_connection_type_has_a_declaration_an_icon_and_a_colour(kind: ConnectionType) -> None:
    assert kind in TYPES
    assert f'id="{TYPES[kind].icon}"' in icons.sprite().content.decode()
    assert f"\n.tile-{TYPES[kind].colour} {{ background: " in (ROOT / "static" / "app.css").read_text()
