"""The endpoint with which a runtime asks what has changed, and the one that says who runs an agent."""

from typing import Any

import pytest
from flask import Flask

from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.make import make_agent, make_token, make_user

CHECK = "/runtime/check"


@pytest.fixture
def runtime(console: Flask, admin: Actor) -> Client:
    """A client with a runtime token."""
    return Client(console, make_token(console, admin, "runtime"))


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"/agents": "Write this as an object with an ETag"}),
        ({"agents": None}, {"/agents": "Write this as an object with an ETag"}),
        ({"agents": []}, {"/agents": "Write this as an object with an ETag"}),
        ({"agents": "a"}, {"/agents": "Write this as an object with an ETag"}),
        ({"agents": {}}, {"/agents": "Name at least one agent."}),
        ({"agents": {}, "other": 1}, {"/agents": "Name at least", "/other": "not known here"}),
        ({"agents": {"a": 1, "b": ["1"], "c": True, "d": {}}}, dict.fromkeys(map("/agents/{}".format, "abcd"), "text")),
        ({"agents": {"": None, "  ": "1", "x" * 201: None, "a/\nb": None}},
         {"/agents/": "Write", "/agents/  ": "Write", "/agents/" + "x" * 201: "at most 200", "/agents/a~1\nb": "."}),
        ({"agents": {"a\0": "\ud800"}}, {"/agents/a\0": "Remove the invalid"}),
        ({"agents": {"a": "1" * 201}}, {"/agents/a": "An ETag has at most 200 characters."}),
    ],
)  # fmt: skip
def test_every_broken_rule_is_named_at_its_place(runtime: Client, body: Any, errors: dict[str, str]) -> None:
    answer = runtime.post(CHECK, body)

    assert answer.status_code == 422
    found = {error["pointer"]: error["detail"] for error in answer.json["errors"]}
    assert found.keys() == errors.keys()
    assert [text for pointer, text in errors.items() if text not in found[pointer]] == []


def test_up_to_500_agents_are_checked(runtime: Client) -> None:
    asked = {f"agent {number}": None for number in range(501)}

    refused = runtime.post(CHECK, {"agents": {**asked, "agent 7": 7}})
    asked.popitem()
    answer = runtime.post(CHECK, {"agents": asked})

    assert [error["pointer"] for error in refused.json["errors"]] == ["/agents", "/agents/agent 7"]
    assert refused.json["errors"][0]["detail"] == "Check at most 500 agents in one request."
    assert {one["state"] for one in answer.json["agents"].values()} == {"not_found"}
    assert (len(answer.json["agents"]), answer.json["check_again_after_s"]) == (500, 60)


def test_an_etag_is_read_as_in_if_none_match_with_or_without_quotes(
    runtime: Client, console: Flask, admin: Actor
) -> None:
    agent_id = str(make_agent(console, admin, external_id="crm-17"))
    tag = runtime("HEAD", f"/agents/{agent_id}/runtime").headers["ETag"]
    has = [
        tag,
        f"W/{tag}",
        f'{tag[:-1]}-gzip"',
        tag.strip('"'),
        f'"9", {tag}',
        f"W/{tag}, 9",
    ]
    others = [f'{tag[:-13]}0123456789ab"', '"1"', "1", '"2"', "", None, "*", '"' + "9" * 50 + '"', '"1-0123456789ab"']

    for sent, state in [*((one, "unchanged") for one in has), *((one, "changed") for one in others)]:
        answer = runtime.post(CHECK, {"agents": {agent_id: sent, "crm-17": sent}})

        expected = {"state": state, "id": agent_id, "version": 1, "etag": tag, "reason": None}
        assert answer.json["agents"] == {agent_id: expected, "crm-17": expected}, sent


def test_a_disabled_agent_has_its_reason_and_a_foreign_one_is_like_a_missing_one(
    runtime: Client, console: Flask, admin: Actor
) -> None:
    ids = make_agent(console, admin), make_agent(console, make_user(console))
    agent_id, foreign = map(str, ids)
    with console.app_context():
        agents.disable(admin, ids[0], {"reason": "The warehouse moves."})

    found = runtime.post(CHECK, {"agents": {agent_id: '"1"', foreign: '"1"', "none": '"1"'}}).json["agents"]

    assert (found[agent_id]["state"], found[agent_id]["reason"]) == ("disabled", "The warehouse moves.")
    assert (
        found[foreign] == found["none"] == dict.fromkeys(("id", "version", "etag", "reason")) | {"state": "not_found"}
    )


def test_readers_are_listed_and_head_is_no_fetch(runtime: Client, console: Flask, admin: Actor) -> None:
    agent_id, api = make_agent(console, admin), Client(console, make_token(console, admin))

    runtime("HEAD", f"/agents/{agent_id}/runtime")
    before = api.get(f"/agents/{agent_id}/readers").json["items"]
    runtime.get(f"/agents/{agent_id}/runtime")
    (reader,) = api.get(f"/agents/{agent_id}/readers").json["items"]
    (listed,) = api.get("/agents").json["items"]

    assert before == []
    assert (reader["version"], reader["fetches_at_least"], reader["token_state"]) == (1, 1, "active")
    assert listed["last_fetched_at"] == reader["last_fetched_at"]
