"""The endpoint that returns secrets: who can use it, when, and what is recorded."""

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.connections import TYPES
from agents_app.db import db
from agents_app.models import Event
from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from agents_app.values.choices import ConnectionType
from tests.api.conftest import Client
from tests.make import agent_values, make_agent, make_token


@pytest.fixture
def runtime(console: Flask, admin: Actor) -> Client:
    """A client with a runtime token."""
    return Client(console, make_token(console, admin, "runtime"))


def _fetches(console: Flask, agent_id: object) -> int:
    fetched = sa.select(sa.func.count()).where(Event.target_id == agent_id, Event.action == "agent.fetched")
    with console.app_context(), db.reading() as connection:
        return connection.scalar(fetched) or 0


def test_a_disabled_agent_is_refused_with_its_reason(runtime: Client, console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin)
    with console.app_context():
        agents.disable(admin, agent_id, {"reason": "The warehouse moves."})

    answer = runtime.get(f"/agents/{agent_id}/runtime", headers={"If-None-Match": '"2"'})

    assert (answer.status_code, answer.json["code"]) == (403, "agent_disabled")
    assert answer.json["detail"] == "The agent is disabled: The warehouse moves."
    assert _fetches(console, agent_id) == 0


@pytest.mark.parametrize(
    ("kind", "member", "secret"), [("DB", "password", " pass wörd "), ("POWERBI", "client_secret", "a~b")]
)
def test_a_runtime_gets_what_was_typed(
    runtime: Client, console: Flask, admin: Actor, kind: str, member: str, secret: str
) -> None:
    values = agent_values(connection_type=kind, api_key="sk-1234", connection_config={member: secret})
    agent_id = make_agent(console, admin, **values)

    answer = runtime.get(f"/agents/{agent_id}/runtime")

    configuration = answer.json
    assert (configuration["api_key"], configuration["connection_config"][member]) == ("sk-1234", secret)
    assert configuration["connection_config"].items() >= values["connection_config"].items()
    unset = set(TYPES[ConnectionType(kind)].secret_names()) - {member}
    assert [configuration["connection_config"][name] for name in unset] == [None] * len(unset)
    assert (answer.headers["ETag"][:3], answer.headers["Cache-Control"]) == ('"1-', "no-store")
    assert _fetches(console, agent_id) == 1


def test_a_runtime_that_has_the_version_gets_no_secret(runtime: Client, console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, api_key="sk-1234")
    tag = runtime("HEAD", f"/agents/{agent_id}/runtime").headers["ETag"]

    for sent in (tag, f"W/{tag}", f'{tag[:-1]}-gzip"', f'"9", W/{tag[:-1]};br"', "*"):
        answer = runtime.get(f"/agents/{agent_id}/runtime", headers={"If-None-Match": sent})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag), sent

    assert _fetches(console, agent_id) == 0


def test_a_changed_agent_is_fetched_again(runtime: Client, console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin)
    tag = runtime("HEAD", f"/agents/{agent_id}/runtime").headers["ETag"]
    with console.app_context():
        agents.update(admin, agent_id, {"api_key": "sk-new"})

    for known in (tag, '"1"', '"2"'):
        answer = runtime.get(f"/agents/{agent_id}/runtime", headers={"If-None-Match": known})
        assert (answer.status_code, answer.json["api_key"], answer.headers["ETag"][:3]) == (200, "sk-new", '"2-')
