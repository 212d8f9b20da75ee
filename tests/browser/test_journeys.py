"""Complete tasks in the console: with and without script, and only with the keyboard."""

import json
import re
import subprocess

import pytest
from playwright.sync_api import Locator, Page, expect

from agents_app.operations import agent_reads
from agents_app.operations.permissions import Actor
from tests.browser.conftest import Open, Site, sign_in
from tests.make import PASSWORD, POWER_BI, make_agent, make_user

pytestmark = pytest.mark.browser


def set_up(page: Page, code: str | None = None) -> None:
    page.goto("./")
    expect(page.get_by_label("Set-up code" if code else "Organisation")).to_be_focused()
    if code:
        page.get_by_label("Set-up code").fill(code)
    page.get_by_label("Organisation").fill("Acme")
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_label("Email address").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create organisation and sign in").click()
    expect(page.get_by_role("heading", name="Create your first agent")).to_be_visible()


def create_database_agent(page: Page) -> None:
    page.get_by_role("link", name="New agent").click()
    page.get_by_label("Name", exact=True).fill("Sales")
    page.locator("#api_key").fill("sk-0123456789-abcdefgh")
    page.get_by_label("Host").fill("localhost")
    # No program listens on this port, so a test fails at once.
    page.locator("#DB-port").fill("1")
    page.get_by_label("Database name").fill("sales")
    page.get_by_label("User name", exact=True).fill("reader")
    page.locator("#DB-password").fill("database-password-1")
    page.get_by_role("button", name="Create agent").click()
    expect(page.get_by_role("heading", name="Sales", level=1)).to_be_visible()


def first_steps(page: Page) -> Locator:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Agents").click()
    page.get_by_role("heading", name="Agents", level=1).wait_for()
    return page.locator(".first-steps")


def use_first_agent(page: Page) -> None:
    """Do what the first steps after the first agent ask for, as they lead."""
    expect(first_steps(page)).to_contain_text("1 of 3")
    page.get_by_role("link", name="Test its connection").click()
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator("#test-result")).to_contain_text("Failed")
    # A test that failed is no step that is done.
    expect(first_steps(page)).to_contain_text("1 of 3")
    expect(page.get_by_role("link", name="Test its connection: tested, it failed")).to_be_visible()
    page.get_by_role("link", name="Let a runtime fetch it").click()
    expect(page.locator("#use-command")).to_contain_text("$TOKEN")
    page.get_by_role("link", name="Create a token for this agent").click()
    page.get_by_role("button", name="Create token").click()
    command = page.locator("#command").inner_text()
    curl = subprocess.run(["sh", "-c", f"{command} -sw '\n%{{http_code}}'"], check=True, capture_output=True, text=True)
    body, status = curl.stdout.rsplit("\n", 1)
    assert status == "200"
    assert json.loads(body)["connection_config"]["password"] == "database-password-1"
    expect(first_steps(page)).to_have_count(0)


