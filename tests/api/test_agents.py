"""Agents through the JSON API: what is refused, and what each endpoint returns."""

import uuid

import pytest
from flask import Flask

from agents_app.operations.permissions import Actor
from tests.api.conftest import Client, without_request_id
from tests.bad_inputs import BAD_AGENTS, Bad
from tests.make import agent_values, make_agent, make_token, make_user


@pytest.mark.parametrize("bad", BAD_AGENTS, ids=lambda bad: bad.name)
def test_bad_values_are_refused_with_the_sentences_of_every_door(api: Client, bad: Bad) -> None:
    answer = api.post("/agents", bad.values)

    assert answer.status_code == 422
    assert sorted((error["pointer"], error["detail"]) for error in answer.json["errors"]) == sorted(bad.refused)


def test_white_space_around_the_type_is_ignored(api: Client) -> None:
    made = api.post("/agents", {**agent_values(), "connection_type": " DB\t"})

    changed = api("PATCH", f"/agents/{made.json['id']}", {"connection_type": "DB ", "description": "Sales."})

    assert (made.status_code, changed.status_code) == (201, 200)
    assert changed.json["connection_config"] == made.json["connection_config"]


@pytest.mark.parametrize("config", [None, "", "  ", {}])
def test_blank_settings_are_refused_with_each_missing_field(api: Client, config: object) -> None:
    refused = api.post("/agents", {**agent_values(), "connection_config": config})

    assert refused.status_code == 422
    lacking = [error["pointer"].removeprefix("/connection_config/") for error in refused.json["errors"]]
    assert lacking == ["dialect", "host", "database", "username"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_agent_of_another_account_is_answered_like_a_missing_one(api: Client, console: Flask, method: str) -> None:
    foreign = make_agent(console, make_user(console))
    body = {} if method == "PATCH" else None

    missing_answer = api(method, f"/agents/{uuid.uuid4()}", body)
    foreign_answer = api(method, f"/agents/{foreign}", body)

    assert foreign_answer.status_code == missing_answer.status_code == 404
    assert without_request_id(foreign_answer) == without_request_id(missing_answer)
    varying = ("X-Request-ID", "Date", "RateLimit")
    for headers in (foreign_answer.headers, missing_answer.headers):
        [headers.pop(name, None) for name in varying]
    assert list(foreign_answer.headers) == list(missing_answer.headers)


@pytest.mark.parametrize("act", ["clone", "enable", "disable", "runtime"])
def test_actions_on_an_agent_of_another_account_are_not_found(console: Flask, admin: Actor, act: str) -> None:
    foreign = make_agent(console, make_user(console))
    api = Client(console, make_token(console, admin, "write", "runtime"))
    method, body = ("GET", None) if act == "runtime" else ("POST", {"reason": "Moving."} if act == "disable" else None)

    missing_answer = api(method, f"/agents/{uuid.uuid4()}/{act}", body)
    foreign_answer = api(method, f"/agents/{foreign}/{act}", body)

    assert foreign_answer.status_code == missing_answer.status_code == 404
    assert without_request_id(foreign_answer) == without_request_id(missing_answer)


@pytest.mark.parametrize("name", ["1", "me", "%00", "..%2f", "6f9619ff8b864011b42d00c04fc964ff", "{6f9619ff}", "😀"])
def test_an_id_that_is_not_a_uuid_is_not_found(api: Client, name: str) -> None:
    assert api.get(f"/agents/{name}").status_code == 404
    assert api.get(f"/agents/{name}/runtime").status_code == 404


def test_a_destination_is_not_changed_under_a_stored_password(api: Client) -> None:
    agent = api.post("/agents", agent_values(connection_config={"password": "correct horse"})).json

    answer = api.patch(f"/agents/{agent['id']}", {"connection_config": {"host": "other.example.org"}})

    cause = "The destination of the connection has changed, so the stored password is not used."
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {"pointer": "/connection_config/password", "detail": f"{cause} Set it again, remove it, or undo that change."}
    ]
    assert api.get(f"/agents/{agent['id']}").json["connection_config"]["host"] == "db.example.org"


