"""The tests of connections on pages, without script: the buttons of the form, the result, and what is said at save."""

import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from agents_app.connections.power_bi import PowerBiConnection
from agents_app.operations import test_results
from agents_app.operations.permissions import Actor
from agents_app.probes.mssql.rights import NOT_RUN
from agents_app.probes.results import Finding, Outcome, Result, Step
from tests.conftest import OpenConsole
from tests.make import PASSWORD as SIGN_IN
from tests.make import make_agent, make_last_test, make_user
from tests.operations.test_connection_tests import add_started
from tests.probes.mssql.test_mssql import require_driver
from tests.web.conftest import Browser, Page, SignIn
from tests.web.test_agents import API_KEY, NEW_DATABASE, PASSWORD

ON_ONE_DATABASE = pytest.mark.parametrize("console", ["sqlite"], indirect=True)
STEPS = (Step("read_only", Outcome.WARNING, 1_234),)
POWER_BI = {"connection_type": "POWERBI", "connection_config": PowerBiConnection.example}
ROW_LEVEL_SECURITY = "The dataset of the agent has row-level security"


@pytest.fixture
def closed_port() -> Iterator[str]:
    """A port of loopback that refuses connections, and is not used while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield str(bound.getsockname()[1])


def panel(page: Page) -> str:
    """The text of the result of a test."""
    return page.root.one(id="test-result").text


def press_test(browser: Browser, address: str, status: int, **typed: Any) -> Page:
    """Send the form of this page with the button Test."""
    page = browser.send(address, status=status, do="test", **typed)
    assert isinstance(page, Page)
    return page


def test_wrong_fields_are_marked_and_nothing_is_tested(browser: Browser) -> None:
    page = press_test(browser, "/agents/new", 422, **NEW_DATABASE, **{"DB-port": "0"})

    assert page.error_at("DB-port") == "Port must be between 1 and 65,535."
    assert panel(page) == "Connection test Nothing was tested: correct the marked fields first."


def test_a_test_that_is_refused_says_so_in_the_form(console: Flask, admin: Actor, browser: Browser) -> None:
    with console.app_context():
        add_started(admin, 6, age=1)

    page = press_test(browser, "/agents/new", 429, **NEW_DATABASE)

    assert "You can start 6 tests in a minute." in panel(page)
    assert page.root.one(id="DB-host")["value"] == "db.example.org"


@ON_ONE_DATABASE
def test_at_the_limit_an_agent_is_saved_and_its_page_says_that_it_was_not_tested(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, name="Sales", connection_config={"password": PASSWORD})
    with console.app_context():
        add_started(admin, 6, age=1)

    sent = [
        ("Mobile was created. It", "/agents/new", "", {"do": "save_and_test", **NEW_DATABASE, "name": "Mobile"}),
        ("Retail was saved. It", f"/agents/{agent_id}/edit", "", {"do": "save_and_test", "name": "Retail"}),
        ("The agent", f"/agents/{agent_id}", f"/agents/{agent_id}/test", {}),
    ]
    for start, page, action, typed in sent:
        answer = browser.send(page, action, **typed)
        assert answer.headers["Location"].endswith("#test")
        message = browser.get(answer.headers["Location"]).root.one(class_="flash", role="alert").text
        assert message.startswith(f"{start} was not tested. You can start 6 tests in a minute.")


@ON_ONE_DATABASE
def test_the_message_after_save_says_how_the_test_ended(browser: Browser, closed_port: str) -> None:
    typed = {**NEW_DATABASE, "name": "Mobile", "DB-host": "127.0.0.1", "DB-port": closed_port}

    created = browser.send("/agents/new", do="save_and_test", **typed)
    page = browser.get(created.headers["Location"])
    again = press_test(browser, f"{created.headers['Location'].partition('#')[0]}/edit", 200)

    assert page.root.one(class_="flash", role="alert").text.startswith("Mobile was created. The test failed.")
    assert re.search(r"The saved values were tested\. Version 1, \d+ \w+ \d{4}, [\d:]+ UTC by", panel(again))


def test_where_tests_are_off_no_button_starts_one(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    console = open_console(sqlite_schema_url, CONNECTION_TESTS="off")
    admin = make_user(console)
    agent_id, browser = make_agent(console, admin), Browser(console)
    browser.send("/sign-in", email=admin.email, password=SIGN_IN)

    for address in ("/agents/new", f"/agents/{agent_id}/edit", f"/agents/{agent_id}"):
        page = browser.get(address)
        assert "Testing connections is switched off on this server" in panel(page)
        assert not page.root.all("button", data_busy="Testing…")


def test_a_viewer_has_no_button(console: Flask, admin: Actor, signed_in: SignIn) -> None:
    agent_id = make_agent(console, admin)
    viewer = signed_in(make_user(console, "viewer", admin.account_id))

    section = viewer.get(f"/agents/{agent_id}").root.one("section", aria_labelledby="test")

    assert section.all("button") == []


def test_the_values_of_the_form_are_tested_and_secrets_must_be_typed_again(browser: Browser, closed_port: str) -> None:
    typed = {**NEW_DATABASE, "DB-host": "127.0.0.1", "DB-port": closed_port}

    page = press_test(browser, "/agents/new", 200, **typed)

    assert f"No server listens on port {closed_port} of 127.0.0.1." in panel(page)
    assert "They are not saved yet." in panel(page)
    assert "Type the secrets again before you save." in page.root.one("section", aria_labelledby="test").text
    assert page.root.one(id="DB-password-hint").one(class_="retype")
    assert page.root.one(id="DB-host")["value"] == "127.0.0.1"
    assert PASSWORD not in browser.seen
    assert API_KEY not in browser.seen


def test_a_stored_agent_is_tested_with_the_changes_of_its_form(
    console: Flask, admin: Actor, browser: Browser, closed_port: str
) -> None:
    config = {"host": "127.0.0.1", "port": 1, "password": PASSWORD}
    agent_id = make_agent(console, admin, connection_config=config)
    changes = {"DB-port": closed_port, "DB-password-act": "replace", "DB-password": PASSWORD}

    page = press_test(browser, f"/agents/{agent_id}/edit", 200, **changes)

    assert f"No server listens on port {closed_port}" in panel(page)
    assert "This agent was never tested." in browser.get(f"/agents/{agent_id}").text


def test_facts_have_labels_and_statements_their_language(console: Flask, admin: Actor, browser: Browser) -> None:
    facts = {"server": "MariaDB 11", "read_only": False, "readable_tables": 1_234, "of_another_release": "raw"}
    warnings = tuple(Finding(code, {"role": "reader", "objects": "orders"}) for code in ("role_writes", "role_owns"))
    result = Result(STEPS, warnings=warnings, facts=facts, statements=("REVOKE INSERT;",))
    agent_id = make_agent(console, admin)
    make_last_test(console, admin, agent_id, connection=result)

    page = browser.get(f"/agents/{agent_id}")

    assert [found.text for found in page.root.one(id="test-result").all("dt")] == [
        "Server",
        "The user can only read",
        "Tables that the user can read",
    ]
    assert [found.text for found in page.root.one(id="test-result").all("dd")] == ["MariaDB 11", "No", "1,234"]
    assert "of_another_release" not in page.html
    assert page.root.one(id="statements-connection-label").text == "SQL for the administrator"
    assert page.root.one(id="statements-connection").text == "REVOKE INSERT;"
    assert "Not run by our tests" not in page.text
    # Both warnings have the same next step.
    assert page.text.count("run the statements of this test") == 1
    without = test_results.parts({"connection": replace(result, statements=()).to_json()})
    assert "statements" not in str([warning["next_step"] for warning in without[0]["warnings"]])


def test_statements_that_no_test_has_run_are_marked(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, connection_config={"dialect": "mssql"})
    make_last_test(console, admin, agent_id, connection=Result(STEPS, statements=(NOT_RUN, "REVOKE ALTER;")))

    assert "Not run by our tests" in panel(browser.get(f"/agents/{agent_id}"))


def test_statements_of_another_type_are_plain_text(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, **POWER_BI)
    make_last_test(console, admin, agent_id, connection=Result(STEPS, statements=("Give access",)))

    assert browser.get(f"/agents/{agent_id}").root.one(id="statements-connection-label").text == (
        "Text for the administrator"
    )


def test_row_level_security_is_said_when_an_agent_is_saved(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, **POWER_BI)
    facts = {"dataset_id": PowerBiConnection.example["dataset_id"], "row_level_security": True}
    make_last_test(console, admin, agent_id, connection=Result(STEPS, facts=facts))

    answer = browser.send(f"/agents/{agent_id}/edit", name="Retail")

    flashes = browser.get(answer.headers["Location"]).root.all(class_="flash")
    assert [found["class"] for found in flashes] == ["flash ok", "flash warn"]
    assert ROW_LEVEL_SECURITY in flashes[1].text


def test_an_impersonated_user_of_a_new_agent_is_doubtful(browser: Browser) -> None:
    typed = {f"POWERBI-{name}": value for name, value in PowerBiConnection.example.items()}
    typed |= {"POWERBI-impersonated_user_name": "ada@example.org", "connection_type": "POWERBI", "name": "Retail"}

    answer = browser.send("/agents/new", **typed)

    warning = browser.get(answer.headers["Location"]).root.one(class_="warn", role="status")
    assert "An impersonated user name is for" in warning.text


def test_sql_server_is_not_offered_without_its_driver(
    console: Flask, admin: Actor, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_agent(console, admin, connection_config={"dialect": "mssql"})
    # Python's way to say that a package is not there.
    monkeypatch.setitem(sys.modules, "mssql_python", None)

    new, edit = browser.get("/agents/new"), browser.get(f"/agents/{stored}/edit")

    option = new.root.one(id="DB-dialect").one("option", value="mssql")
    assert "disabled" in option.attributes
    assert option.text == "SQL Server (not installed)"
    assert "requirements-mssql.txt" in new.root.one(id="DB-dialect-hint").text
    assert "DB-dialect-hint" in new.root.one(id="DB-dialect")["aria-describedby"]
    assert "disabled" not in edit.root.one(id="DB-dialect").one("option", value="mssql").attributes


def test_sql_server_is_offered_with_its_driver(browser: Browser) -> None:
    require_driver()
    option = browser.get("/agents/new").root.one(id="DB-dialect").one("option", value="mssql")

    assert "disabled" not in option.attributes


def test_dates_in_reasons_are_not_broken_over_lines(console: Flask, admin: Actor, browser: Browser) -> None:
    make_agent(console, admin, api_key=API_KEY, api_key_expires_at="2020-02-29")

    row = browser.get("/agents?needs_attention=true").root.one("th", class_="c-name")

    assert [found.text for found in row.all(class_="date")] == ["29 Feb 2020"]


def test_a_name_in_a_reason_that_looks_like_an_expiry_is_shown_as_it_is(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    name = "sales expires on 2026-99-99.copy"
    agent_id = make_agent(console, admin, connection_config={"password": "a password", "database": name})
    cause = Finding("postgresql_database", {"database": name})
    result = Result((Step("database", Outcome.FAILED, 5),), cause)
    make_last_test(console, admin, agent_id, connection=result)

    for address in ("/agents?needs_attention=true", f"/agents/{agent_id}"):
        assert name in browser.get(address).root.one("main").text


def test_the_page_of_an_agent_says_why_it_needs_attention(console: Flask, admin: Actor, browser: Browser) -> None:
    secrets: dict[str, Any] = {"api_key": API_KEY, "connection_config": {"password": "a password"}}
    fine_id = make_agent(console, admin, **secrets)
    secrets["connection_config"] |= {"credential_expires_at": "2020-02-28"}
    agent_id = make_agent(console, admin, api_key_expires_at="2020-02-29", **secrets)

    page, fine = (browser.get(f"/agents/{one}") for one in (agent_id, fine_id))

    said = "Needs attention. The password expired on 28 Feb 2020. The API key expired on 29 Feb 2020."
    assert said in page.text
    assert "Needs attention" not in fine.text