def create_power_bi_agent(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Agents").click()
    page.get_by_role("link", name="New agent").click()
    expect(page.locator("#POWERBI-tenant_id")).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("Retail")
    page.locator("#DB-host").fill("kept.example.org")
    page.get_by_label("Power BI").check()
    expect(page.locator("#DB-host")).to_be_hidden()
    for name, value in POWER_BI.items():
        page.locator(f"#POWERBI-{name}").fill(value)
    page.locator("#POWERBI-client_secret").fill("value~of~the~secret")
    page.locator("#connection_type").check()
    expect(page.locator("#DB-host")).to_have_value("kept.example.org")
    page.get_by_label("Power BI").check()
    expect(page.locator("#POWERBI-tenant_id")).to_have_value(POWER_BI["tenant_id"])
    page.get_by_role("button", name="Create agent").click()
    expect(page.get_by_role("heading", name="Retail", level=1)).to_be_visible()


def open_description(page: Page) -> None:
    page.get_by_text("Description and instructions").click()


def find(page: Page, words: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Agents").click()
    page.get_by_label("Search name").fill(words)
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 agent that matches")).to_be_visible()


@pytest.mark.long
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_new_admin_sets_up_and_manages_an_agent(script: bool, empty_site: Site, open_page: Open) -> None:
    page = open_page(empty_site, java_script_enabled=script)
    set_up(page)
    create_database_agent(page)
    use_first_agent(page)
    create_power_bi_agent(page)

    find(page, "LOCAL sales")
    page.get_by_role("table").get_by_role("link", name="Sales").click()
    page.get_by_role("link", name="Edit").click()
    open_description(page)
    page.get_by_label("Description").fill("Answers questions on sales")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Sales was saved.")).to_be_visible()
    expect(page.get_by_label("Search name")).to_have_value("LOCAL sales")

    page.get_by_role("table").get_by_role("link", name="Sales").click()
    expect(page.get_by_text("…efgh")).to_be_visible()
    page.get_by_role("link", name="Disable…").click()
    expect(page.get_by_role("dialog")).to_have_count(1 if script else 0)
    page.get_by_label("Reason").fill("The server moves")
    page.get_by_role("button", name="Disable agent").click()
    expect(page.get_by_text("Disabled. The server moves")).to_be_visible()
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_role("link", name="Disable…")).to_be_visible()
    page.get_by_role("button", name="Clone").click()
    expect(page.get_by_role("heading", name="Copy of Sales")).to_be_visible()

    page.locator("main summary", has_text="More actions").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete agent").click()
    expect(page.get_by_text("Copy of Sales was deleted.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("was restored.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_everything_works_by_keyboard(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    agent_id = make_agent(site.app, admin, name="Sales")
    page = open_page(site)
    page.goto("/sign-in")
    expect(page.get_by_label("Email address")).to_be_focused()
    page.keyboard.type(admin.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Agents").wait_for()

    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Search name")).to_be_focused()
    page.keyboard.type("n?/")
    expect(page.get_by_label("Search name")).to_have_value("n?/")

    menu = page.locator("td summary")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Delete…")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Delete…")).to_be_hidden()
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Delete…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Keep agent")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(menu).to_be_focused()

    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.get_by_role("heading", name="New agent").wait_for()
    page.goto(f"/agents/{agent_id}/edit")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.press("End")
    page.keyboard.type(" 2")
    page.keyboard.press("Control+s")
    expect(page.get_by_role("heading", name="Sales 2", level=1)).to_be_visible()


def test_a_refused_form_moves_the_focus_to_its_errors(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    for script in (True, False):
        page = open_page(site, java_script_enabled=script)
        sign_in(page, admin.email)
        page.goto("/agents/new")
        page.get_by_role("button", name="Create agent").click()
        expect(page.locator(".problems")).to_be_focused()
        expect(page).to_have_title(re.compile("^Error: New agent"))
        page.get_by_role("link", name="Enter a name for the agent.").click()
        expect(page.get_by_label("Name", exact=True)).to_be_focused()


def test_no_bar_covers_the_focus(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    agent_id = make_agent(site.app, admin)
    page = open_page(site, viewport={"width": 1000, "height": 500})
    sign_in(page, admin.email)
    page.goto(f"/agents/{agent_id}/edit")
    page.get_by_label("Name", exact=True).focus()
    overlaps = """() => { const bar = document.querySelector(".save-bar"), here = document.activeElement;
      return !bar.contains(here) && here.getBoundingClientRect().bottom > bar.getBoundingClientRect().top; }"""

    for stop in range(40):
        page.keyboard.press("Tab")
        assert not page.evaluate(overlaps), stop
        if page.evaluate("document.activeElement.matches('[data-save]')"):
            return
    raise AssertionError("the button that saves was not reached")


def test_unsaved_changes_are_counted_and_warned_about(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    agent_id = make_agent(site.app, admin, api_key="sk-0123456789-abcdefgh")
    page = open_page(site)
    questions: list[str] = []
    page.on("dialog", lambda dialog: (questions.append(dialog.type), dialog.accept()))
    sign_in(page, admin.email)
    page.goto(f"/agents/{agent_id}/edit")
    unsaved = page.locator(".unsaved")
    expect(unsaved).to_have_text("")

    open_description(page)
    page.get_by_label("Description").fill("New")
    page.locator("label", has_text="Replace").first.click()
    page.get_by_label("New API key").fill("sk-another")
    expect(unsaved).to_have_text("2 unsaved changes")
    page.get_by_label("Description").fill("")
    expect(unsaved).to_have_text("1 unsaved change")
    page.goto("/agents")
    assert questions == ["beforeunload"]

    page.goto(f"/agents/{agent_id}/edit")
    page.goto("/agents")
    assert questions == ["beforeunload"]


def test_going_back_restores_what_was_typed_and_counts_it(site: Site, open_page: Open) -> None:
    page = open_page(site, locale="en-GB")
    page.on("dialog", lambda dialog: dialog.accept())
    sign_in(page, make_user(site.app).email)
    page.goto("/agents/new")
    expect(page.locator(".unsaved")).to_have_text("")
    open_description(page)
    page.get_by_label("Description").fill("Typed")
    page.locator("#api_key").fill("sk-0123456789-abcdefgh")
    page.get_by_label("Power BI").check()

    page.goto("/activity")
    page.go_back()

    expect(page.get_by_label("Description")).to_have_value("Typed")
    expect(page.get_by_label("Description")).to_be_visible()
    expect(page.locator("#api_key")).to_have_value("")
    expect(page.locator("#POWERBI-tenant_id")).to_be_visible()
    expect(page.locator(".unsaved")).to_have_text("2 unsaved changes")
    expect(page.locator("#description-hint .count")).to_have_text("5 of 2,000 characters")


@pytest.mark.parametrize("size", [(1280, 400), (640, 400)], ids=["sidebar", "menu"])
def test_the_menu_can_be_reached_to_its_end_on_a_low_screen(size: tuple[int, int], site: Site, open_page: Open) -> None:
    page = open_page(site, viewport={"width": size[0], "height": size[1]})
    sign_in(page, make_user(site.app).email)
    if size[0] < 860:
        page.get_by_role("button", name="Menu").click()

    page.get_by_role("button", name="Sign out").scroll_into_view_if_needed()

    expect(page.get_by_role("button", name="Sign out")).to_be_in_viewport(ratio=1)


def test_lengths_are_counted_and_nothing_is_cut_off(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    page = open_page(site, locale="en-GB")
    sign_in(page, admin.email)
    page.goto("/agents/new")

    open_description(page)
    page.get_by_label("Description").fill("x" * 2_001)

    expect(page.locator("#description-hint .count")).to_have_text("2,001 of 2,000 characters")
    expect(page.locator("#description-hint .count")).to_have_class("count over")
    page.get_by_role("button", name="Create agent").click()
    expect(page.get_by_label("Description")).to_have_value("x" * 2_001)


def test_copy_shows_that_it_copied(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    agent_id = make_agent(site.app, admin)
    page = open_page(site, permissions=["clipboard-read", "clipboard-write"])
    sign_in(page, admin.email)
    page.goto(f"/agents/{agent_id}")

    page.get_by_role("button", name="Copy the agent ID").click()

    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == str(agent_id)


def test_the_theme_changes_without_leaving_the_page_and_stays(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    page = open_page(site)
    sign_in(page, admin.email)
    page.goto("/agents/new")
    page.get_by_label("Name", exact=True).fill("Typed")

    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Dark theme").click()

    expect(page.get_by_label("Name", exact=True)).to_have_value("Typed")
    expect(page.get_by_role("button", name="Dark theme")).to_have_attribute("aria-pressed", "true")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(13, 14, 18)"


def test_focus_shows_a_time_in_the_time_zone_of_the_browser(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    make_agent(site.app, admin)
    page = open_page(site, timezone_id="Asia/Tokyo")
    sign_in(page, admin.email)

    page.get_by_role("rowheader").get_by_role("link").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")

    expect(page.locator("tr time > .at").first).to_contain_text("Asia/Tokyo")
    expect(page.locator("tr time > .at").first).to_have_css("clip-path", "none")


def test_single_keys_can_be_switched_off(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    make_agent(site.app, admin)
    page = open_page(site)
    sign_in(page, admin.email)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Use the single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.reload()

    page.locator("main").press("n")

    expect(page).to_have_url(re.compile("/agents$"))


@pytest.mark.long
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_two_tabs_that_change_one_agent_see_both_changes(script: bool, site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    agent_id = make_agent(site.app, admin, name="Sales")
    mine, theirs = (open_page(site, java_script_enabled=script) for _ in range(2))
    for page in (mine, theirs):
        sign_in(page, admin.email)
        page.goto(f"/agents/{agent_id}/edit")
    open_description(theirs)
    theirs.get_by_label("Description").fill("Theirs")
    theirs.get_by_role("button", name="Save changes").click()
    expect(theirs.get_by_text("Sales was saved.")).to_be_visible()

    open_description(mine)
    mine.get_by_label("Description").fill("Mine")
    mine.get_by_role("button", name="Save changes").click()
    expect(mine.locator(".stale")).to_be_focused()
    group = mine.get_by_role("group", name="Description: choose one")
    expect(group.get_by_text("Theirs", exact=True)).to_be_visible()
    mine.get_by_role("button", name="Save changes").click()
    mine.get_by_role("link", name="Description: choose").click()
    expect(mine.locator("#choice-description")).to_be_focused()
    mine.keyboard.press("Space")
    mine.get_by_role("button", name="Save changes").click()

    expect(mine.get_by_text("Sales was saved.")).to_be_visible()
    with site.app.app_context():
        assert agent_reads.read(admin, agent_id)["description"] == "Mine"


@pytest.mark.long
def test_ticked_agents_of_two_pages_are_disabled_and_it_is_undone(site: Site, admin: Actor, page: Page) -> None:
    for number in range(23):
        make_agent(site.app, admin, name=f"Agent {number:02}")
    page.goto("/agents?sort=name")
    bar, ticked = page.locator(".bulk-bar"), page.locator(".ticked")
    expect(bar).to_be_hidden()

    page.get_by_label("Select all on this page").check()
    expect(ticked).to_have_text("20")
    expect(page.get_by_role("link", name="Select all 23 that match")).to_be_visible()
    page.get_by_label("Agent 03").uncheck()
    expect(page.get_by_role("link", name="Select all 23 that match")).to_be_hidden()
    # Enter on a box must not press a button.
    page.get_by_label("Agent 04").press("Enter")
    expect(ticked).to_have_text("19")
    page.get_by_role("link", name="Next").click()
    expect(ticked).to_have_text("19")
    page.get_by_label("Agent 22").check()
    expect(ticked).to_have_text("20")
    page.get_by_label("Search name, description").fill("Agent 03")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row")).to_have_count(2)
    expect(ticked).to_have_text("20")
    page.go_back()
    expect(ticked).to_have_text("20")
    page.get_by_role("button", name="Disable…").click()
    page.get_by_role("link", name="Change nothing").click()
    expect(ticked).to_have_text("20")
    page.get_by_role("button", name="Disable…").click()
    page.get_by_label("Reason").fill("Moving.")
    page.get_by_role("button", name="Disable 20 agents").click()
    expect(page.locator(".flash")).to_contain_text("20 agents were disabled.")
    expect(bar).to_be_hidden()
    expect(page.get_by_role("link", name="Disabled 20")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".flash")).to_contain_text("20 agents were restored to the previous state.")
    expect(page.get_by_role("link", name="Disabled 0")).to_be_visible()


@pytest.mark.parametrize("width", [320, 1280])
def test_the_bar_of_ticked_agents_does_not_cover_what_has_the_focus(
    site: Site, admin: Actor, page: Page, width: int
) -> None:
    for number in range(12):
        make_agent(site.app, admin, name=f"Agent {number:02}")
    page.set_viewport_size({"width": width, "height": 720})
    page.goto("/agents?sort=name")
    page.get_by_label("Agent 00").check()

    # The whole bar is on the screen before one scrolls, also if the list begins far down.
    for height in (560, 720):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        assert page.locator(".bulk-bar").evaluate("bar => bar.getBoundingClientRect().bottom") <= height
    for number in range(1, 12):
        box = page.get_by_label(f"Agent {number:02}")
        box.focus()
        bottom = box.evaluate("box => box.getBoundingClientRect().bottom")
        assert bottom <= page.locator(".bulk-bar").evaluate("bar => bar.getBoundingClientRect().top")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
