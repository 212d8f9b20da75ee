"""`flask agents test` and `flask agents attention`: output, progress and exit codes."""

import json
import socket
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.cli.conftest import Terminal
from tests.conftest import OpenConsole
from tests.make import make_account, make_agent, make_user


@pytest.fixture
def agent_id(terminal: Terminal) -> Iterator[str]:
    """An agent whose database refuses connections, and next to it an incomplete one."""
    admin = make_user(terminal.app, account_id=terminal.account_id)
    make_agent(terminal.app, admin, name="Incomplete")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = {"host": "127.0.0.1", "port": bound.getsockname()[1], "password": "canary-password-7Qm2"}
        yield str(make_agent(terminal.app, admin, connection_config=config))


@pytest.mark.parametrize("words", [(), ("--all", "00000000-0000-4000-8000-000000000000")])
def test_one_agent_or_all_must_be_asked_for(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal("agents", "test", *words).exit_code == 2


def test_a_test_of_one_agent_prints_its_steps_and_what_to_do(terminal: Terminal, agent_id: str) -> None:
    result = terminal("agents", "test", agent_id)

    assert result.exit_code == 1
    assert result.stdout.startswith("Connection: failed\n  passed")
    for line in ("No server listens on port", "Next step: Check the port.", "Who can do it: You"):
        assert f"  {line}" in result.stdout
    assert "canary" not in result.output
    assert "failed (port_refused), version 1, " in terminal("agents", "show", agent_id).stdout
    columns = [line.split()[2:4] for line in terminal("agents", "list").stdout.splitlines()[1:]]
    assert sorted(test for _, test in columns) == ["-", "failed"]


def test_all_agents_are_tested_with_progress_and_an_exit_code(terminal: Terminal, agent_id: str) -> None:
    result = terminal("agents", "test", "--all", "--json")

    assert result.exit_code == 1
    found = {item["name"]: item["cause"] for item in json.loads(result.stdout)["items"]}
    assert found == {"Incomplete": "incomplete", "Sales": "port_refused"}
    assert result.stderr == "Test 1 of 2: Incomplete\nTest 2 of 2: Sales\n2 of 2 tests failed.\n"


@pytest.mark.parametrize("words", [("attention",), ("test", "--all")])
def test_an_error_of_the_console_has_an_exit_code_of_its_own_and_is_json_too(
    sqlite_schema_url: str, open_console: OpenConsole, words: tuple[str, ...]
) -> None:
    console = open_console(sqlite_schema_url, CONNECTION_TESTS="off")
    make_account(console)
    make_agent(console, make_user(console))

    result = Terminal(console, uuid4())("agents", *words, "--json")

    assert (result.exit_code, list(json.loads(result.stdout))) == (3, ["error"])
    assert result.stderr == f"Error: {json.loads(result.stdout)['error']}\n"


def test_without_a_test_because_tests_are_off_nothing_says_that_one_has_begun(
    sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    console = open_console(sqlite_schema_url, CONNECTION_TESTS="off")
    admin = make_user(console)
    make_agent(console, admin)

    result = Terminal(console, admin.account_id)("agents", "test", "--all")

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("Error: Testing connections is switched off")


def test_the_exit_code_is_0_if_nothing_failed_and_nothing_needs_attention(terminal: Terminal) -> None:
    assert terminal("agents", "test", "--all").exit_code == 0
    assert terminal.json("agents", "attention") == {"items": []}


def test_agents_that_need_attention_are_listed_with_their_reasons(terminal: Terminal, agent_id: str) -> None:
    terminal("agents", "test", agent_id)

    result = terminal("agents", "attention", "--json")

    assert result.exit_code == 1
    incomplete, failed = json.loads(result.stdout)["items"]
    reasons = [{"code": "incomplete", "detail": "Incomplete: enter the password."}]
    assert (incomplete["name"], incomplete["reasons"]) == ("Incomplete", reasons)
    assert [reason["code"] for reason in failed["reasons"]] == ["test_failed"]
    assert failed["reasons"][0]["detail"].startswith("The last test failed: No server listens on port")
