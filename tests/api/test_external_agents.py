"""An agent by its external id: what is refused, created and changed, and which external ids a path can have."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from agents_app.values import limits
from tests.api.conftest import Client
from tests.make import agent_values, make_agent, make_token, make_user

PASSWORD = "/connection_config/password"
ODD = [
    "/",
    "//a//",
    "a/../b",
    "...",
    "100%",
    "%2F",
    "a b+c",
    "é ü/日本",
    "?q=1#x",
    "\\",
    "a;b=c",
    "'\"<>",
    "~",
    "x" * limits.EXTERNAL_ID,
]


def where(external_id: str) -> str:
    return f"/agents/by-external-id/{quote(external_id, safe='')}"


def put(client: Client, external_id: str = "crm-1", **given: Any) -> Any:
    """Send a PUT with these values; `headers` are those of the request."""
    headers = given.pop("headers", {})
    return client("PUT", where(external_id), agent_values(**given), headers=headers)


def test_wrong_values_are_refused_together_with_another_external_id(api: Client) -> None:
    values = {"name": "", "external_id": "crm-2", "connection_type": "DB", "status": "disabled"}
    too_long = api("PUT", where("x" * (limits.EXTERNAL_ID + 1)), {**agent_values(), "color": "red"})
    two_lines = api("PUT", where("a\nb"), agent_values())
    blank, empty = (api("PUT", where(text), agent_values()) for text in (" ", ""))

    answer = api("PUT", where("crm-1"), values)

    pointers = [error["pointer"] for error in answer.json["errors"]]
    assert (answer.status_code, pointers[:2]) == (422, ["/external_id", "/status"])
    assert "Leave external_id out" in answer.json["errors"][0]["detail"]
    assert "/connection_config/host" in pointers
    assert [error["pointer"] for error in too_long.json["errors"]] == ["/external_id", "/color"]
    assert "one line" in two_lines.json["errors"][0]["detail"]
    assert blank.json["errors"] == empty.json["errors"]
    assert blank.json["errors"][0]["detail"].startswith("The path has no external ID.")
    assert api.get(where("")).status_code == 404
    assert api.get("/agents").json["items"] == []


def test_a_path_in_another_encoding_is_refused(api: Client) -> None:
    assert api("PUT", "/agents/by-external-id/caf%E9", agent_values()).status_code == 400
    assert api.get("/agents/by-external-id/%ED%A0%80").status_code == 400
    assert api.get(where("\0")).status_code == 404


def test_who_may_not_change_agents_creates_none(api: Client, console: Flask, admin: Actor) -> None:
    viewer = make_user(console, "viewer", admin.account_id)
    clients = [
        Client(console, make_token(console, admin, "read")),
        Client(console, make_token(console, viewer, "write")),
    ]

    assert [put(client).status_code for client in clients] == [403, 403]
    assert api.get(where("crm-1")).status_code == 404


def test_an_agent_of_another_account_is_not_found_and_not_touched(api: Client, console: Flask, admin: Actor) -> None:
    other = Client(console, make_token(console, make_user(console), "write"))
    ours = put(api).json["id"]

    assert other.get(where("crm-1")).status_code == 404
    assert put(other).status_code == 201
    assert api.get(where("crm-1")).json["id"] == ours


def test_conditions_refuse_what_is_there_and_what_is_not(api: Client) -> None:
    anything, nothing = {"If-Match": "*"}, {"If-None-Match": "*"}
    missing = [put(api, headers=condition) for condition in (anything, {"If-Match": '"1"'})]
    created = put(api, headers=nothing)
    current = {"If-Match": created.headers["ETag"]}

    assert [(one.status_code, one.json["code"]) for one in missing] == [(412, "stale")] * 2
    assert created.status_code == 201
    assert [(one.status_code, one.json["code"]) for one in [put(api, headers=nothing)]] == [(412, "already_exists")]
    assert put(api, headers={"If-None-Match": created.headers["ETag"]}).json["code"] == "bad_etag"
    assert put(api, name="Sales 2", headers=current).json["version"] == 2
    assert put(api, name="Sales 3", headers=current).json["code"] == "stale"
    assert put(api, name="Sales 3", headers=anything).json["version"] == 3


def test_the_same_request_again_changes_nothing(api: Client) -> None:
    config = {"connection_config": {"password": "secret-1"}, "api_key": "sk-1234", "labels": {"team": "finance"}}
    created = put(api, **config)
    again = put(api, **config)
    unchanged = put(api, labels={"team": "finance"}, external_id=" crm-1 ", note="Nothing changes.")

    assert (created.status_code, again.status_code, unchanged.status_code) == (201, 200, 200)
    assert created.headers["Location"].endswith(f"/agents/{created.json['id']}")
    assert created.headers["ETag"] == again.headers["ETag"] == unchanged.headers["ETag"]
    assert unchanged.json["version"] == 1
    assert unchanged.json["secrets_set"].keys() == {"/api_key", PASSWORD}


def test_what_is_not_sent_has_its_default_but_secrets_and_the_status_stay(api: Client) -> None:
    sent = {"description": "Revenue.", "owner": "Finance", "labels": {"team": "finance"}, "environment": "staging"}
    agent_id = put(api, **sent, api_key="sk-1234", connection_config={"row_limit": 7, "password": "secret-1"}).json[
        "id"
    ]
    api.post(f"/agents/{agent_id}/disable", {"reason": "The warehouse moves."})

    changed = put(api, connection_config={"password": ""}).json

    assert (changed["id"], changed["status"], changed["version"]) == (agent_id, "disabled", 3)
    assert (changed["description"], changed["owner"], changed["labels"], changed["environment"]) == (
        None,
        None,
        {},
        None,
    )
    assert changed["connection_config"]["row_limit"] == 1_000
    assert changed["secrets_set"].keys() == {"/api_key", PASSWORD}
    assert put(api, connection_config={"password": None}).json["secrets_set"].keys() == {"/api_key"}


def test_a_stored_secret_is_not_sent_to_another_destination(api: Client) -> None:
    put(api, connection_config={"password": "secret-1"})

    moved = put(api, connection_config={"host": "evil.example.org"})

    assert [error["pointer"] for error in moved.json["errors"]] == [PASSWORD]
    assert put(api, connection_config={"host": "new.example.org", "password": "secret-1"}).json["version"] == 2


def test_a_secret_that_another_person_typed_is_never_compared(api: Client, console: Flask, admin: Actor) -> None:
    editor = make_user(console, "editor", admin.account_id)
    guessing = Client(console, make_token(console, editor, "write"))
    put(api, api_key="sk-1234")
    copy_id = guessing.post(f"/agents/{api.get(where('crm-1')).json['id']}/clone").json["id"]
    guessing.patch(f"/agents/{copy_id}", {"external_id": "copy"})

    guesses = [put(guessing, api_key="sk-1234"), put(guessing, "copy", name="Copy of Sales", api_key="sk-1234")]

    assert [guess.json["version"] for guess in guesses] == [2, 3]


def test_a_deleted_agent_is_created_again(api: Client) -> None:
    old = put(api, api_key="sk-1234").json["id"]
    api.delete(f"/agents/{old}")

    new = put(api)

    assert (new.status_code, new.json["version"], new.json["secrets_set"]) == (201, 1, {})
    assert new.json["id"] != old
    assert api.post(f"/agents/{old}/restore").status_code == 409


def test_an_agent_is_deleted_by_its_external_id(api: Client, console: Flask) -> None:
    other = Client(console, make_token(console, make_user(console), "write"))
    old = put(api).headers["ETag"]
    path = f"/agents/{put(api, name='Sales 2').json['id']}"

    refused = [
        other.delete(where("crm-1")),
        api.delete(where("crm-2")),
        api.delete(where("a\nb")),
        api.delete(where("crm-1"), headers={"If-Match": old}),
        api("DELETE", where("crm-1"), {"note": 7}),
    ]
    assert [answer.status_code for answer in refused] == [404, 404, 404, 412, 422]
    assert api.get(path).json["version"] == 2

    current = {"If-Match": api.get(path).headers["ETag"]}
    done = api("DELETE", where("crm-1"), {"note": "The team has gone."}, headers=current)

    assert (done.status_code, done.data) == (204, b"")
    assert api.get(f"{path}/versions").json["items"][0]["note"] == "The team has gone."
    assert [api.get(path).status_code, api.delete(where("crm-1")).status_code] == [404, 404]
    assert api.post(f"{path}/restore").json["external_id"] == "crm-1"


def test_an_odd_external_id_has_an_address(api: Client) -> None:
    for external_id in ODD:
        created = put(api, external_id)
        read = api.get(where(external_id))

        assert (created.status_code, created.json["external_id"]) == (201, external_id)
        assert read.json["id"] == created.json["id"]
        assert api.get(where(external_id), headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
        assert put(api, external_id).status_code == 200
        assert api.delete(where(external_id)).status_code == 204


def test_of_two_requests_at_once_one_creates_and_the_other_changes(api: Client, console: Flask, admin: Actor) -> None:
    number = 4
    start = Barrier(number)

    def send(name: str) -> Any:
        start.wait()
        return put(api, name=name)

    with ThreadPoolExecutor(number) as pool:
        answers = list(pool.map(send, map("Agent {}".format, range(number))))

    assert sorted(answer.status_code for answer in answers) == [200] * (number - 1) + [201]
    assert len({answer.json["id"] for answer in answers}) == len(api.get("/agents").json["items"]) == 1
    assert api.get(where("crm-1")).json["version"] == number


def test_a_change_and_a_deletion_at_once_leave_one_agent_or_none(api: Client, console: Flask, admin: Actor) -> None:
    agent_id = UUID(put(api).json["id"])
    start = Barrier(2)

    def delete() -> int:
        start.wait()
        return api.delete(f"/agents/{agent_id}").status_code

    def change() -> int:
        start.wait()
        return put(api, name="Sales 2").status_code

    with ThreadPoolExecutor(2) as pool:
        deleted, changed = pool.submit(delete), pool.submit(change)

    assert (deleted.result(), changed.result() in (200, 201)) == (204, True)
    assert len(api.get("/agents").json["items"]) == (changed.result() == 201)


@pytest.mark.parametrize(("headers", "status"), [({}, 201), ({"If-Match": "*"}, 412)], ids=["any", "only a change"])
def test_a_deletion_before_the_answer_is_read_counts_as_one_before_the_change(
    api: Client, console: Flask, admin: Actor, headers: dict[str, str], status: int
) -> None:
    agent_id, waiting = UUID(put(api).json["id"]), [True]

    def delete(_: Session) -> None:
        # The first transaction that ends stores the change. The deletion has a transaction of its own.
        if waiting:
            waiting.clear()
            agents.delete(admin, agent_id)

    sa.event.listen(Session, "after_commit", delete)
    try:
        answer = put(api, name="Sales 2", headers=headers)
    finally:
        sa.event.remove(Session, "after_commit", delete)

    assert (waiting, answer.status_code) == ([], status)
    assert api.get(f"/agents/{agent_id}").status_code == 404
    assert [one["name"] for one in api.get("/agents").json["items"]] == (["Sales 2"] if status == 201 else [])


def test_an_external_id_that_a_change_takes_away_is_free(api: Client, console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, external_id="crm-1")
    with console.app_context():
        agents.update(admin, agent_id, {"external_id": "crm-2"})

    assert api.get(where("crm-1")).status_code == 404
    assert put(api).json["id"] != str(agent_id)
