"""A client for the JSON API that checks every response against the OpenAPI document."""

import json
from functools import cache
from ipaddress import IPv6Address
from random import getrandbits
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from agents_app.api import ENDPOINTS, PREFIX, openapi
from agents_app.operations.permissions import Actor
from tests.make import make_token

BY_RULE = {f"{PREFIX}{endpoint.rule}": endpoint.path for endpoint in ENDPOINTS}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = json.loads(json.dumps(openapi.document(PREFIX, ENDPOINTS)))
    return found


@cache
def closed_schemas() -> dict[str, Any]:
    """The schemas of the document, without what later releases may add to answers: this release has no other members.

    A union with a discriminator has the schema of the value that is there.
    """
    schemas = dict(document()["components"]["schemas"])
    for name, schema in schemas.items():
        if "properties" in schema and schema.get("additionalProperties") is True:
            schemas[name] = {**schema, "additionalProperties": False}
        if mapping := schema.get("discriminator", {}).get("mapping"):
            member = schema["discriminator"]["propertyName"]
            has = {value: {"properties": {member: {"const": value}}} for value in mapping}
            tied = [{"if": has[value], "then": {"$ref": found}} for value, found in mapping.items()]
            schemas[name] = {"type": "object", "properties": {member: {"enum": list(mapping)}}, "allOf": tied}
    return schemas


class Client:
    """A client with an API token; paths are below /api/v1."""

    def __init__(self, app: Flask, token: str | None, address: str | None = None) -> None:
        # A random address, so that the failures of one test do not throttle the next one.
        self.app, self.token, self.address = app, token, address or str(IPv6Address(getrandbits(128)))

    def __call__(self, method: str, path: str, json: Any = None, **given: Any) -> TestResponse:
        """Send a request, and check the response against the document."""
        headers = dict(given.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        where = {"environ_base": {"REMOTE_ADDR": self.address}}
        answer = self.app.test_client(use_cookies=False).open(
            PREFIX + path, method=method, headers=headers, json=json, **where, **given
        )
        self._check(method, PREFIX + path, answer)
        return answer

    def get(self, path: str, **given: Any) -> TestResponse:
        """Send a GET request."""
        return self("GET", path, **given)

    def post(self, path: str, json: Any = None, **given: Any) -> TestResponse:
        """Send a POST request."""
        return self("POST", path, json, **given)

    def patch(self, path: str, json: Any = None, **given: Any) -> TestResponse:
        """Send a PATCH request."""
        return self("PATCH", path, json, **given)

    def delete(self, path: str, **given: Any) -> TestResponse:
        """Send a DELETE request."""
        return self("DELETE", path, **given)

    def _check(self, method: str, path: str, answer: TestResponse) -> None:
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Request-ID"]
        if answer.status_code >= 400:
            assert answer.mimetype == "application/problem+json"
            assert method == "HEAD" or is_valid(answer.json, "Problem")
            assert method == "HEAD" or answer.json["request_id"] == answer.headers["X-Request-ID"]
        with self.app.test_request_context(path, method=method) as context:
            rule = context.request.url_rule
        if rule is not None and method != "HEAD":
            _check_documented(method, BY_RULE[rule.rule], answer)


def _check_documented(method: str, path: str, answer: TestResponse) -> None:
    operation = document()["paths"][PREFIX + path][method.lower()]
    said = resolved(operation["responses"][str(answer.status_code)])
    content = said.get("content", {}).get(answer.mimetype)
    assert bool(content) == bool(answer.data), "a body that is not in the document, or the other way round"
    if content:
        assert is_valid(answer.json, content["schema"]["$ref"].rpartition("/")[2])
    if answer.status_code >= 400:
        code = answer.json["code"]
        assert code in content["examples"], f"{operation['operationId']} answers {code}: add it to its errors"
        # The schema says which members each of `errors` has.
        assert answer.json.keys() - {"errors"} == content["examples"][code]["value"].keys() - {"errors"}
        assert answer.json["title"] == content["examples"][code]["value"]["title"]
    for name, header in said["headers"].items():
        assert name in answer.headers or not resolved(header).get("required"), name


def assert_same_form(content: Any, example: Any) -> None:
    """Raise if two JSON values differ in more than their values: in their members, or in their JSON types."""
    if isinstance(content, dict) and isinstance(example, dict):
        assert content.keys() == example.keys()
        for name in content:
            assert_same_form(content[name], example[name])
    elif isinstance(content, list) and isinstance(example, list):
        for one, other in zip(content, example, strict=False):
            assert_same_form(one, other)
    else:
        assert content is None or example is None or type(content) is type(example)


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """The part of the document to which this part refers, or itself."""
    found: dict[str, Any] = document()
    for name in part.get("$ref", "#").split("/")[1:]:
        found = found[name]
    return found if "$ref" in part else part


def without_request_id(answer: TestResponse) -> str:
    """The body of a response, without the id of its request, which is always another one."""
    return answer.text.replace(answer.headers["X-Request-ID"], "")


def is_valid(content: Any, name: str) -> bool:
    """Raise if the content does not match the schema `name` of the document."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": closed_schemas()}}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(content)
    return True


@pytest.fixture
def api(console: Flask, admin: Actor) -> Client:
    """A client with an admin's token that can read and write. The test runs on both databases."""
    return Client(console, make_token(console, admin, "write"))