@pytest.mark.parametrize("key", ["", " ", "ä", "x" * 256, "a\tb"])
def test_an_idempotency_key_is_printable_ascii(api: Client, key: str) -> None:
    path = f"/agents/{api.post('/agents', agent_values()).json['id']}/clone"

    for answer in (
        api.post("/agents", agent_values(), headers={"Idempotency-Key": key}),
        api.post(path, headers={"Idempotency-Key": key}),
    ):
        assert (answer.status_code, answer.json["code"]) == (400, "bad_idempotency_key")


KEY = {"Idempotency-Key": "deploy 7"}


def test_white_space_around_an_idempotency_key_is_no_part_of_it_and_two_keys_are_refused(api: Client) -> None:
    ids = {
        api.post("/agents", agent_values(), headers={"Idempotency-Key": key}).json["id"]
        for key in ("deploy 7", " deploy 7", "deploy 7 \t")
    }
    # As the server passes it on, with the values that WSGI has joined.
    twice = {"asgi.scope": {"headers": [(b"idempotency-key", b"deploy 7")] * 2}}

    refused = api.post("/agents", agent_values(), headers=KEY, environ_overrides=twice)

    assert len(ids) == 1
    assert (refused.status_code, refused.json["code"]) == (400, "bad_idempotency_key")
    assert refused.json["detail"] == "The header Idempotency-Key was sent more than once. Send it once."


@pytest.mark.parametrize(
    "change",
    [{"name": "Other"}, {"connection_config": {"row_limit": 5}}, {"api_key": "sk-1234"}, {"connection_config": {}}],
    ids=["another name", "another limit", "one secret more", "one secret less"],
)
def test_an_idempotency_key_is_not_used_for_other_public_content(api: Client, change: dict[str, object]) -> None:
    secret = {"password": "correct horse"}
    api.post("/agents", agent_values(connection_config=dict(secret)), headers=KEY)
    given = change.get("connection_config", secret)
    config = {**secret, **given} if given else {}

    answer = api.post("/agents", agent_values(**{**change, "connection_config": config}), headers=KEY)

    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_reused")
    assert len(api.get("/agents").json["items"]) == 1


def test_a_changed_agent_is_not_returned_for_its_key(api: Client) -> None:
    path = f"/agents/{api.post('/agents', agent_values(), headers=KEY).json['id']}"
    # Changed and changed back: the version differs although the content is the same.
    for name in ("Other", "Sales"):
        api.patch(path, {"name": name})

    answer = api.post("/agents", agent_values(), headers=KEY)

    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_changed")
    # A new key would make a second agent.
    assert "new key" not in answer.json["detail"]
    assert f"created the agent {path.rpartition('/')[2]}, which has been changed" in answer.json["detail"]
    assert answer.headers["Location"] == f"/api/v1{path}"
    assert "Idempotency-Replayed" not in answer.headers
    assert api.get(path).json["version"] == 3


def test_a_deleted_agent_is_not_created_again_by_its_key(api: Client) -> None:
    path = f"/agents/{api.post('/agents', agent_values(), headers=KEY).json['id']}"
    api.delete(path)

    answer = api.post("/agents", agent_values(), headers=KEY)

    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_deleted")
    assert f"created the agent {path.rpartition('/')[2]}, which has been deleted" in answer.json["detail"]
    assert "Location" not in answer.headers
    assert api.get("/agents").json["items"] == []
    assert api.get(path).status_code == 404


def test_a_key_of_another_account_is_another_key(api: Client, console: Flask) -> None:
    first = api.post("/agents", agent_values(), headers=KEY)
    other = Client(console, make_token(console, make_user(console), "write"))

    answer = other.post("/agents", agent_values(name="Other"), headers=KEY)

    assert answer.status_code == 201
    assert answer.json["id"] != first.json["id"]


