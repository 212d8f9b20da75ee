"""The list of agents through the JSON API: queries, errors and pages."""

import pytest
from flask import Flask

from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.make import agent_values, make_agent, make_user


def test_the_id_of_a_person_of_another_account_finds_no_agents(api: Client, console: Flask) -> None:
    outsider = make_user(console)
    make_agent(console, outsider)

    assert api.get(f"/agents?created_by={outsider.user_id}").json == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "asked", ["limit=0", "limit=201", "limit=ten", "sort=color", "status=on", "created_by=1", "foo=1"]
)
def test_an_invalid_query_is_refused_with_the_name_of_the_field(api: Client, asked: str) -> None:
    answer = api.get(f"/agents?{asked}")

    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json["errors"]] == [asked.partition("=")[0]]


def test_unknown_and_repeated_parameters_are_refused(api: Client) -> None:
    assert api.get("/agents?q=a&q=b").status_code == 422
    assert api.get("/agents?before=abc").status_code == 422
    assert api.get("/me?q=a").status_code == 422


def test_every_invalid_parameter_is_reported_at_once(api: Client) -> None:
    answer = api.get("/agents?limit=0&sort=name&sort=name&color=red&a/b=1&status=on&q=sales")

    assert answer.status_code == 422
    assert [(error["parameter"], error["detail"]) for error in answer.json["errors"]] == [
        ("a/b", "Unknown parameter. Remove it."),
        ("color", "Unknown parameter. Remove it."),
        ("limit", "Limit must be between 1 and 200."),
        ("sort", "Send this parameter only once."),
        ("status", "Choose one of: active, disabled."),
    ]


@pytest.mark.parametrize("cursor", ["x", "%00", "e30", "bnVsbA", "WyJuYW1lIiwiYSIsImIiXQ", "a" * 4_000])
def test_a_damaged_cursor_is_refused(api: Client, cursor: str) -> None:
    assert api.get(f"/agents?cursor={cursor}").status_code in (400, 422)


def test_a_cursor_belongs_to_its_sort(api: Client) -> None:
    for name in ("a", "b"):
        api.post("/agents", agent_values(name=name))
    cursor = api.get("/agents?limit=1&sort=name").json["next_cursor"]

    answer = api.get(f"/agents?limit=1&sort=-name&cursor={cursor}")

    assert (answer.status_code, answer.json["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"])
def test_pages_together_are_the_whole_list_in_order(api: Client, sort: str) -> None:
    for name in ("delta", "Alpha", "charlie", "Bravo", "bravo"):
        api.post("/agents", agent_values(name=name))
    whole = api.get(f"/agents?sort={sort}").json["items"]

    pages, cursor = [], ""
    while cursor is not None:
        page = api.get("/agents", query_string={"sort": sort, "limit": 2, "cursor": cursor}).json
        pages.append(page["items"])
        cursor = page["next_cursor"]

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [agent for page in pages for agent in page] == whole
    keys = [agent[sort.removeprefix("-")].casefold() for agent in whole]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


def test_a_list_is_searched_and_filtered(api: Client, admin: Actor) -> None:
    first = api.post("/agents", agent_values(name="Straße 100%", model_type="gpt-5-mini")).json
    second = api.post("/agents", agent_values(connection_type="POWERBI", name="Finance", description="Café")).json
    api.post(f"/agents/{second['id']}/disable", {"reason": "Moving."})

    def found(**asked: str) -> list[str]:
        return [agent["id"] for agent in api.get("/agents", query_string=asked).json["items"]]

    assert found(q="STRASSE") == found(q="100%") == found(q="db.example strasse") == [first["id"]]
    assert found(q="caf\N{LATIN SMALL LETTER E WITH ACUTE}") == found(status="disabled") == [second["id"]]
    assert found(connection_type="POWERBI") == [second["id"]]
    assert found(model_type="gpt-5-mini") == [first["id"]]
    assert found(q="100_") == found(q="_") == found(model_type="gpt") == []
    assert set(found(created_by=str(admin.user_id))) == {first["id"], second["id"]}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("environment=live", "Choose one of: production, staging, development."),
        ("label=cost%20center", "Write name or name:value, such as team:finance."),
        ("label=team:", "Write a value for the label team, or remove the label."),
        ("label=:finance", "Write name or name:value, such as team:finance."),
        *((f"{name}=", "Write a value, or leave this parameter out.") for name in ("environment", "owner", "q")),
        ("needs_attention=%20&cursor=&limit=", "Write a value, or leave this parameter out."),
    ],
)
def test_an_invalid_filter_is_refused(api: Client, asked: str, sentence: str) -> None:
    answer = api.get(f"/agents?{asked}")

    assert answer.status_code == 422
    assert answer.json["errors"][0]["detail"].startswith(sentence)


def test_a_list_is_filtered_by_what_the_agents_are_for(api: Client) -> None:
    facts = {"environment": "production", "owner": "Finance", "external_id": "crm-1", "model_provider": "ollama"}
    one = api.post("/agents", agent_values(**facts, labels={"team": "f:n=ce", "a.b/c-d_e": "1"})).json["id"]
    other = api.post("/agents", agent_values(environment="staging", labels={"team": "sales"})).json["id"]
    api.post("/agents", agent_values())

    def found(**asked: str) -> set[str]:
        return {agent["id"] for agent in api.get("/agents", query_string=asked).json["items"]}

    assert all(found(**{name: value}) == {one} for name, value in facts.items())
    assert found(label="team:f:n=ce") == found(label="team=f:n=ce") == found(label="a.b/c-d_e:1") == {one}
    assert found(label="team") == {one, other}
    assert found(label="a.b") == found(label="team:F:n=ce") == found(external_id="CRM-1") == set()
    assert found(label="team", environment="staging") == {other}
    assert found(q="crm-1 finance") == {one}


def test_a_list_has_no_long_texts_and_no_configurations(api: Client) -> None:
    api.post("/agents", agent_values(system_instructions="Answer briefly."))

    item = api.get("/agents").json["items"][0]

    assert item["connection"] == {"host": "db.example.org", "dialect": "postgresql", "database": "sales"}
    assert not {"system_instructions", "connection_config", "secrets_set"} & item.keys()
