"""The endpoints that test connections, and the last test of an agent in responses."""

import socket
from collections.abc import Iterator

import pytest
from flask import Flask

from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.conftest import OpenConsole
from tests.make import agent_values, make_agent, make_token, make_user


@pytest.fixture
def config() -> Iterator[dict[str, object]]:
    """The configuration of a database at a port of loopback that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield {"host": "127.0.0.1", "port": bound.getsockname()[1], "password": "a password"}


def test_a_test_without_a_body_is_the_last_test_in_the_agent_and_in_the_list(
    api: Client, console: Flask, admin: Actor, config: dict[str, object]
) -> None:
    agent_id = make_agent(console, admin, connection_config=config)
    assert api.get(f"/agents/{agent_id}").json["last_test"] is None

    result = api.post(f"/agents/{agent_id}/test").json

    summary = {name: result[name] for name in ("outcome", "cause", "version", "tested_by", "is_out_of_date")}
    read, (listed,) = api.get(f"/agents/{agent_id}").json["last_test"], api.get("/agents?test=failed").json["items"]
    assert (result["is_saved"], result["cause"], result["tested_by"]) == (True, "port_refused", "token ci")
    assert read["parts"] == result["parts"]
    for shown in (read, listed["last_test"]):
        assert {name: shown[name] for name in summary} == summary
    assert api.get("/agents?test=never").json["items"] == []


def test_a_test_with_a_body_saves_nothing(api: Client, console: Flask, admin: Actor, config: dict[str, object]) -> None:
    agent_id = make_agent(console, admin, connection_config=config)

    result = api.post(f"/agents/{agent_id}/test", {"connection_config": {"table_allow_list": ["public.orders"]}}).json

    assert (result["is_saved"], result["version"]) == (False, None)
    read = api.get(f"/agents/{agent_id}").json
    assert (read["version"], read["last_test"], read["connection_config"]["table_allow_list"]) == (1, None, [])


def test_values_of_no_agent_need_no_name_and_are_checked_as_on_save(api: Client, config: dict[str, object]) -> None:
    values = {name: value for name, value in agent_values(connection_config=config).items() if name != "name"}

    assert api.post("/connections/test", values).json["cause"] == "port_refused"
    refused = api.post("/connections/test", {**values, "connection_config": {**config, "port": "x"}})
    assert (refused.status_code, "/connection_config/port" in refused.text) == (422, True)


def test_the_etag_changes_with_a_test_and_if_match_compares_the_version(
    api: Client, console: Flask, admin: Actor, config: dict[str, object]
) -> None:
    agent_id = make_agent(console, admin, connection_config=config)
    before = api.get(f"/agents/{agent_id}").headers["ETag"]
    api.post(f"/agents/{agent_id}/test")

    after = api.get(f"/agents/{agent_id}", headers={"If-None-Match": before})

    assert (before[:3], after.status_code) == ('"1-', 200)
    tag = after.headers["ETag"]
    assert tag[:15] == before[:15]
    assert api.get(f"/agents/{agent_id}", headers={"If-None-Match": tag}).status_code == 304
    assert api.patch(f"/agents/{agent_id}", {"name": "Other"}, headers={"If-Match": tag}).status_code == 200
    assert api.patch(f"/agents/{agent_id}", {"name": "Third"}, headers={"If-Match": tag}).status_code == 412


def test_a_refusal_has_a_code_and_says_when_to_try_again(
    sqlite_schema_url: str,
    open_console: OpenConsole,
    config: dict[str, object],
    capfd: pytest.CaptureFixture[str],
) -> None:
    console = open_console(sqlite_schema_url)
    admin = make_user(console)
    api = Client(console, make_token(console, admin, "write"))
    agent_id = make_agent(console, admin, connection_config=config)
    for _ in range(6):
        assert api.post(f"/agents/{agent_id}/test").status_code == 200

    many = api.post(f"/agents/{agent_id}/test")
    off = open_console(sqlite_schema_url, CONNECTION_TESTS="off")
    capfd.readouterr()
    switched_off = Client(off, api.token).post(f"/agents/{agent_id}/test")

    assert (many.status_code, many.json["code"]) == (429, "too_many_tests")
    assert (switched_off.status_code, switched_off.json["code"]) == (503, "tests_off")
    assert int(many.headers["Retry-After"]) > 0
    assert int(switched_off.headers["Retry-After"]) > 0
    # What the console decided is one line of the log.
    logged = "".join(capfd.readouterr())
    assert ('"message": "unavailable"' in logged, "Traceback" in logged) == (True, False)