def test_a_new_agent_is_returned_with_its_location_and_etag(api: Client, admin: Actor) -> None:
    values = agent_values(api_key="sk-a-long-enough-key", connection_config={"password": "short"})

    answer = api.post("/agents", values)

    agent = answer.json
    assert (answer.status_code, agent["version"]) == (201, 1)
    assert answer.headers["Location"] == f"/api/v1/agents/{agent['id']}"
    assert agent["created_by"] == {"id": str(admin.user_id), "name": admin.name}
    assert agent["updated_by"] == "token ci"
    assert agent["connection_config"]["port"] == 5432
    assert agent["secrets_set"]["/api_key"]["last_four"] == "-key"
    assert agent["secrets_set"]["/connection_config/password"]["last_four"] is None
    assert agent["created_at"][-1] == agent["secrets_set"]["/api_key"]["set_at"][-1] == "Z"
    assert {**api.get(f"/agents/{agent['id']}").json, "warnings": []} == agent


@pytest.mark.parametrize("guess", ["correct horse", "battery staple"])
def test_a_repeated_request_returns_the_first_agent_and_confirms_no_guess_of_a_secret(api: Client, guess: str) -> None:
    values = agent_values(api_key="sk-1", connection_config={"password": "correct horse"})
    first = api.post("/agents", values, headers=KEY)

    again = api.post("/agents", agent_values(api_key="sk-1", connection_config={"password": guess}), headers=KEY)

    assert (first.status_code, again.status_code) == (201, 200)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == first.json
    assert {**api.get(f"/agents/{first.json['id']}").json, "warnings": []} == first.json


def test_a_change_merges_and_increments_the_version(api: Client) -> None:
    made = api.post("/agents", agent_values(description="Old", api_key="sk-1"))
    agent, path = made.json, f"/agents/{made.json['id']}"

    answer = api.patch(
        path,
        {"description": None, "api_key": "", "connection_config": {"row_limit": 7}},
        headers={"If-Match": made.headers["ETag"]},
    )

    changed = answer.json
    assert (answer.status_code, changed["version"]) == (200, 2)
    assert (changed["name"], changed["description"]) == ("Sales", None)
    assert changed["connection_config"] == {**agent["connection_config"], "row_limit": 7}
    assert changed["secrets_set"] == agent["secrets_set"]
    assert api.patch(path, {"name": "Sales"}, headers={"If-Match": "*"}).json["version"] == 2


def test_a_new_type_begins_with_an_empty_configuration(api: Client) -> None:
    agent = api.post("/agents", agent_values(connection_config={"password": "correct horse"})).json
    power_bi = agent_values(connection_type="POWERBI")

    changed = api.patch(f"/agents/{agent['id']}", power_bi).json

    assert changed["connection_config"]["tenant_id"] == "contoso.example.org"
    assert "host" not in changed["connection_config"]
    assert changed["secrets_set"] == {}


def test_null_removes_a_secret(api: Client) -> None:
    agent = api.post("/agents", agent_values(api_key="sk-1", connection_config={"password": "correct horse"})).json

    changed = api.patch(f"/agents/{agent['id']}", {"api_key": None, "connection_config": {"password": None}}).json

    assert changed["secrets_set"] == {}


def test_an_agent_is_disabled_with_a_reason_and_enabled_again(api: Client) -> None:
    path = f"/agents/{api.post('/agents', agent_values()).json['id']}"

    refused = api.post(f"{path}/disable", {})
    disabled = api.post(f"{path}/disable", {"reason": "Moving."}).json
    enabled = api.post(f"{path}/enable").json

    assert refused.json["errors"] == [{"pointer": "/reason", "detail": "Say why the agent is disabled."}]
    assert (disabled["status"], disabled["status_reason"], disabled["version"]) == ("disabled", "Moving.", 2)
    assert (enabled["status"], enabled["status_reason"], enabled["version"]) == ("active", None, 3)


def test_a_copy_has_a_name_of_its_own_and_the_secrets(api: Client) -> None:
    agent = api.post("/agents", agent_values(api_key="sk-1")).json

    answer = api.post(f"/agents/{agent['id']}/clone")

    copy = answer.json
    assert answer.headers["Location"] == f"/api/v1/agents/{copy['id']}"
    assert (answer.status_code, copy["name"], copy["version"]) == (201, "Copy of Sales", 1)
    assert list(copy["secrets_set"]) == ["/api_key"]


