"""Files of agents over JSON."""

import pytest
from flask import Flask

from agents_app.operations.agent_files import OTHER_PLAN
from agents_app.operations.permissions import Actor
from agents_app.schemas.agent_files import FORMAT, TOO_MUCH
from agents_app.values import limits
from tests.api.conftest import Client
from tests.make import DATABASE, make_agent, make_token, make_user

AGENT = {"name": "Sales", "external_id": "x", "connection_type": "DB", "connection_config": DATABASE}


@pytest.fixture
def writer(console: Flask, admin: Actor) -> Client:
    """A client with a token of an admin."""
    return Client(console, make_token(console, admin, "write"))


def file_of(*entries: object) -> dict[str, object]:
    return {"format": FORMAT, "agents": list(entries)}


def test_references_to_secrets_are_refused_with_their_place(writer: Client) -> None:
    for reference in ("env:SECRET_KEY", "file:/etc/passwd"):
        for path in ("/agents/import", "/agents/import?plan=1"):
            refused = writer.post(path, file_of({**AGENT, "secrets": {"password": reference}}))

            assert refused.status_code == 422
            (problem,) = refused.json["errors"]
            assert problem["pointer"] == "/agents/0/secrets/password"
            assert problem["detail"].startswith("env:… and file:… are read only at the terminal")


def test_a_file_is_planned_imported_once_and_exported(console: Flask, admin: Actor, writer: Client) -> None:
    gone = make_agent(console, admin, name="Gone")

    planned = writer.post("/agents/import?plan=1&prune=1", file_of(AGENT))
    assert (planned.json["is_applied"], planned.json["changes_something"]) == (False, True)
    why = "1 of 1 agent is missing in this file and would be deleted. Was it exported with a filter?"
    assert planned.json["warnings"] == [{"pointer": "/agents", "detail": why}]
    assert writer.post("/agents/import?plan=1", file_of(AGENT)).json["warnings"] == []
    assert writer.get(f"/agents/{gone}").status_code == 200
    done = writer.post("/agents/import?prune=1&note=Release", file_of(AGENT))
    again = writer.post("/agents/import", file_of(AGENT))

    assert done.json["counts"] == planned.json["counts"] == {"new": 1, "same": 0, "changed": 0, "missing": 1}
    assert again.json["changes_something"] is False
    assert writer.get(f"/agents/{gone}").status_code == 404
    exported = writer.get("/agents/export")
    assert exported.json == file_of(AGENT)
    assert exported.headers["Content-Disposition"] == 'attachment; filename="agents.json"'
    headers = {"Authorization": f"Bearer {writer.token}"}
    in_yaml = console.test_client().get("/api/v1/agents/export?format=yaml&environment=production", headers=headers)
    assert (in_yaml.mimetype, in_yaml.text) == ("application/yaml", f"format: {FORMAT}\nagents: []\n")


def test_an_export_that_no_import_reads_is_refused_and_a_part_of_it_is_not(
    console: Flask, admin: Actor, writer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        make_agent(console, admin, name=f"Sales {number}", owner="Ada" if number else "Lin")
    monkeypatch.setattr(limits, "FILE_AGENTS", 2)

    refused = writer.get("/agents/export")
    part = writer.get("/agents/export?owner=Ada")

    assert refused.status_code == 422
    assert refused.json["errors"] == [{"detail": f"More than 2 agents match. {TOO_MUCH}"}]
    assert len(part.json["agents"]) == 2
    assert writer.post("/agents/import?plan=1", part.json).json["changes_something"] is False


def test_only_the_plan_with_the_expected_digest_is_imported(console: Flask, admin: Actor, writer: Client) -> None:
    make_agent(console, admin, name="Sales", external_id="x")
    file = file_of({**AGENT, "name": "Renamed"})
    digest = writer.post("/agents/import?plan=1", file).json["digest"]

    for wrong in ("", "x", digest.upper()):
        assert writer.post(f"/agents/import?expected_plan={wrong}", file).status_code == 422
    writer.post("/agents/import", file_of({**AGENT, "owner": "Ada"}))
    for path in ("/agents/import?", "/agents/import?plan=1&"):
        refused = writer.post(f"{path}expected_plan={digest}", file)
        assert (refused.status_code, refused.json["code"]) == (409, "other_plan")
        assert refused.json["detail"] == OTHER_PLAN
    assert writer.get("/agents").json["items"][0]["name"] == "Sales"
    new = writer.post("/agents/import?plan=1", file).json["digest"]
    done = writer.post(f"/agents/import?expected_plan={new}", file)
    assert (done.status_code, done.json["digest"]) == (200, new)
    repeated = writer.post(f"/agents/import?expected_plan={new}", file)
    assert repeated.status_code == 409
    assert "an earlier request applied the same file" in repeated.json["detail"]


@pytest.mark.parametrize(
    ("role", "scope", "code"), [("editor", "write", "role_missing"), ("admin", "read", "scope_missing")]
)
def test_who_may_not_import_is_refused_before_the_file_is_read(
    role: str, scope: str, code: str, console: Flask, admin: Actor
) -> None:
    token = make_token(console, make_user(console, role, admin.account_id), scope)
    bodies = (b"agents: [", b"", b"#" * (limits.FILE_BODY_BYTES + 1))

    for body in bodies:
        for media_type in ("application/yaml", "application/json", "text/plain"):
            headers = {"Authorization": f"Bearer {token}", "Content-Type": media_type}
            refused = console.test_client().post("/api/v1/agents/import", data=body, headers=headers)
            assert (refused.status_code, refused.json["code"]) == (403, code)


def test_a_body_may_be_as_large_as_a_file_and_not_larger(console: Flask, writer: Client) -> None:
    def send(body: bytes, media_type: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {writer.token}", "Content-Type": media_type}
        answer = console.test_client().post("/api/v1/agents/import?plan=1", data=body, headers=headers)
        return answer.status_code, str(answer.json.get("detail"))

    padding = b"#" * (limits.BODY_BYTES + 1)
    assert send(f"format: {FORMAT}\nagents: []\n".encode() + padding, "application/yaml")[0] == 200
    assert send(b"#" * (limits.FILE_BODY_BYTES + 1), "application/yaml") == (
        413,
        "The request body is too large. Send at most 16,000 kB.",
    )
    assert send(b"a", "text/plain")[0] == 415
    assert send(b"format: x", "application/json")[0] == 400
