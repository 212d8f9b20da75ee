"""The examples of answers in the OpenAPI document are those of a real console: the same members, of the same types."""

import json
from typing import Any

import pytest
from flask import Flask

from agents_app.api import ENDPOINTS, PREFIX
from agents_app.api.answer_examples import ANSWER_EXAMPLES
from agents_app.api.endpoint import Endpoint
from agents_app.api.request_examples import EXAMPLES
from tests.api.conftest import Client, assert_same_form, document, is_valid, resolved
from tests.conftest import OpenConsole
from tests.make import make_token, make_user


@pytest.fixture
def app(sqlite_schema_url: str, open_console: OpenConsole) -> Flask:
    """A console on one database: the forms of answers are compared on both by the other tests."""
    return open_console(sqlite_schema_url)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: one.operation)
def test_every_answer_and_every_refusal_has_an_example_that_is_valid(endpoint: Endpoint) -> None:
    answers = document()["paths"][PREFIX + endpoint.path][endpoint.method.lower()]["responses"]

    for status, reference in answers.items():
        for media_type, content in resolved(reference).get("content", {}).items():
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert "examples" in content or media_type == "application/yaml" or name in UNIONS
            if name in UNIONS:
                assert is_valid(document()["components"]["schemas"][f"{name}Database"]["examples"][0], name)
            for example in content.get("examples", {}).values():
                assert is_valid(example["value"], name)
                assert int(status) < 400 or example["value"]["status"] == int(status)


def test_real_answers_have_the_form_of_the_examples(app: Flask) -> None:
    admin = make_user(app)
    api = Client(app, make_token(app, admin, "write", "runtime"))
    real: dict[str, Any] = {"SavedAgent": api.post("/agents", EXAMPLES["AgentCreate"]["DB"]).json}
    place = f"/agents/{real['SavedAgent']['id']}"
    real |= {name: api.get(place + path).json for name, path in OF_AN_AGENT.items()}
    real |= {name: api.get(path).json for name, path in OF_ALL.items()}
    real["CheckedAgents"] = api.post(
        "/runtime/check", {"agents": {EXAMPLES["AgentCreate"]["DB"]["external_id"]: None}}
    ).json
    assert api.patch(place, EXAMPLES["AgentUpdate"]["with a note"]).status_code == 200
    real |= {
        "VersionPage": api.get(f"{place}/versions?limit=1").json,
        "VersionDetails": api.get(f"{place}/versions/2").json,
    }
    file = json.loads(json.dumps(real["ExportedAgentFile"]))
    file["agents"][0] |= {"owner": "Sales", "model_type": "gpt-5-nano"}
    real["AppliedPlan"] = api.post("/agents/import?plan=1", file).json
    real["BulkResult"] = api.post(
        "/agents/bulk", {**EXAMPLES["BulkAct"]["disable"], "ids": [real["SavedAgent"]["id"]]}
    ).json
    assert api.delete(place).status_code == 204
    real["DeletedAgentPage"] = api.get("/agents/deleted").json

    # A result of a test needs a data source, and reasons for attention need an agent that lacks something.
    assert real.keys() == ANSWER_EXAMPLES.keys() - {"TestResult", "Attention"}
    for name, answer in real.items():
        assert_same_form(without_schemas(answer), without_schemas(ANSWER_EXAMPLES[name]))
        # Some validators of clients take UTC only as Z.
        assert "+00:00" not in json.dumps(answer)


def without_schemas(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, without the schemas of connection types."""
    items = answer.get("items", [])
    found = [{name: value for name, value in one.items() if name != "schema"} for one in items]
    return {**answer, "items": found} if items else answer


# The examples of these are in their schemas.
UNIONS = ("Agent", "SavedAgent", "RuntimeAgent")
OF_AN_AGENT = {"Agent": "", "RuntimeAgent": "/runtime", "Readers": "/readers"}
OF_ALL = {
    "AgentPage": "/agents",
    "RuntimeAgentPage": "/runtime/agents",
    "ExportedAgentFile": "/agents/export",
    "Me": "/me",
    "ConnectionTypes": "/connection-types",
}