def test_a_repeated_copy_with_a_key_returns_the_first_copy_until_it_is_changed(api: Client) -> None:
    path, key = f"/agents/{api.post('/agents', agent_values()).json['id']}", {"Idempotency-Key": "copy 7"}
    first = api.post(f"{path}/clone", headers=key)

    again = api.post(f"{path}/clone", headers=key)
    api.patch(f"/agents/{first.json['id']}", {"name": "Other"})
    late = api.post(f"{path}/clone", headers=key)

    assert (first.status_code, again.status_code, late.status_code) == (201, 200, 409)
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert late.json["code"] == "idempotency_changed"
    assert len(api.get("/agents").json["items"]) == 2


def test_a_repeated_copy_is_returned_also_after_the_original_was_deleted(api: Client) -> None:
    path = f"/agents/{api.post('/agents', agent_values()).json['id']}"
    first = api.post(f"{path}/clone", headers=KEY)
    api.delete(path)

    again, without_key = api.post(f"{path}/clone", headers=KEY), api.post(f"{path}/clone")
    other_key = api.post(f"{path}/clone", headers={"Idempotency-Key": "other"})

    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert again.json == first.json
    assert (without_key.status_code, other_key.status_code) == (404, 404)


@pytest.mark.parametrize("first", ["", "/clone"], ids=["create", "copy"])
def test_an_idempotency_key_is_not_used_for_a_new_agent_and_for_a_copy(api: Client, first: str) -> None:
    key = {"Idempotency-Key": "first"}
    original = f"/agents/{api.post('/agents', agent_values()).json['id']}"
    create = ("/agents", agent_values(name="Copy of Sales"))
    requests = [create, (f"{original}/clone", None)]
    for path, body in requests if not first else requests[::-1]:
        answer = api.post(path, body, headers=key)

    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_reused")
    assert len(api.get("/agents").json["items"]) == 2


def test_a_deleted_agent_is_gone(api: Client) -> None:
    made = api.post("/agents", agent_values())
    path = f"/agents/{made.json['id']}"

    answer = api.delete(path, headers={"If-Match": made.headers["ETag"]})

    assert (answer.status_code, answer.data, "Content-Type" in answer.headers) == (204, b"", False)
    assert api.get(path).status_code == 404
    assert api.delete(path).status_code == 404


def test_a_secret_in_a_public_member_is_stored_and_answered_with_a_warning(api: Client) -> None:
    token = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    values = agent_values(description=f"Use {token}.", connection_config={"password": "pw"})
    answers = [api.post("/agents", values, headers=KEY) for _ in range(2)]
    path = f"/agents/{answers[0].json['id']}"
    answers += [api.patch(path, {"model_type": "gpt-5-mini"}), api.post(f"{path}/clone")]

    assert [answer.status_code for answer in answers] == [201, 200, 200, 201]
    for answer in answers:
        (warning,) = answer.json["warnings"]
        assert (warning["pointer"], "a GitHub token" in warning["detail"]) == ("/description", True)
        assert token not in warning["detail"]
        assert token in answer.json["description"]
    assert api.patch(path, {"description": "Ask IT for the token."}).json["warnings"] == []
    assert "warnings" not in api.get(path).json
    (warning,) = api.post(f"{path}/disable", {"reason": f"Leaked {token}."}).json["warnings"]
    assert warning["pointer"] == "/status_reason"


def test_what_an_agent_lacks_is_a_warning_and_a_reason_for_attention(api: Client) -> None:
    reason = {"code": "incomplete", "detail": "Incomplete: enter the password."}
    agent = api.post("/agents", agent_values()).json
    path = f"/agents/{agent['id']}"

    assert agent["warnings"] == [{"pointer": "/connection_config/password", "detail": "Enter the password."}]
    assert api.get(f"{path}/attention").json == {"reasons": [reason]}
    assert api.patch(path, {"connection_config": {"password": "pw"}}).json["warnings"] == []
    assert api.get(f"{path}/attention").json == {"reasons": []}
    assert api.get(f"/agents/{uuid.UUID(int=0)}/attention").status_code == 404
