"""A PATCH of the whole document that a response had, and JSON Merge Patch."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from agents_app.connections import TYPES
from agents_app.connections.database import Dialect
from agents_app.operations import user_details, users
from agents_app.operations.permissions import Actor
from agents_app.operations.read_only_members import DIFFERS, NULL_OF_LIST, NULL_SECRET, SENTENCES
from agents_app.probes.results import Result
from agents_app.schemas.agents import AgentValues
from agents_app.values.choices import ConnectionType
from tests.api.conftest import Client, is_valid
from tests.make import agent_values, make_last_test, make_token, make_user

MERGE_PATCH = "application/merge-patch+json"
WHOLE = {
    "description": "Orders\nand returns.",
    "owner": "Ada",
    "environment": "production",
    "labels": {"team": "finance", "region": "emea"},
    "model_provider": "openai",
    "model_type": "gpt-5-mini",
    "api_key": "sk-a-long-enough-key",
    "api_key_expires_at": "2027-06-30",
    "system_instructions": "Answer briefly.",
}
CONFIGS: list[tuple[str, dict[str, Any]]] = [
    *((kind.value, {**declaration.example}) for kind, declaration in TYPES.items()),
    *(("DB", {"dialect": dialect.value, "password": "pw"}) for dialect in Dialect),
]
SECRETS: list[tuple[str, dict[str, str]]] = [
    ("DB", {"password": "pw"}),
    ("POWERBI", {"client_secret": "a-long-enough-secret", "private_key_password": "pw"}),
]


@pytest.fixture
def agent(api: Client, console: Flask, admin: Actor) -> dict[str, Any]:
    """An agent of which every member has a value, as GET returns it."""
    made = api.post("/agents", agent_values(**WHOLE, external_id="crm-17", connection_config={"password": "pw"})).json
    make_last_test(console, admin, UUID(made["id"]), connection=Result(()))
    read: dict[str, Any] = api.get(f"/agents/{made['id']}").json
    return read


def _refused(api: Client, agent: dict[str, Any], **changes: Any) -> dict[str, str]:
    answer = api.patch(f"/agents/{agent['id']}", {**agent, "name": "Never stored", **changes})
    assert answer.status_code == 422, changes
    return {one["pointer"]: one["detail"] for one in answer.json["errors"]}


def test_a_changed_read_only_member_is_named_with_what_to_do(api: Client, agent: dict[str, Any]) -> None:
    facts, shown = agent["secrets_set"], api.get("/agents").json["items"][0]["connection"]
    others: dict[str, list[Any]] = {
        "id": ["7d3e6f80-4a0c-4d5e-9f3a-2b1c0d9e8f70", None, 1, [agent["id"]], "", f"{{{agent['id']}}}"],
        "version": [2, 0, None, "1", True, 1.5, -1, 10**30, []],
        "status": ["disabled", None, "", 1, {}],
        "status_reason": ["Moving.", "", 0, []],
        "credential_expires_at": ["2027-01-01", "", 0],
        "created_at": [None, "2026-01-01T00:00:00Z", agent["created_at"][:19], "9999-12-31T23:59:59-23:59", "\ud800"],
        "updated_at": [None, "", 5, {"a": 1}],
        "created_by": [None, {**agent["created_by"], "id": agent["id"]}, {"name": "Admin"}, {}, {"role": 1}, "Ada", []],
        "updated_by": ["Eve", None],
        "updated_by_token_owner": [{}, 1, []],
        "last_test": [{"a": None}, {**agent["last_test"], "outcome": "failed"}, "passed", [], 1],
        "secrets_set": [
            *({**facts, "/other": {"readable": True}}, None, [], {}, {"/api_key": facts["/api_key"]}),
            *({**facts, "/api_key": wrong} for wrong in ({"last_four": "0000"}, {}, {"a": 1}, None)),
        ],
        "warnings": ["x", {}, [1], [{"pointer": "/a"}], [{"pointer": 1, "detail": "b"}]],
        "connection": [{**shown, "host": "other"}, {"host": shown["host"]}, {**shown, "port": 1}, {}, [], "x"],
        "last_fetched_at": ["2026-01-01T00:00:00Z", "", 5, {}],
    }
    assert others.keys() == SENTENCES.keys()
    for name, values in others.items():
        for value in values:
            assert _refused(api, agent, **{name: value}) == {f"/{name}": SENTENCES[name]}, (name, value)
    # Without its version, a document may have been read at any time.
    for name, value in {"last_test": None, "updated_by_token_owner": "Eve"}.items():
        alone = api.patch(f"/agents/{agent['id']}", {name: value})
        assert (alone.status_code, alone.json["errors"][0]["detail"]) == (422, SENTENCES[name])
    # Everything that is wrong is named at once, and nothing else is stored.
    wrong = {name: values[0] for name, values in others.items()}
    assert _refused(api, agent, **wrong, color="red", owner=["Ada"]).keys() == {
        *(f"/{name}" for name in others), "/color", "/owner",
    }  # fmt: skip
    assert api.get(f"/agents/{agent['id']}").json == agent


def test_every_member_of_an_agent_is_writable_or_read_only(agent: dict[str, Any]) -> None:
    assert agent.keys() == (SENTENCES.keys() | AgentValues.model_fields.keys()) - {
        *("api_key", "warnings", "connection", "last_fetched_at")
    }


@pytest.mark.parametrize(("kind", "secrets"), SECRETS)
def test_a_secret_that_the_document_says_is_stored_is_not_removed_by_null(
    api: Client, kind: str, secrets: dict[str, str]
) -> None:
    config = {**TYPES[ConnectionType(kind)].example, **secrets}
    created = api.post(
        "/agents", agent_values(**WHOLE, connection_type=kind, connection_config=config, external_id="a")
    )
    assert created.status_code == 201, created.json
    read, path = created.json, f"/agents/{created.json['id']}"
    names = TYPES[ConnectionType(kind)].secret_names()
    nulls = {"api_key": None, "connection_config": {**read["connection_config"], **dict.fromkeys(names)}}
    pointers = {"/api_key", *(f"/connection_config/{name}" for name in secrets)}

    assert _refused(api, read, **nulls) == dict.fromkeys(pointers, NULL_SECRET)
    others = [
        api.patch(path, {"secrets_set": read["secrets_set"], "api_key": None}),
        api.post(f"{path}/test", {**read, **nulls}),
        api("PUT", "/agents/by-external-id/a", {**read, **nulls}),
    ]
    assert [answer.status_code for answer in others] == [422] * 3
    assert api.get(path).json == {name: value for name, value in read.items() if name != "warnings"}
    # Without secrets_set, null removes them.
    del read["secrets_set"]
    assert api.patch(path, {**read, **nulls}).json["secrets_set"] == {}


def test_an_unchanged_item_of_the_list_is_accepted_after_another_fetch(
    api: Client, console: Flask, admin: Actor, agent: dict[str, Any]
) -> None:
    path, item = f"/agents/{agent['id']}", api.get("/agents").json["items"][0]
    runtime = Client(console, make_token(console, admin, "runtime"))
    assert runtime.get(f"{path}/runtime").status_code == 200
    assert api.patch(path, item).status_code == 200

    fetched = api.get("/agents").json["items"][0]
    assert is_valid(fetched, "AgentUpdate")
    at = fetched["last_fetched_at"]
    answers = [
        api.patch(path, {**fetched, "last_fetched_at": one, "owner": "Grace"})
        for one in (at, f"{at[:19]}Z", "2026-01-01T00:00:00Z", None)
    ]

    assert [answer.status_code for answer in answers] == [200] * 4
    # An item has no secrets_set, and some clients send null for what it does not have.
    nulls = {"api_key": None, "system_instructions": None, "model_base_url": None}
    lost = api.patch(path, {**fetched, **nulls, "version": answers[0].json["version"], "name": "Never stored"})
    found = {error["pointer"]: error["detail"] for error in lost.json["errors"]}
    assert found.items() >= dict.fromkeys(["/api_key", "/system_instructions"], NULL_OF_LIST).items()
    assert "/model_base_url" not in found
    assert api.get(path).json["secrets_set"] == agent["secrets_set"]
    later = {"last_fetched_at": "9999-01-01T00:00:00Z"}
    assert _refused(api, answers[0].json, **later) == {"/last_fetched_at": SENTENCES["last_fetched_at"]}


@pytest.mark.parametrize("happened", ["renamed", "deleted"])
def test_a_document_is_written_back_after_its_creator_was_renamed_or_deleted(
    console: Flask, admin: Actor, api: Client, happened: str
) -> None:
    """Neither is a change of the agent: If-Match holds, so the members must not be refused."""
    editor = make_user(console, "editor", admin.account_id)
    values = agent_values(**WHOLE, external_id="crm-17", connection_config={"password": "pw"})
    made = Client(console, make_token(console, editor, "write")).post("/agents", values)
    path, read = f"/agents/{made.json['id']}", api.get(f"/agents/{made.json['id']}")

    with console.app_context():
        if happened == "renamed":
            user_details.change(admin, UUID(read.json["created_by"]["id"]), {"name": "Ada Lovelace"})
        else:
            users.delete(admin, UUID(read.json["created_by"]["id"]))
    put = api("PUT", "/agents/by-external-id/crm-17", read.json)
    changed = api.patch(path, {**read.json, "owner": "Grace"}, headers={"If-Match": read.headers["ETag"]})

    assert [put.status_code, changed.status_code, changed.json["version"]] == [200, 200, 2]
    assert changed.json["created_by"] != read.json["created_by"]


def test_a_document_is_written_back_after_the_server_got_its_keys_again(api: Client, agent: dict[str, Any]) -> None:
    facts = {pointer: {**fact, "readable": False} for pointer, fact in agent["secrets_set"].items()}

    assert api.patch(f"/agents/{agent['id']}", {**agent, "secrets_set": facts}).status_code == 200
    no_truth = {pointer: {**fact, "readable": "no"} for pointer, fact in facts.items()}
    assert _refused(api, agent, secrets_set=no_truth).keys() == {"/secrets_set"}


def test_a_document_of_another_branch_of_the_history_is_refused(api: Client, agent: dict[str, Any]) -> None:
    # A backup was restored: the agent is older than the document.
    restored = _refused(api, agent, version=2, updated_at="2030-01-01T00:00:00Z")
    assert restored == {"/version": DIFFERS, "/updated_at": DIFFERS}


def test_put_takes_the_document_of_the_agent_and_no_other(api: Client, agent: dict[str, Any]) -> None:
    place = "/agents/by-external-id/crm-17"
    same, changed = api("PUT", place, agent), api("PUT", place, {**agent, "owner": "Grace", "warnings": []})
    again = api("PUT", place, {**agent, "owner": "Grace"})

    assert [answer.status_code for answer in (same, changed, again)] == [200] * 3
    assert (same.json["version"], changed.json["version"], again.json["owner"]) == (1, 2, "Grace")
    assert changed.json["secrets_set"] == agent["secrets_set"]
    older = api("PUT", place, {**agent, "owner": "Eve"})
    wrong = api("PUT", place, {**changed.json, "status": "disabled", "color": "red"})
    assert [error["pointer"] for error in older.json["errors"]] == ["/version"]
    assert [error["pointer"] for error in wrong.json["errors"]] == ["/color", "/status"]
    new = api("PUT", "/agents/by-external-id/crm-18", {**agent, "external_id": "crm-18"})
    found = {error["pointer"].removeprefix("/"): error["detail"] for error in new.json["errors"]}
    assert found.keys() == agent.keys() & SENTENCES.keys()
    assert not [sentence for sentence in found.values() if "change can" in sentence or "read" in sentence]


def test_a_document_of_an_older_version_is_refused_with_the_present_version(api: Client, agent: dict[str, Any]) -> None:
    path = f"/agents/{agent['id']}"
    renamed = api.patch(path, {**agent, "name": "Never stored"})
    # A client that got no answer sends the same again. Nothing is lost, and nothing is stored.
    again = api.patch(path, {**agent, "name": "Never stored"})
    assert (renamed.status_code, again.status_code, again.json) == (200, 200, renamed.json)
    # A status is no value that an earlier request of this client can have changed.
    assert _refused(api, {"id": agent["id"], "version": 1}, status="disabled", created_by=None).keys() == {
        "/version",
        "/status",
        "/created_by",
    }
    api.patch(path, {"name": "Other"})

    stale = "The agent has changed since it was read. It is now at version 3. Read it again, then repeat the change."
    assert _refused(api, agent) == {"/version": stale}
    assert _refused(api, agent, id=None, owner=1).keys() == {"/version", "/id", "/owner"}
    tested = api.post(f"{path}/test", agent)
    assert (tested.status_code, tested.json["errors"]) == (422, [{"pointer": "/version", "detail": stale}])
    assert api.get(path).json["version"] == 3


def test_instants_and_ids_may_have_another_spelling_and_unknown_members_may_be_missing(
    api: Client, agent: dict[str, Any]
) -> None:
    path, created, zone = (
        f"/agents/{agent['id']}",
        datetime.fromisoformat(agent["created_at"]),
        timezone(timedelta(hours=5)),
    )
    milliseconds = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{created.microsecond // 1000:03}Z"
    spellings = [
        milliseconds,
        milliseconds.lower(),
        created.astimezone(zone).isoformat(),
        f"{agent['created_at'][:26]}123Z",
        f"{agent['created_at'][:19]}Z",
    ]
    # A test in between is no reason to read again.
    tests = [
        agent["last_test"],
        None,
        {**agent["last_test"], "tested_at": "2026-01-01T00:00:00Z"},
        {"outcome": "passed"},
    ]
    stored = agent["secrets_set"]
    known = {pointer: {"readable": True} for pointer in stored}
    # Some clients keep what they do not know, and send a member under its own and under another name.
    twice = {pointer: {**fact, "setAt": fact["set_at"], "lastFour": "x", "a": None} for pointer, fact in stored.items()}
    secrets = [known, twice]
    facts = [
        {"id": agent["id"].upper()},
        {"created_by": {"id": agent["created_by"]["id"].upper()}},
        {"created_by": {**agent["created_by"], "role": 1}},
        {"last_test": {**agent["last_test"], "isSample": False}},
        {"warnings": None, "connection": None, "last_fetched_at": None},
    ]
    sent = [
        *({"created_at": spelling} for spelling in spellings),
        *({"last_test": test} for test in tests),
        *({"secrets_set": one} for one in secrets),
        *facts,
        {"warnings": [{"pointer": "/note", "detail": "An earlier one.", "code": 1}]},
    ]

    for changes in sent:
        answer = api.patch(
            path, {**agent, **changes, "owner": "Grace"} if changes is sent[-1] else {**agent, **changes}
        )
        assert answer.status_code == 200, (changes, answer.json)
    assert (answer.json["owner"], answer.json["version"]) == ("Grace", 2)


@pytest.mark.parametrize(("kind", "config"), CONFIGS, ids=lambda value: str(value)[:30])
def test_what_a_response_had_is_written_back_unchanged(api: Client, kind: str, config: dict[str, Any]) -> None:
    values = agent_values(**WHOLE, external_id="a/b", connection_type=kind, connection_config=config)
    created = api.post("/agents", values)
    assert created.status_code == 201, created.json
    path, tag = f"/agents/{created.json['id']}", created.headers["ETag"]
    responses = [created, api.get(path), api.patch(path, {}), api.get("/agents/by-external-id/a/b")]

    for response in responses:
        assert is_valid(response.json, "AgentUpdate")
        for media_type in ("application/json", MERGE_PATCH):
            # Twice: nothing is stored, so the second one is the same.
            for _ in range(2):
                headers = {"If-Match": tag, "Content-Type": media_type}
                answer = api.patch(path, data=json.dumps(response.json), headers=headers)
                assert (answer.status_code, answer.headers["ETag"]) == (200, tag), answer.json
    changed = api.patch(path, {**responses[1].json, "name": "Other"}).json
    again = api.patch(path, {**changed, "labels": {"team": "sales"}}).json

    assert (changed["name"], changed["version"], changed["secrets_set"]) == ("Other", 2, created.json["secrets_set"])
    assert (again["name"], again["labels"], again["version"]) == ("Other", {"team": "sales"}, 3)
    assert again["connection_config"] == created.json["connection_config"]


def test_another_media_type_is_refused_with_those_that_a_patch_takes(api: Client, agent: dict[str, Any]) -> None:
    path = f"/agents/{agent['id']}"
    for media_type in ("application/json-patch+json", "text/json", "application/vnd.api+json", ""):
        refused = api.patch(path, data='{"name": "Other"}', headers={"Content-Type": media_type})

        assert (refused.status_code, refused.json["code"]) == (415, "unsupported_media_type")
        assert refused.headers["Accept-Patch"] == f"application/json, {MERGE_PATCH}"
        assert f"Send the body as application/json or {MERGE_PATCH}," in refused.json["detail"]
    for method, other in (("POST", "/agents"), ("POST", f"{path}/test"), ("PUT", "/agents/by-external-id/a")):
        refused = api(method, other, data="{}", headers={"Content-Type": MERGE_PATCH})
        assert (refused.status_code, "Accept-Patch" in refused.headers) == (415, False)


def test_a_merge_patch_merges_labels_one_by_one(api: Client, agent: dict[str, Any]) -> None:
    path = f"/agents/{agent['id']}"

    def patched(media_type: str, labels: Any) -> Any:
        answer = api.patch(path, data=json.dumps({"labels": labels}), headers={"Content-Type": media_type})
        return answer.json["labels"] if answer.status_code == 200 else answer.json["errors"][0]["pointer"]

    assert patched(MERGE_PATCH, {"region": None, "cost": "7", "none": None}) == {"team": "finance", "cost": "7"}
    assert is_valid({"labels": {"region": None}}, "AgentMergePatch")
    assert patched(MERGE_PATCH, {}) == {"team": "finance", "cost": "7"}
    assert patched(MERGE_PATCH, {"team": {"a": 1}}) == patched(MERGE_PATCH, {"team": 7}) == "/labels/team"
    assert patched(MERGE_PATCH, ["team"]) == "/labels"
    assert patched(MERGE_PATCH, {f"l{number}": "1" for number in range(200)}) == "/labels"
    assert patched("application/json", {"region": "emea"}) == {"region": "emea"}
    assert patched("application/json; charset=UTF-8", {"region": None}) == "/labels/region"
    assert patched(f"{MERGE_PATCH}; charset=utf-8", None) == {}


def test_a_test_takes_the_document_too(api: Client, console: Flask, agent: dict[str, Any]) -> None:
    refused = api.post(f"/agents/{agent['id']}/test", {**agent, "status": "disabled", "model_type": 5, "note": "a"})

    assert {one["pointer"] for one in refused.json["errors"]} == {"/status", "/model_type", "/note"}
