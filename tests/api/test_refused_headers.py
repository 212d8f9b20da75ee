"""A header that asks for a condition or a key is refused where the operation would ignore it, and nothing is done."""

import re
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from agents_app.api import ENDPOINTS
from agents_app.api.endpoint import Endpoint
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.make import agent_values, make_agent, make_token

READING = ("GET", "HEAD")
KEY = "Idempotency-Key"
# Operations that do something again if the same request comes again, and do not take a key.
DONE_AGAIN = {"updateAgent", "testAgent", "testConnection"}
REFUSED = [
    (endpoint, header)
    for endpoint in ENDPOINTS
    for header in ("If-Match", "If-None-Match", KEY)
    if header not in endpoint.headers
    and (header != KEY or endpoint.operation in DONE_AGAIN)
    and (header != "If-None-Match" or endpoint.method not in READING)
]


@pytest.mark.parametrize(("endpoint", "header"), REFUSED, ids=lambda one: getattr(one, "operation", one))
def test_a_header_that_an_operation_does_not_take_is_refused(
    console: Flask, admin: Actor, endpoint: Endpoint, header: str
) -> None:
    scope = "runtime" if endpoint.permission == "agents.runtime" else "write"
    path = re.sub(r"{\w+}", str(uuid4()), endpoint.path.replace("{version}", "1"))

    answer = Client(console, make_token(console, admin, scope))(endpoint.method, path, headers={header: '"1"'})

    assert (answer.status_code, answer.json["code"]) == (400, "malformed")
    assert answer.json["detail"].startswith(f"This operation does not take the header {header}")


def test_nothing_is_done_with_a_header_that_is_refused(console: Flask, admin: Actor, api: Client) -> None:
    agent_id = make_agent(console, admin)
    path = f"/agents/{agent_id}"
    before = api.get(path)

    asked: list[tuple[str, str, Any, str]] = [
        ("POST", f"{path}/clone", None, "If-Match"),
        ("POST", "/agents", agent_values(), "If-Match"),
        ("POST", f"{path}/test", None, "If-Match"),
        ("PATCH", path, {"name": "Other"}, "If-None-Match"),
        ("PATCH", path, {"name": "Other"}, KEY),
        ("DELETE", path, None, "If-None-Match"),
        ("POST", "/agents/bulk", {"act": "delete", "ids": [str(agent_id)]}, "If-Match"),
    ]
    answers = [api(method, to, json, headers={header: "*"}) for method, to, json, header in asked]

    assert {answer.status_code for answer in answers} == {400}
    assert api.get(path).headers["ETag"] == before.headers["ETag"]
    assert len(api.get("/agents").json["items"]) == 1


def test_who_may_not_do_it_does_not_learn_which_headers_it_takes(console: Flask, admin: Actor) -> None:
    reader = Client(console, make_token(console, admin, "read"))

    assert reader.post("/agents", agent_values(), headers={"If-Match": "*"}).status_code == 403


def test_a_key_is_accepted_where_the_same_request_again_changes_nothing(
    console: Flask, admin: Actor, api: Client
) -> None:
    agent_id, key = make_agent(console, admin, external_id="crm"), {KEY: "every request has one"}
    path, values = f"/agents/{agent_id}", agent_values(external_id="crm")
    asked: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("PUT", "/agents/by-external-id/crm", values),
        ("POST", f"{path}/disable", {"reason": "Moving."}),
        ("POST", f"{path}/enable", None),
        ("POST", "/agents/bulk", {"act": "enable", "ids": [str(agent_id)]}),
        ("DELETE", path, None),
        ("POST", f"{path}/restore", None),
    ]

    assert {api(*one, headers=key).status_code for one in asked} == {200, 204}


def test_a_condition_of_a_reader_is_ignored_where_the_answer_has_no_etag(api: Client) -> None:
    """A cache in front of the console may add ETags of its own, and sends them back with a request."""
    assert api.get("/agents", headers={"If-None-Match": '"of-a-proxy"'}).status_code == 200


@pytest.mark.parametrize("header", ["If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"])
def test_conditions_on_times_and_ranges_are_ignored(console: Flask, admin: Actor, api: Client, header: str) -> None:
    """RFC 9110: a recipient ignores them where an answer has no Last-Modified."""
    path = f"/agents/{make_agent(console, admin)}"
    headers = {header: "Sat, 29 Oct 1994 19:43:31 GMT"}

    assert [api.get(path, headers=headers).status_code, api.patch(path, {}, headers=headers).status_code] == [200, 200]
