"""The list of agents through the JSON API: queries, errors and pages."""

import base64
import json

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


@pytest.mark.parametrize("asked", ["q=%FF", "owner=%ED%A0%80", "q=a&%C3=1"])
def test_a_query_in_another_encoding_is_refused(api: Client, asked: str) -> None:
    answer = api.get(f"/agents?{asked}")

    assert (answer.status_code, answer.json["code"]) == (400, "malformed")
    assert answer.json["detail"] == "Encode the query in UTF-8: a part of it is in another encoding."


def test_unknown_and_repeated_parameters_are_refused(api: Client) -> None:
    assert api.get("/agents?q=a&q=b").status_code == 422
    assert api.get("/agents?before=abc").status_code == 422
    assert api.get("/me?q=a").status_code == 422


@pytest.mark.parametrize("name", ["status[]", "status[0]", "status[12]"])
def test_a_known_parameter_with_brackets_is_refused_with_its_name(api: Client, name: str) -> None:
    answer = api.get("/agents", query_string={name: "active"})

    assert answer.status_code == 422
    assert answer.json["errors"] == [{"parameter": name, "detail": "Write status without brackets."}]


@pytest.mark.parametrize("name", ["color[]", "status[a]", "status[][]", "[]"])
def test_another_parameter_with_brackets_is_unknown(api: Client, name: str) -> None:
    answer = api.get("/agents", query_string={name: "active"})

    assert answer.json["errors"] == [{"parameter": name, "detail": "Unknown parameter. Remove it."}]


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


def test_a_cursor_belongs_to_its_order_and_to_its_filters(api: Client) -> None:
    for name in ("a", "b"):
        api.post("/agents", agent_values(name=name))
    by_name = api.get("/agents?limit=1&sort=name").json["next_cursor"]
    active = api.get("/agents?limit=1&status=active").json["next_cursor"]
    # As an earlier release made it: its default order, and no filters.
    old = _cursor("-updated_at", "2026-01-01T00:00:00+00:00")

    refusals = {
        f"sort=-name&cursor={by_name}": "The cursor belongs to the sort order name, and this request has -name. "
        + "Send sort=name with this cursor, or start again without a cursor.",
        f"cursor={old}": "The cursor belongs to the sort order -updated_at, and this request has created_at. "
        + "Send sort=-updated_at with this cursor, or start again without a cursor.",
        **dict.fromkeys(
            (f"cursor={active}", f"cursor={active}&status=disabled", f"cursor={active}&status=active&q=a"),
            "The cursor belongs to a list with other filters. "
            + "Send the same filters on every page, or start again without a cursor.",
        ),
    }
    for asked, sentence in refusals.items():
        answer = api.get(f"/agents?{asked}")
        assert (answer.status_code, answer.json["code"], answer.json["detail"]) == (400, "bad_cursor", sentence)
    (following,) = api.get(f"/agents?cursor={active}&status=active&limit=7").json["items"]
    assert following["name"] == "b"
    both = api.get("/agents?limit=1&status=active&status=disabled").json["next_cursor"]
    assert api.get(f"/agents?status=disabled&status=active&cursor={both}").json["items"] == [following]
    assert api.get(f"/agents?sort=-updated_at&status=active&cursor={old}").json == {"items": [], "next_cursor": None}


def _cursor(order: str, value: str) -> str:
    parts = json.dumps([order, value, "00000000-0000-0000-0000-000000000000"])
    return base64.urlsafe_b64encode(parts.encode()).decode().rstrip("=")


def test_pages_lose_and_repeat_no_agent_while_others_change(api: Client) -> None:
    made = [api.post("/agents", agent_values(name=f"Agent {number:02}")).json["id"] for number in range(8)]

    found, cursor = [], ""
    for number in range(4):
        page = api.get("/agents", query_string={"limit": 2, **({"cursor": cursor} if cursor else {})}).json
        found += [agent["id"] for agent in page["items"]]
        cursor = page["next_cursor"]
        # The first agent of the page before, those that follow, and a new one.
        api.delete(f"/agents/{found[2 * number]}")
        for agent_id in made[2 * number + 1 :]:
            assert api.patch(f"/agents/{agent_id}", {"name": f"A {number} {agent_id}"}).status_code == 200
        new = api.post("/agents", agent_values()).json["id"] if number == 0 else None
        made += [new] if new else []
    last = api.get("/agents", query_string={"limit": 2, "cursor": cursor}).json

    assert found + [agent["id"] for agent in last["items"]] == made
    assert last["next_cursor"] is None


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
