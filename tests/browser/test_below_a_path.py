"""The console below a path in a real browser, behind a real nginx with https and the settings of the docs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

from agents_app.operations import accounts
from tests.browser.conftest import Open
from tests.browser.test_api_docs import DOCS, authorize, open_reference, try_out
from tests.browser.test_journeys import create_database_agent, set_up
from tests.browser.test_users import main_link
from tests.cli.conftest import free_port
from tests.conftest import OpenConsole
from tests.make import PASSWORD
from tests.nginx import behind_nginx, document_blocks

pytestmark = [pytest.mark.browser, pytest.mark.long]
OTHER_PROGRAM = "location / { return 404 'another program'; }"


@dataclass
class Below:
    """A console without an account below a path: its URL, and the code of its set-up page."""

    address: str
    code: str


@pytest.fixture(params=["passed on", "taken off"])
def below(
    request: pytest.FixtureRequest, sqlite_schema_url: str, tmp_path: Path, open_console: OpenConsole
) -> Iterator[Below]:
    """A console next to another program on the host. nginx forwards the path, or removes it."""
    block = document_blocks()[1]
    if request.param == "taken off":
        block = block.replace("proxy_pass http://$console;", "proxy_pass http://$console/;")
    port = free_port()
    public_url = f"https://127.0.0.1:{port}/agents"
    blocks = {"https": f"{block}\n{OTHER_PROGRAM}"}
    with (
        behind_nginx(tmp_path, sqlite_schema_url, public_url, blocks, port=port),
        open_console(sqlite_schema_url, PUBLIC_URL=public_url).app_context(),
    ):
        yield Below(f"{public_url}/", accounts.setup_code() or "")


@pytest.mark.parametrize(
    ("below", "script"),
    [("passed on", True), ("taken off", False)],
    indirect=["below"],
    ids=["passed on", "taken off, no script"],
)
def test_a_new_admin_sets_up_and_manages_an_agent_below_a_path(below: Below, script: bool, open_page: Open) -> None:
    page, theirs = (open_page(below, java_script_enabled=script, ignore_https_errors=True) for _ in range(2))
    asked: list[str] = []
    for one in (page, theirs):
        one.on("request", lambda request: asked.append(request.url))

    set_up(page, below.code)
    assert are_icons_drawn(page) == {True}
    create_database_agent(page)
    delete(page, script)
    invite(page, theirs, below)
    if script:
        create_from_the_reference(page)
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto("agents?q=sales")
    sign_in_here(page)

    expect(page).to_have_url(urljoin(below.address, "agents?q=sales"))
    assert [url for url in asked if not url.startswith((below.address, "data:", "blob:"))] == []


def are_icons_drawn(page: Page) -> set[bool]:
    """Whether the icons that the page shows have drawings."""
    icons = page.locator(".icon:visible use")
    return set(icons.evaluate_all("uses => uses.map(use => use.getBBox().width > 0)"))


def delete(page: Page, script: bool) -> None:
    page.locator("main summary", has_text="More actions").click()
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_have_count(1 if script else 0)
    page.get_by_role("button", name="Delete agent").click()
    expect(page.get_by_text("Sales was deleted.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("was restored.")).to_be_visible()


def invite(page: Page, theirs: Page, below: Below) -> None:
    main_link(page, "People")
    page.get_by_role("link", name="Invite someone").click()
    page.get_by_role("button", name="Create link").click()
    link = page.get_by_label("New link").input_value()
    assert link.startswith(f"{below.address}join?code=")
    theirs.goto(link)
    theirs.get_by_label("Your name").fill("Grace Hopper")
    theirs.get_by_label("Email address").fill("grace@example.org")
    theirs.get_by_label("Password").fill(PASSWORD)
    theirs.get_by_role("button", name="Join and sign in").click()
    expect(theirs.get_by_role("heading", name="Agents")).to_be_visible()


def create_from_the_reference(page: Page) -> None:
    page.goto("tokens/new")
    page.get_by_label("Name", exact=True).fill("ci")
    page.get_by_label("Write").check()
    page.get_by_role("button", name="Create token").click()
    token = page.get_by_role("textbox", name="New token").input_value()
    open_reference(page, DOCS.removeprefix("/"))
    authorize(page, token)
    try_out(page, "createAgent")
    answer = page.locator("#operations-Agents-createAgent .live-responses-table tbody .response-col_status").first
    expect(answer).to_contain_text("201")
    page.get_by_role("link", name="Agent Console").click()
    expect(page.get_by_role("link", name="Sales figures")).to_be_visible()


def sign_in_here(page: Page) -> None:
    page.get_by_label("Email address").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
