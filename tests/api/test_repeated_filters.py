"""Filters with several values, and the agents that were changed since a time."""

from datetime import datetime
from urllib.parse import quote

import pytest
from flask import Flask

from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.make import make_agent, make_user


def names(client: Client, query: str) -> list[str]:
    return [item["name"] for item in client.get(f"/agents?{query}").json["items"]]


@pytest.fixture
def three(console: Flask, admin: Actor) -> None:
    """Three agents that differ in everything that a filter compares. The third has a creator of its own."""
    same = {"model_base_url": "https://llm.example.org/v1"}
    make_agent(console, admin, name="A", owner="Ada", environment="production", external_id="a", model_type="gpt-5",
               model_provider="openai", labels={"team": "finance"})  # fmt: skip
    make_agent(console, admin, name="B", owner="Grace", environment="staging", external_id="b", model_type="llama",
               model_provider="ollama", labels={"team": "sales", "beta": "yes"}, **same)  # fmt: skip
    other = make_user(console, "editor", admin.account_id)
    third = make_agent(console, other, name="C", connection_type="POWERBI")
    with console.app_context():
        agents.disable(other, third, {"reason": "The warehouse moves."})


def test_a_filter_with_several_values_finds_each_of_them(api: Client, admin: Actor, three: None) -> None:
    wanted = {
        "owner=Ada&owner=Grace": "AB",
        "owner=Ada&owner=Grace&owner=Ada&environment=staging": "B",
        "environment=production&environment=staging": "AB",
        "external_id=b&external_id=a&external_id=none": "AB",
        "model_type=gpt-5&model_type=llama": "AB",
        "model_provider=openai&model_provider=ollama": "AB",
        "status=active&status=disabled": "ABC",
        "status=disabled": "C",
        "connection_type=DB&connection_type=POWERBI": "ABC",
        "label=team:finance&label=beta": "AB",
        "label=team=sales&label=team:hr": "B",
        f"created_by={admin.user_id}&created_by={api.get('/agents').json['items'][2]['created_by']['id']}": "ABC",
        f"created_by={admin.user_id}": "AB",
        "test=never&test=failed": "ABC",
        "test=failed&test=passed": "",
    }

    assert {query: "".join(names(api, query)) for query in wanted} == wanted
    exported = api.get("/agents/export?owner=Ada&owner=Grace").json["agents"]
    assert [agent["name"] for agent in exported] == ["A", "B"]


def test_values_that_are_empty_wrong_or_too_many_are_refused_by_parameter(api: Client) -> None:
    many = "&".join(f"owner=o{number}" for number in range(101))
    query = f"status=active&status=&environment=staging&environment=moon&{many}&sort=name&sort=name&created_by=7"

    errors = {error["parameter"]: error["detail"] for error in api.get(f"/agents?{query}").json["errors"]}

    assert errors.keys() == {"status", "environment", "owner", "sort", "created_by"}
    assert errors["status"] == "Write a value, or leave this parameter out."
    assert errors["owner"] == "Use at most 100 values. These are 101."
    assert errors["sort"] == "Send this parameter only once."
    assert api.get(f"/agents?{many.rpartition('&')[0]}").status_code == 200


def test_a_page_has_the_same_filters_in_any_order(api: Client, three: None) -> None:
    first = api.get("/agents?limit=1&owner=Ada&owner=Grace").json
    rest = f"limit=1&owner=Grace&owner=Ada&owner=Grace&cursor={first['next_cursor']}"

    assert [item["name"] for item in first["items"]] == ["A"]
    assert names(api, rest) == ["B"]


def test_agents_are_found_that_were_changed_at_a_time_or_later(api: Client, three: None) -> None:
    changed = api.get("/agents").json["items"][1]["updated_at"]
    moment = datetime.fromisoformat(changed)
    later = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}999Z"

    assert names(api, f"updated_since={quote(changed)}") == ["B", "C"]
    assert names(api, f"updated_since={quote(later)}") == ["B", "C"]
    assert names(api, "updated_since=2999-01-01T00:00:00-08:00") == []
    assert names(api, "updated_since=0001-01-01T00:00:00z") == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-11-27T09:30:00", "with its zone"),
        ("2026-11-27", "with its zone"),
        ("1764235800", "with its zone"),
        ("2026-11-27T09:30:00+01:00", "%2B"),
        ("2026-02-30T09:30:00Z", "no such time"),
        ("2026-11-27T09:30:60Z", "no such time"),
        ("2026-11-27T09:30:00123Z", "with its zone"),
        ("0001-01-01T00:00:00%2B01:00", "no such time"),
    ],
)
def test_a_time_that_says_too_little_is_refused(api: Client, text: str, says: str) -> None:
    answer = api.get(f"/agents?updated_since={text}")

    assert [error["parameter"] for error in answer.json["errors"]] == ["updated_since"]
    assert says in answer.json["errors"][0]["detail"]
