"""What a runtime token lists, and what it fetches by the external id of an agent."""

from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Event, RuntimeRead
from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.make import make_agent, make_token, make_user

BY_KEY = "/runtime/by-external-id/"


@pytest.fixture
def runtime(console: Flask, admin: Actor) -> Client:
    """A client with a runtime token."""
    return Client(console, make_token(console, admin, "runtime"))


def names(client: Client, query: str = "") -> list[str]:
    return [item["name"] for item in client.get(f"/runtime/agents{query}").json["items"]]


def recorded(console: Flask, admin: Actor) -> tuple[int, int]:
    """The numbers of fetches that are events, and of rows about who has which version."""
    of_account = (Event.account_id == admin.account_id, RuntimeRead.account_id == admin.account_id)
    events = sa.select(sa.func.count()).where(of_account[0], Event.action == "agent.fetched")
    with console.app_context(), db.reading() as connection:
        return connection.scalar(events), connection.scalar(sa.select(sa.func.count()).where(of_account[1]))


def test_only_active_agents_that_the_token_may_fetch_are_listed(runtime: Client, console: Flask, admin: Actor) -> None:
    first, _, third = (make_agent(console, admin, name=name, external_id=name) for name in ("One", "Two", "Three"))
    limited = Client(console, make_token(console, admin, "runtime", agent_ids=(first, third)))
    make_agent(console, make_user(console), name="Of another account")
    with console.app_context():
        agents.disable(admin, third, {"reason": "The warehouse moves."})

    assert (names(runtime), names(limited)) == (["One", "Two"], ["One"])
    assert names(runtime, "?external_id=Two&external_id=Three&external_id=Two") == ["Two"]
    assert names(limited, "?external_id=Two") == []
    assert [limited.get(BY_KEY + key).status_code for key in ("One", "Two", "Three", "Four")] == [200, 404, 403, 404]
    assert runtime.get("/runtime/agents?external_id=").json["errors"][0]["detail"].startswith("Write a value")


def test_the_pages_of_the_list_have_every_agent_once_with_its_etag(
    runtime: Client, console: Flask, admin: Actor
) -> None:
    made = [make_agent(console, admin, name=f"Agent {number}") for number in range(5)]
    found, cursor = [], ""
    while cursor is not None:
        page = runtime.get(f"/runtime/agents?limit=2&cursor={cursor}").json
        found, cursor = found + page["items"], page["next_cursor"]
        with console.app_context():
            agents.update(admin, made[-1], {"description": f"After {len(found)}"})

    assert [item["id"] for item in found] == list(map(str, made))
    assert recorded(console, admin) == (0, 0)
    fetched = runtime.get(f"/agents/{made[0]}/runtime")
    assert fetched.headers["ETag"] == found[0]["etag"]
    other_filter = runtime.get(f"/runtime/agents?limit=2&external_id=x&cursor={first_cursor(runtime)}")
    assert (other_filter.status_code, other_filter.json["code"]) == (400, "bad_cursor")


def first_cursor(runtime: Client) -> str:
    return str(runtime.get("/runtime/agents?limit=2").json["next_cursor"])


def test_a_fetch_by_external_id_is_the_fetch_of_that_agent(runtime: Client, console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, external_id="crm/1 ü", api_key="sk-1234")
    path = BY_KEY + quote("crm/1 ü", safe="")

    by_key = runtime.get(path)
    by_id = runtime.get(f"/agents/{agent_id}/runtime")
    known = runtime.get(path, headers={"If-None-Match": by_id.headers["ETag"]})

    assert (by_key.status_code, by_key.json["api_key"]) == (200, "sk-1234")
    assert (by_key.json, by_key.headers["ETag"]) == (by_id.json, by_id.headers["ETag"])
    assert (known.status_code, known.data) == (304, b"")
    assert recorded(console, admin) == (1, 1)


def test_a_head_request_by_external_id_is_no_fetch(runtime: Client, console: Flask, admin: Actor) -> None:
    make_agent(console, admin, external_id="crm-1")

    answer = runtime("HEAD", f"{BY_KEY}crm-1")

    assert (answer.status_code, answer.data, recorded(console, admin)) == (200, b"", (0, 0))


def test_a_token_without_the_scope_learns_nothing_of_external_ids(api: Client, console: Flask, admin: Actor) -> None:
    make_agent(console, admin, external_id="crm-1")

    assert [api.get(BY_KEY + key).status_code for key in ("crm-1", "crm-2")] == [403, 403]
