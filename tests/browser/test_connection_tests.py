"""Tests of connections in a browser: the button Test keeps the page and what was typed, and says what happens."""

import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from agents_app.operations.permissions import Actor
from agents_app.probes.results import Finding, Outcome, Result, Step
from tests.browser.conftest import PATIENCE_MS, Open, Site, sign_in
from tests.browser.test_accessibility import check, open_all
from tests.make import make_agent, make_last_test, make_user

pytestmark = pytest.mark.browser

SECRET = "canary-of-the-form-5Xq9"
STEPS = tuple(Step(name, Outcome.PASSED, 12) for name in ("resolve", "connect", "tls", "sign_in", "database"))
PASSED = Result(STEPS, facts={"server": "PostgreSQL 17", "read_only": True, "readable_tables": 1_234})
FAILED = Result(
    (*STEPS[:1], Step("connect", Outcome.FAILED, 3_000)), Finding("port_refused", {"host": "db.example.org", "port": 1})
)
WRITES = Result(
    STEPS,
    warnings=(Finding("role_writes", {"role": "reader", "objects": f"{'averylongname' * 9} (INSERT)"}),),
    statements=(f"REVOKE INSERT ON {'averylongname' * 9} FROM reader;", "GRANT SELECT ON orders TO reader;"),
)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server on loopback that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_MS / 1_000)
        yield listener


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of loopback that refuses connections, and is not used while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def fill(page: Page, port: int) -> None:
    """Open the form of a new agent and fill it, with secrets."""
    page.goto("/agents/new")
    values = {"DB-host": "127.0.0.1", "DB-port": port, "DB-database": "sales", "DB-username": "reader", "name": "Sales"}
    for name, value in {**values, "DB-password": SECRET, "api_key": f"sk-{SECRET}"}.items():
        page.locator(f"#{name}").fill(str(value))


def press_test(page: Page) -> None:
    """Press the button Test of the form."""
    page.get_by_role("button", name="Test", exact=True).click()


def stored_in_browser(page: Page) -> str:
    """Everything that the page stored in the browser."""
    return str(page.evaluate("JSON.stringify([localStorage, sessionStorage, history.state, document.cookie])"))


def test_what_was_typed_stays_and_the_result_appears(page: Page, closed_port: int) -> None:
    fill(page, closed_port)
    page.evaluate("window.isSamePage = true")

    press_test(page)

    expect(page.locator("#test-result")).to_contain_text(f"No server listens on port {closed_port}")
    expect(page.locator("#test-status")).to_contain_text("Connection test: Failed. No server listens on port")
    expect(page.get_by_role("button", name="Test", exact=True)).to_be_visible()
    expect(page.locator("#DB-password")).to_have_value(SECRET)
    expect(page.locator("#api_key")).to_have_value(f"sk-{SECRET}")
    assert page.evaluate("window.isSamePage")
    assert page.locator(".retype").count() == 0
    assert SECRET not in stored_in_browser(page) + page.content()
    check(page)
    page.locator("#name").fill("Retail")
    expect(page.get_by_text("Out of date: the form was changed")).to_be_visible()


def test_while_a_test_runs_the_button_says_so_and_other_keys_do_no_harm(
    page: Page, site: Site, server: socket.socket
) -> None:
    fill(page, server.getsockname()[1])
    sent = len(site.sources)
    press_test(page)
    button = page.get_by_role("button", name="Testing…")
    expect(button).to_be_visible()
    expect(page.locator("#test-result > .running")).to_have_text("Testing… (up to 10 seconds)")
    expect(page.get_by_text("The button Test uses the values")).to_be_hidden()
    connection, _ = server.accept()

    button.click()
    page.keyboard.press("Escape")
    page.locator("#name").fill("Typed since")
    connection.close()

    expect(page.get_by_role("button", name="Test", exact=True)).to_be_visible()
    expect(page.locator("#test-result .cause.bad")).to_be_visible()
    expect(page.locator(".running")).to_have_count(0)
    expect(page.get_by_text("Out of date: the form was changed")).to_be_visible()
    expect(page.locator("#name")).to_have_value("Typed since")
    assert len(site.sources) == sent + 1


