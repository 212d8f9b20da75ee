"""The history of agents over JSON: versions are listed, compared and restored, and deletions are undone."""

from typing import Any

import pytest
from flask import Flask

from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.bad_inputs import BAD_NOTES
from tests.make import agent_values, make_agent, make_token

NOTE = "The warehouse has moved."
CANARY = "canary-of-the-database"
TOKEN_LIKE = "The key is sk-proj-4f9aB27cXw81LqZt93VhYp60RkEm"


@pytest.fixture
def path(api: Client) -> str:
    """The path of an agent at version 2, which has another host and another password than version 1."""
    made = f"/agents/{api.post('/agents', agent_values(connection_config={'password': CANARY})).json['id']}"
    api.patch(made, {"connection_config": {"host": "new.example.org", "password": f"{CANARY} 2"}, "note": NOTE})
    return made


@pytest.mark.parametrize("number", ["0", "3", "-1", "x", "1.5", "2147483648", "9" * 30, "9" * 5_000])
def test_a_version_that_does_not_exist_is_not_found(number: str, api: Client, path: str) -> None:
    assert api.get(f"{path}/versions/{number}").status_code == 404
    assert api.post(f"{path}/versions/{number}/restore").status_code == 404


@pytest.mark.parametrize("query", ["compare=0", "compare=x", "compare=", "compare=2147483648", "other=1"])
def test_a_comparison_that_is_no_number_of_a_version_is_refused(query: str, api: Client, path: str) -> None:
    assert api.get(f"{path}/versions/1?{query}").status_code == 422
    assert api.get(f"{path}/versions/1?compare=3").status_code == 404
    assert api.get(f"{path}/versions?cursor=zzz").json["code"] == "bad_cursor"


@pytest.mark.parametrize(("note", "sentence"), BAD_NOTES.values(), ids=BAD_NOTES.keys())
def test_a_bad_note_is_refused_at_every_change(note: Any, sentence: str, api: Client, path: str) -> None:
    ids = {"ids": [path.rpartition("/")[2]]}
    for method, place, values in (
        ("POST", "/agents", agent_values()),
        ("PATCH", path, {"name": "Orders"}),
        ("POST", f"{path}/enable", {}),
        ("POST", f"{path}/disable", {"reason": NOTE}),
        ("POST", f"{path}/clone", {}),
        ("POST", "/agents/bulk", {"act": "set_owner", "owner": "Ada", **ids}),
        ("POST", "/agents/bulk", {"act": "disable", "reason": NOTE, **ids}),
        ("POST", "/agents/bulk", {"act": "delete", **ids}),
        ("POST", f"/agents/bulk/{path.rpartition('/')[2]}/undo", {}),
        ("POST", f"{path}/versions/1/restore", {"connection_config": {"password": None}}),
        ("POST", f"{path}/restore", {}),
        ("DELETE", path, {}),
    ):
        answer = api(method, place, {**values, "note": note})

        assert (answer.status_code, answer.json["errors"]) == (422, [{"pointer": "/note", "detail": sentence}]), place
    assert api.get(path).json["version"] == 2


def test_a_restore_is_refused_until_the_secret_of_another_destination_is_sent(api: Client, path: str) -> None:
    refused = api.post(f"{path}/versions/1/restore", {"note": NOTE, "name": "Other"})
    stale = api.post(f"{path}/versions/1/restore", headers={"If-Match": '"1"'})
    values = {"note": "Moved back.", "connection_config": {"password": f"{CANARY} 3"}}
    tag = api.get(path).headers["ETag"]
    done = api.post(f"{path}/versions/1/restore", values, headers={"If-Match": tag})
    again = api.post(f"{path}/versions/1/restore")

    assert (refused.status_code, stale.status_code, done.status_code, again.status_code) == (422, 412, 200, 200)
    sentences = {one["pointer"]: one["detail"] for one in refused.json["errors"]}
    assert sentences.keys() == {"/connection_config/password", "/name"}
    assert sentences["/connection_config/password"].endswith(
        " so the stored password is not used. Send it in this request, or send null to remove it."
    )
    assert (done.json["connection_config"]["host"], done.json["version"]) == ("db.example.org", 3)
    assert again.headers["ETag"] == done.headers["ETag"]
    newest = api.get(f"{path}/versions").json["items"][0]
    assert (newest["restored_version"], newest["note"], newest["door"]) == (1, "Moved back.", "token")
    assert newest["token_owner"]
    assert newest["actor_name"].startswith("token ")


