"""Every page in both themes and on a phone: no findings of axe, no horizontal scrolling, visible borders."""

import json
from uuid import UUID, uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from agents_app.operations import agent_files, agents, bulk_agents, tokens
from agents_app.operations.permissions import Actor
from tests.browser.conftest import Open, Site, sign_in
from tests.dbtools.tools import pretend_position, revision_before
from tests.make import make_agent, make_app, make_token, make_user

pytestmark = [pytest.mark.browser, pytest.mark.long]

COLOUR_RULES = ("color-contrast", "link-in-text-block")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 320, "height": 640}
# WCAG 1.4.11 requires a contrast of 3:1 between the border of an input and its surroundings. axe does not check it.
WEAK_BORDERS = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = (text) => { const [r, g, b] = text.match(/[0-9.]+/g).map(Number).map(channel);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(c)) return c; } return "rgb(255, 255, 255)"; };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  return [...document.querySelectorAll("input, select, textarea")]
    .filter((e) => e.checkVisibility() && !["hidden", "checkbox", "radio"].includes(e.type))
    .filter((e) => ratio(light(getComputedStyle(e).borderTopColor), light(ground(e.parentElement))) < 3)
    .map((e) => e.id);
}"""
UNREFERENCED_HINTS = """() => [...document.querySelectorAll(".hint[id], .error[id]")]
  .filter((e) => e.checkVisibility() && !document.querySelector(`[aria-describedby~="${e.id}"]`)).map((e) => e.id)"""

# Other inputs are as wide as their form.
STRETCHED_TICK_BOXES = """() => [...document.querySelectorAll("input[type=checkbox]")]
  .filter((e) => e.checkVisibility() && (e.offsetWidth !== 16 || e.offsetHeight !== 16))
  .map((e) => `${e.id} ${e.offsetWidth}`)"""


def faults(page: Page, *rules: str) -> list[str]:
    """The findings of axe on the page, with these rules or with all."""
    run_only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
    options = {"runOnly": run_only, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]


def check(page: Page) -> None:
    """Check the page in both themes and at a width of 320 pixels."""
    where = f"{page.url}: {page.title()}"
    page.set_viewport_size(DESKTOP)
    # The other theme has other colours, and nothing else.
    for scheme, rules in (("light", ()), ("dark", COLOUR_RULES)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert not faults(page, *rules), f"{where}, {scheme}"
        assert not page.evaluate(WEAK_BORDERS), f"{where}, {scheme}"
        assert not page.evaluate(STRETCHED_TICK_BOXES), f"{where}, {scheme}"
    assert not page.evaluate(UNREFERENCED_HINTS), where
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], f"{where} scrolls sideways"
    page.set_viewport_size(DESKTOP)


def test_a_planted_fault_is_found(page: Page) -> None:
    planted = "<input><p class=hint id=x>y</p><input id=wide type=checkbox>"
    page.evaluate(f"document.querySelector('main').innerHTML += '{planted}'")
    page.evaluate("document.querySelector('#wide').style.width = '50px'")
    page.evaluate("document.querySelector('main input').style.border = '1px solid #eee'")

    assert any(fault.startswith("label:") for fault in faults(page))
    assert page.evaluate(UNREFERENCED_HINTS) == ["x"]
    assert page.evaluate(WEAK_BORDERS) == [""]
    assert page.evaluate(STRETCHED_TICK_BOXES) == ["wide 50"]
    with pytest.raises(AssertionError):
        check(page)


def test_pages_for_anonymous_visitors(site: Site, empty_site: Site, open_page: Open) -> None:
    page = open_page(site)
    page.goto("/sign-in")
    check(page)
    page.get_by_role("button", name="Sign in").click()
    check(page)
    page.goto("/nothing")
    check(page)
    page = open_page(empty_site)
    page.goto("/setup")
    check(page)
    page.get_by_role("button", name="Create organisation").click()
    check(page)


def test_pages_of_an_empty_account(page: Page) -> None:
    for address in ("/agents", "/tokens", "/tokens/new", "/agents/new", "/agents?status=bad"):
        page.goto(address)
        check(page)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    check(page)


@pytest.fixture
def agent_ids(site: Site, admin: Actor) -> list[str]:
    """Agents of both types: one with long values, one disabled, one whose credential expires soon."""
    long = {
        "name": "An agent with a very long name " * 5,
        "description": "Averylongwordthatcannotbebroken" * 12,
        "system_instructions": "- Use only the `analytics` schema.\n" * 60,
        "model_type": "a-model-with-a-rather-long-name-of-some-provider",
        "api_key": "sk-0123456789-abcdefgh",
        "connection_config": {"password": "database-password-1", "host": f"{'long.' * 20}example.org"},
    }
    ids = [make_agent(site.app, admin, **long)]
    expiring = {"credential_expires_at": "2020-01-01", "client_secret": "value~of~the~secret"}
    ids.append(make_agent(site.app, admin, name="Retail", connection_type="POWERBI", connection_config=expiring))
    ids.extend(make_agent(site.app, admin, name=f"Sales {number}") for number in range(22))
    with site.app.app_context():
        agents.disable(admin, ids[0], {"reason": "The server moves to another place " * 8})
    return [str(agent_id) for agent_id in ids]


def test_the_list(page: Page, agent_ids: list[str]) -> None:
    queries = (
        "",
        "?q=nothing+like+it",
        "?q=agent&connection_type=DB&status=disabled&model_type=x&sort=name",
        "?sort=name",
    )
    for query in queries:
        page.goto(f"/agents{query}")
        check(page)
    page.get_by_text("Filter").click()
    check(page)
    page.locator("td summary").first.click()
    check(page)
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("dialog").wait_for()
    check(page)
    page.get_by_role("button", name="Delete agent").click()
    page.get_by_role("button", name="Undo").wait_for()
    check(page)


@pytest.mark.parametrize("which", [0, 1])
def test_pages_of_one_agent(which: int, page: Page, agent_ids: list[str]) -> None:
    agent_id = agent_ids[which]
    for act in ("", "/disable", "/delete", "/edit"):
        page.goto(f"/agents/{agent_id}{act}")
        check(page)
    open_all(page)
    check(page)
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_label("Port" if which == 0 else "Tenant ID").fill("not/this")
    for replace in page.locator(".segments .replace:visible").all():
        replace.click()
    page.get_by_role("button", name="Save changes").click()
    page.locator(".problems").wait_for()
    check(page)


def test_import(site: Site, admin: Actor, page: Page, agent_ids: list[str]) -> None:
    with site.app.app_context():
        document = agent_files.export(admin)
    make_agent(site.app, admin, name="Averylongnamethatcannotbebroken" * 6)
    for _ in range(2):
        make_agent(site.app, admin, name="Twice")
    changed, *_others = document["agents"]
    changed["description"] = f"{'Other words ' * 40}{'Averylongword' * 12}"
    changed |= {"name": "New " * 40, "external_id": "x" * 100}
    for text in ("", "{", json.dumps({**document, "agents": [{**changed, "status": "gone"}, {"unknown": 1}]})):
        page.goto("/agents/import")
        page.get_by_label("Text of a file").fill(text)
        page.get_by_role("button", name="Show plan").click()
        page.locator(".problems").wait_for()
        check(page)
    document["agents"][1]["description"] = changed["description"]
    page.get_by_label("Text of a file").fill(json.dumps(document))
    page.get_by_label("Delete agents that are missing").check()
    page.get_by_role("button", name="Show plan").click()
    page.locator("details.group > summary").first.click()
    check(page)
    page.get_by_role("button", name="Apply").click()
    check(page)
    page.get_by_label("Number of agents to delete").fill(str(page.locator(".danger-zone li").count()))
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**/agents?**")
    check(page)


def test_bulk_acts(site: Site, admin: Actor, page: Page, agent_ids: list[str]) -> None:
    page.goto("/agents")
    page.get_by_label("Select all on this page").check()
    page.locator(".bulk-bar summary").click()
    check(page)
    page.goto("/agents/bulk")
    check(page)
    for button in ("Disable…", "Delete…"):
        page.goto("/agents/bulk")
        page.get_by_role("button", name=button).click()
        check(page)
    page.get_by_label("Number of agents").fill("0")
    page.get_by_role("button", name="Delete").click()
    page.locator(".problems").wait_for()
    check(page)
    ids = [*agent_ids, str(uuid4())]
    with site.app.app_context():
        done = bulk_agents.act(admin, {"act": "set_owner", "ids": ids, "owner": "Averylongword" * 12, "note": "Moved."})
    page.goto(f"/agents/bulk/{done.id}")
    check(page)


def test_the_history(site: Site, admin: Actor, page: Page, agent_ids: list[str]) -> None:
    address, agent_id = f"/agents/{agent_ids[0]}/versions", UUID(agent_ids[0])
    moved = {"host": "other.example.org", "password": "another-password-1", "row_limit": 7}
    with site.app.app_context():
        agents.update(admin, agent_id, {"connection_config": moved, "note": "Averylongword" * 30})
        agents.update(admin, agent_id, {"system_instructions": "- Not so.\n" * 80})
    for path in ("", "?first=0", "/1", "/3?compare=1", "/3/restore", "/1/restore"):
        page.goto(f"{address}{path}")
        check(page)
    page.get_by_role("button", name="Restore version 1").click()
    page.locator(".problems").wait_for()
    check(page)


def test_a_change_by_others(site: Site, admin: Actor, page: Page, agent_ids: list[str]) -> None:
    grace = make_user(site.app, account_id=admin.account_id, name="Grace Hopper")
    address, agent_id = f"/agents/{agent_ids[0]}/edit", UUID(agent_ids[0])
    page.goto(address)
    hers = {"description": "Averylongword" * 20, "name": "A name", "system_instructions": "- Not so.\n" * 80}
    with site.app.app_context():
        agents.update(grace, agent_id, {**hers, "api_key": "sk-hers-0123456789", "connection_config": {"row_limit": 7}})
    for name in ("description", "system_instructions", "model_type"):
        page.locator(f"#{name}").fill("Mine")
    page.locator(".segments .replace:visible").first.click()
    page.locator(".replace:has(#api_key-replace)").click()
    page.locator("#api_key").fill("sk-mine-0123456789")
    page.get_by_role("button", name="Save changes").click()
    page.locator(".stale").wait_for()
    open_all(page)
    check(page)
    choose = page.locator(".stale :is(label, summary, .button)")
    page.set_viewport_size({"width": 375, "height": 800})
    assert all((one.bounding_box() or {})["height"] >= 44 for one in choose.all())
    page.get_by_role("button", name="Save changes").click()
    page.locator(".problems").wait_for()
    check(page)
    with site.app.app_context():
        agents.delete(grace, agent_id)
    page.get_by_role("button", name="Save changes").click()
    page.get_by_role("heading", name="This agent was deleted").wait_for()
    check(page)
    for path in ("/agents/deleted", f"/agents/{agent_id}", "/nothing"):
        page.goto(path)
        check(page)


def test_tokens(site: Site, admin: Actor, page: Page, agent_ids: list[str]) -> None:
    make_token(site.app, admin, "read", "write")
    page.goto("/tokens/new")
    open_all(page)
    check(page)
    page.get_by_role("button", name="Create token").click()
    page.locator(".problems").wait_for()
    check(page)
    page.get_by_label("Name", exact=True).fill("A token with a very long name " * 8)
    page.get_by_role("button", name="Create token").click()
    page.get_by_role("heading", name="Copy your new token now").wait_for()
    check(page)
    with site.app.app_context():
        token_id = tokens.listing(admin)[0]["id"]
    page.goto(f"/tokens/{token_id}/revoke")
    check(page)


def test_system(site: Site, page: Page, sqlite_schema_url: str, open_page: Open) -> None:
    page.goto("/system")
    check(page)
    pretend_position(sqlite_schema_url, revision_before("add_second_factors"))
    behind = Site(make_app(sqlite_schema_url))
    try:
        page = open_page(behind)
        sign_in(page, make_user(behind.app).email)
        page.goto("/system")
        page.get_by_text("4 steps are pending").wait_for()
        open_all(page)
        check(page)
    finally:
        behind.stop()


def open_all(page: Page) -> None:
    """Open all details on the page."""
    page.evaluate("document.querySelectorAll('details.group').forEach((part) => (part.open = true))")