def test_a_refusal_marks_the_fields_until_the_next_test(page: Page, closed_port: int) -> None:
    fill(page, 0)
    page.locator("#DB-row_limit").evaluate("(input) => (input.value = -1)")

    press_test(page)

    expect(page.locator(".problems")).to_be_focused()
    assert page.title().startswith("Error: ")
    expect(page.locator("#DB-port")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#DB-port")).to_have_attribute("aria-describedby", "DB-port-error DB-port-hint")
    expect(page.locator("#DB-row_limit-error")).to_be_visible()
    expect(page.locator("#DB-password")).to_have_value(SECRET)
    check(page)
    page.locator("#DB-port").fill(str(closed_port))
    page.locator("#DB-row_limit").fill("10")
    press_test(page)
    expect(page.locator("#test-result .cause.bad")).to_be_visible()
    assert page.locator(".problems, .error, [aria-invalid]").count() == 0
    assert not page.title().startswith("Error: ")
    page.locator("#DB-port").fill("0")
    press_test(page)
    expect(page.get_by_text("Nothing was tested: correct the marked fields first.")).to_be_visible()
    expect(page.locator("#test-result .cause.bad")).to_be_visible()


def test_a_changed_destination_asks_for_the_stored_secret(page: Page, site: Site, admin: Actor) -> None:
    agent_id = make_agent(site.app, admin, connection_config={"password": SECRET})
    page.goto(f"/agents/{agent_id}/edit")
    expect(page.locator(".unsaved")).to_have_text("")
    page.locator("#DB-host").fill("other.example.org")
    expect(page.locator(".unsaved")).to_have_text("1 unsaved change")

    press_test(page)

    expect(page.locator("#DB-password")).to_be_visible()
    expect(page.locator("#DB-password-error")).to_be_visible()
    check(page)


@pytest.mark.parametrize("answer", ["none", "503"])
def test_a_console_that_cannot_answer_loses_nothing(page: Page, closed_port: int, answer: str) -> None:
    fill(page, closed_port)

    def act(route: Route) -> None:
        if answer == "none":
            route.abort()
        else:
            route.fulfill(status=503, body="<h1>Not available</h1>")

    page.route("**/agents/new", act)

    press_test(page)

    expect(page.get_by_role("alert")).to_contain_text("The console could not run the test.")
    expect(page.locator("#DB-password")).to_have_value(SECRET)
    expect(page.get_by_role("button", name="Test", exact=True)).to_be_visible()


def test_a_pasted_address_is_split_as_without_script(page: Page, closed_port: int) -> None:
    fill(page, closed_port)
    page.locator("#DB-host").fill("postgresql://ada@db.example.org:5432/retail")

    press_test(page)

    expect(page.locator("#split-addresses")).to_be_visible()
    expect(page.locator("#DB-database")).to_have_value("retail")


def test_without_script_secrets_must_be_typed_again(site: Site, open_page: Open, closed_port: int) -> None:
    page = open_page(site, java_script_enabled=False)
    sign_in(page, make_user(site.app).email)
    fill(page, closed_port)

    press_test(page)

    expect(page.locator("#test-result .cause.bad")).to_be_visible()
    expect(page.locator("#test")).to_be_in_viewport()
    expect(page.get_by_text("Type the secrets again before you save.")).to_be_visible()
    expect(page.locator("#DB-password")).to_have_value("")
    expect(page.locator("#DB-host")).to_have_value("127.0.0.1")


@pytest.mark.long
@pytest.mark.parametrize(
    ("result", "addresses"),
    [(PASSED, ["/agents/{}/edit"]), (FAILED, ["/agents/{}", "/agents?needs_attention=true"]), (WRITES, ["/agents/{}"])],
    ids=["passed", "failed", "warning"],
)
def test_pages_with_a_result_have_no_faults(
    page: Page, site: Site, admin: Actor, result: Result, addresses: list[str]
) -> None:
    agent_id = make_agent(site.app, admin, api_key=f"sk-{SECRET}", api_key_expires_at="2020-02-29")
    make_last_test(site.app, admin, agent_id, connection=result, model=PASSED)

    for address in addresses:
        page.goto(address.format(agent_id))
        check(page)


def test_a_warning_about_a_secret_has_no_faults(page: Page, closed_port: int) -> None:
    fill(page, closed_port)
    open_all(page)
    page.locator("#description").fill("Uses sk-proj-Zk3vXy8Qm1TtLw6RbNc4HsJd9GfPa2Ue")
    page.get_by_role("button", name="Create agent").click()
    page.locator("#warnings").wait_for()
    check(page)
