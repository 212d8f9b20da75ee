"""Errors that are not raised by an endpoint: each is problem+json with the same headers."""

import pytest
from flask import Flask

from agents_app import errors
from agents_app.operations import agent_reads
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.api.test_permissions import forged
from tests.make import make_agent, make_token


@pytest.mark.parametrize(
    "path",
    ["", "/", "/agent", "/agents/", "/agents/x/y", "/users", "/tokens", "/../x", "/%2e%2e", "//me", "/agents//runtime"],
)
def test_an_unknown_address_is_not_found(api: Client, path: str) -> None:
    answer = api.get(path)

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2/agents"])
def test_another_api_version_is_not_found(console: Flask, path: str) -> None:
    answer = console.test_client().get(path)

    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/agents", {"GET", "HEAD", "POST"}),
        ("PUT", "/agents", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "/agents", {"GET", "HEAD", "POST"}),
        ("TRACE", "/me", {"GET", "HEAD"}),
        ("POST", "/me", {"GET", "HEAD"}),
        ("PROPFIND", "/me", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_refused_with_the_allowed_methods(
    console: Flask, method: str, path: str, allow: set[str]
) -> None:
    answer = console.test_client().open(f"/api/v1{path}", method=method)

    assert (answer.status_code, answer.mimetype) == (405, "application/problem+json")
    assert set(answer.headers["Allow"].split(", ")) == allow
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_head_answers_as_get_without_a_body(api: Client, console: Flask, admin: Actor) -> None:
    path = f"/agents/{make_agent(console, admin)}"

    answer, read = api("HEAD", path), api.get(path)

    assert (answer.status_code, answer.data) == (200, b"")
    assert [answer.headers[name] for name in ("ETag", "Content-Length", "Content-Type")] == [
        read.headers[name] for name in ("ETag", "Content-Length", "Content-Type")
    ]


def test_a_refused_head_has_the_headers_of_a_problem(console: Flask) -> None:
    assert Client(console, None)("HEAD", "/agents").status_code == 401


@pytest.mark.parametrize("host", ["evil.example.org", "localhost.evil.example.org", "127.0.0.1.evil.example.org"])
def test_a_host_that_is_not_ours_is_refused(api: Client, host: str) -> None:
    assert api.get("/me", headers={"Host": host}).status_code == 400


def test_too_many_failures_from_one_address_are_throttled(console: Flask, admin: Actor) -> None:
    anonymous = Client(console, forged(), address="203.0.113.7")
    answers = [anonymous.get("/me").status_code for _ in range(20)]

    refused = anonymous.get("/me")

    assert answers == [401] * 20
    assert (refused.status_code, refused.json["code"], refused.headers["Retry-After"]) == (
        429,
        "too_many_requests",
        "60",
    )
    assert Client(console, forged(), address="203.0.113.8").get("/me").status_code == 401
    assert Client(console, make_token(console, admin), address="203.0.113.7").get("/me").status_code == 200


def test_an_unexpected_error_shows_only_its_request_id(
    api: Client, monkeypatch: pytest.MonkeyPatch, console: Flask
) -> None:
    def break_down(*_given: object) -> None:
        raise RuntimeError("the password is correct horse")

    monkeypatch.setattr(agent_reads, "listing", break_down)

    answer = api.get("/agents")

    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert b"horse" not in answer.data


@pytest.mark.parametrize("error", [errors.Unavailable("Away."), errors.StorageFull("Full.")])
def test_an_unavailable_database_is_answered_with_when_to_try_again(
    api: Client, monkeypatch: pytest.MonkeyPatch, error: errors.Unavailable
) -> None:
    def break_down(*_given: object) -> None:
        raise error

    monkeypatch.setattr(agent_reads, "listing", break_down)

    answer = api.get("/agents")

    assert answer.status_code == (507 if isinstance(error, errors.StorageFull) else 503)
    assert (answer.json["code"], answer.headers["Retry-After"]) == (error.code, "2")
