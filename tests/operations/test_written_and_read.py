"""The answer to a new agent is made of what was written: it is what the next read gives."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from agents_app.connections import TYPES
from agents_app.operations import agent_reads, agents, external_agents, tokens
from agents_app.operations.permissions import Actor, Visitor
from agents_app.values.choices import ConnectionType, Door, Role
from tests.api.conftest import Client
from tests.make import agent_values, make_token, make_user

EVERYTHING = {
    "name": "Umsätze, Nord",
    "description": "Two\nlines, e\u0301 as two characters.",
    "owner": "Ada",
    "environment": "production",
    "labels": {"team": "finance", "a": "1", "cost-centre": "4711"},
    "model_provider": "openai_compatible",
    "model_type": "gpt-5-mini",
    "model_base_url": "https://models.example.org/v1/",
    "api_key": "sk-benchmark-0123456789abcdef",
    "api_key_expires_at": "2030-02-28",
    "system_instructions": "Answer in one paragraph. ",
    "note": "Why.",
}
VALUES = [agent_values(), agent_values(**EVERYTHING)]
VALUES += [agent_values(connection_type=kind.value, connection_config=TYPES[kind].example) for kind in ConnectionType]
DOORS = ("page", "terminal", "token")


def actor_of(app: Flask, door: str) -> Actor:
    """An admin at this door."""
    admin = make_user(app)
    if door == "terminal":
        return Actor(admin.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
    if door == "page":
        return admin
    return tokens.authenticate(Visitor("192.0.2.1"), make_token(app, admin, "read", "write"))


@pytest.mark.parametrize("values", VALUES, ids=lambda values: str(values["connection_type"]))
@pytest.mark.parametrize("door", DOORS)
def test_a_new_agent_is_returned_as_it_is_read(app: Flask, door: str, values: dict[str, Any]) -> None:
    actor = actor_of(app, door)

    made = agents.create(actor, values)
    copy = agents.clone(actor, made.agent_id)
    put = external_agents.put(actor, "crm-1", values)

    assert made.agent == agent_reads.read(actor, made.agent_id)
    assert copy.agent == agent_reads.read(actor, copy.agent_id)
    assert put.agent == agent_reads.read(actor, put.agent_id)


def test_the_answer_and_its_etag_are_those_of_the_next_read(console: Flask, admin: Actor) -> None:
    api = Client(console, make_token(console, admin, "read", "write"))

    made = api.post("/agents", agent_values(**EVERYTHING))

    read = api.get(f"/agents/{made.json['id']}")
    # As text: a client may compare bodies with the same ETag, so the order of members is the same too.
    warnings = made.json["warnings"]
    assert json.dumps({**read.json, "warnings": warnings}) == json.dumps({**made.json, "warnings": warnings})
    assert read.headers["ETag"] == made.headers["ETag"]


def test_a_token_without_an_owner_names_nobody(app: Flask) -> None:
    actor = replace(actor_of(app, "token"), user_id=None, owner_name=None)

    made = agents.create(actor, agent_values())

    assert made.agent == agent_reads.read(actor, made.agent_id)
    assert made.agent["created_by"] is None
