"""The API reference in a real browser, with the content security policy of the console."""

import pytest
from playwright.sync_api import Page, expect

from agents_app.operations import agent_reads
from agents_app.schemas import listing
from tests.browser.conftest import Open, Site
from tests.browser.test_accessibility import COLOUR_RULES, DESKTOP, PHONE, faults
from tests.browser.test_layout import SMALL_TARGETS
from tests.make import make_token, make_user

pytestmark = [pytest.mark.browser, pytest.mark.long]
DOCS = "/gibberish-xyz-123"
# Swagger UI is 1.7 MB of script, which a busy machine runs slowly.
START_MS = 60_000


def open_reference(page: Page, address: str = DOCS) -> None:
    page.goto(address, timeout=START_MS)
    page.locator(".opblock").first.wait_for(timeout=START_MS)


def authorize(page: Page, token: str) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".dialog-ux")
    dialog.locator("input").fill(token)
    dialog.get_by_role("button", name="Apply credentials").click()
    assert not faults(page, "heading-order", "color-contrast")
    dialog.get_by_role("button", name="Close", exact=True).click()


def try_out(page: Page, operation: str) -> None:
    block = page.locator(f"#operations-Agents-{operation}")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()


def test_an_agent_is_created_from_the_page(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    page = open_page(site)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_reference(page)

    authorize(page, make_token(site.app, admin, "write"))
    try_out(page, "createAgent")

    answer = page.locator("#operations-Agents-createAgent .live-responses-table tbody .response-col_status").first
    expect(answer).to_contain_text("201")
    with site.app.app_context():
        assert [one["name"] for one in agent_reads.listing(admin, listing.parse({})).items] == ["Sales figures"]
    assert all(url.startswith((site.address, "data:", "blob:")) for url in asked)


def test_the_reference_has_the_menu_and_the_theme_of_the_console_and_no_findings(page: Page) -> None:
    open_reference(page)
    page.locator("#operations-Agents-createAgent .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").wait_for()

    assert not faults(page)
    expect(page.get_by_role("link", name="API reference")).to_have_attribute("aria-current", "page")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate(SMALL_TARGETS) == []
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html.dark-mode")).to_have_count(1)
    assert not faults(page, *COLOUR_RULES)


def test_a_token_is_not_kept_after_leaving_the_page(site: Site, open_page: Open) -> None:
    page = open_page(site)
    open_reference(page)
    authorize(page, make_token(site.app, make_user(site.app), "read"))

    open_reference(page)
    try_out(page, "listAgents")

    answer = page.locator("#operations-Agents-listAgents .live-responses-table tbody .response-col_status").first
    expect(answer).to_contain_text("401")
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_without_script_the_page_leads_to_the_document(site: Site, open_page: Open) -> None:
    page = open_page(site, java_script_enabled=False)
    page.goto(DOCS)

    expect(page.locator(".notice").get_by_role("link", name="openapi.json")).to_be_visible()
