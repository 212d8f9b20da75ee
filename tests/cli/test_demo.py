"""`flask demo` adds example agents."""

import json
import re

from agents_app.cli.demo import samples
from agents_app.connections import TYPES
from agents_app.operations import sessions
from agents_app.operations.permissions import Visitor
from agents_app.values.host_names import is_host_name
from tests.cli.conftest import Terminal
from tests.conftest import OpenConsole
from tests.make import make_agent, make_user


def test_an_empty_server_gets_an_account_whose_admin_can_sign_in_with_the_printed_password(
    schema_url: str, open_console: OpenConsole
) -> None:
    app = open_console(schema_url)

    made = app.test_cli_runner().invoke(args=["demo"])

    printed = re.search(r"Sign in at http://127\.0\.0\.1:8000 as (\S+) with the password (\S+)\.\n", made.stdout)
    assert (made.exit_code, made.stderr) == (0, "")
    assert printed is not None
    with app.app_context():
        assert sessions.sign_in(Visitor("192.0.2.1", "test"), *printed.groups())


def test_it_makes_sixty_agents_some_of_them_disabled(terminal: Terminal) -> None:
    made = terminal("demo")

    agents = terminal.json("agents", "list")["items"]
    assert made.stdout.startswith("60 agents were added to Acme.\n")
    assert len({agent["name"] for agent in agents}) == 60
    assert 5 < sum(agent["status"] == "disabled" for agent in agents) < 15


def test_some_agents_have_a_last_test_that_is_marked_as_a_sample(terminal: Terminal) -> None:
    terminal("demo")

    tests = [agent["last_test"] for agent in terminal.json("agents", "list")["items"]]
    found = terminal("agents", "attention", "--json").stdout

    assert {test and test["outcome"] for test in tests} == {None, "passed", "warning", "failed"}
    assert all(test["is_sample"] for test in tests if test)
    assert {"incomplete", "timed_out", "entra_secret_expired"} <= {test["cause"] for test in tests if test}
    assert "incomplete" in {reason["code"] for agent in json.loads(found)["items"] for reason in agent["reasons"]}


def test_it_adds_to_existing_agents_only_with_yes(terminal: Terminal) -> None:
    make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id))

    refused = terminal("demo")

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert len(terminal.json("agents", "list")["items"]) == 1
    assert terminal("demo", "--yes").exit_code == 0
    assert len(terminal.json("agents", "list")["items"]) == 61


def test_its_agents_are_always_the_same_and_contain_no_real_address_or_secret() -> None:
    agents = list(samples())

    assert agents == list(samples())
    for agent in agents:
        config, declaration = agent["connection_config"], TYPES[agent["connection_type"]]
        names = [value for value in config.values() if is_host_name(str(value)) and "." in str(value)]
        assert all(name.endswith((".example", ".example.org")) for name in names)
        secrets = [
            *filter(None, [agent["api_key"]]),
            *(config[name] for name in declaration.secret_names() if name in config),
        ]
        assert all(secret.startswith("demo-not-a-real-") for secret in secrets)