def test_a_name_that_may_be_a_secret_is_not_repeated_by_a_refused_restore(api: Client, path: str) -> None:
    sent = {CANARY: 1, "owner": "Ada", "connection_config": {CANARY: None, "host": "a", "password": "p"}}

    refused = api.post(f"{path}/versions/1/restore", sent)

    pointers = sorted(one["pointer"] for one in refused.json["errors"])
    assert (refused.status_code, pointers) == (422, ["", "/connection_config", "/connection_config/host", "/owner"])
    assert CANARY not in refused.text


def test_the_history_is_listed_page_by_page_and_compared_without_secrets(api: Client, path: str) -> None:
    whole = api.get(f"{path}/versions")
    first = api.get(f"{path}/versions?limit=1").json
    second = api.get(f"{path}/versions?limit=1&cursor={first['next_cursor']}").json
    compared = api.get(f"{path}/versions/2")
    back = api.get(f"{path}/versions/1?compare=2")

    assert whole.json["items"] == first["items"] + second["items"]
    assert second["next_cursor"] is None
    assert (whole.json["items"][0]["note"], whole.json["items"][0]["changed"]) == (NOTE, ["/connection_config/host"])
    assert compared.json["compared_with"] == 1
    assert compared.json["changes"] == [
        {"pointer": "/connection_config/host", "before": "db.example.org", "after": "new.example.org"}
    ]
    assert compared.json["secret_changes"] == back.json["secret_changes"] == {"/connection_config/password": "replaced"}
    assert (compared.json["content"]["name"], compared.json["problem"]) == ("Sales", None)
    assert "canary" not in whole.text + compared.text + back.text


def test_a_deletion_is_undone(api: Client, path: str) -> None:
    assert api.post(f"{path}/restore").status_code == 404
    assert api.delete(path, json={"note": "Not needed."}).status_code == 204

    deleted = api.get("/agents/deleted?limit=1").json["items"]
    history = api.get(f"{path}/versions").json["items"]
    restored = api.post(f"{path}/restore", {"note": "Needed after all."})

    assert (f"/agents/{deleted[0]['id']}", deleted[0]["has_secrets"]) == (path, True)
    assert deleted[0]["secrets_kept_until"]
    assert (history[0]["action"], history[0]["note"]) == ("agent.deleted", "Not needed.")
    assert (restored.status_code, restored.json["version"]) == (200, 4)
    assert restored.json["secrets_set"].keys() == {"/connection_config/password"}
    assert api.get("/agents/deleted").json["items"] == []


def test_the_reason_for_disabling_is_the_note_unless_there_is_another(api: Client, path: str) -> None:
    ids = {"ids": [path.rpartition("/")[2]]}
    for values in ({"reason": "Moving."}, {"reason": "Moved.", "note": NOTE}):
        assert api.post(f"{path}/disable", values).status_code == 200
    assert api.post("/agents/bulk", {"act": "enable", **ids}).json["counts"]["changed"] == 1
    done = api.post("/agents/bulk", {"act": "disable", **ids, "reason": "Over."}).json
    assert api.post(f"/agents/bulk/{done['id']}/undo", {"note": "Too early."}).json["counts"]["changed"] == 1

    notes = [one["note"] for one in api.get(f"{path}/versions").json["items"]]
    assert notes == ["Too early.", "Over.", None, NOTE, "Moving.", NOTE, None]


def test_what_looks_like_a_secret_in_a_note_is_a_warning(api: Client, path: str) -> None:
    for place, values in (
        (f"{path}/clone", {}),
        (f"{path}/enable", {}),
        (f"{path}/versions/1/restore", {"connection_config": {"password": None}}),
    ):
        answer = api.post(place, {**values, "note": TOKEN_LIKE})

        assert "/note" in {one["pointer"] for one in answer.json["warnings"]}, place
        assert "sk-proj" not in answer.text


def test_a_number_of_a_version_has_one_spelling(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin)
    client = Client(console, make_token(console, admin, "read"))

    assert client.get(f"/agents/{agent_id}/versions/1").status_code == 200
    for spelling in ("01", "+1", "\u0661", "\uff11", "1 "):
        assert client.get(f"/agents/{agent_id}/versions/{spelling}").status_code == 404
