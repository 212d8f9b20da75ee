"""Sizes and distances that axe does not check, and what the script changes on a page."""

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from agents_app.operations.permissions import Actor
from agents_app.values import limits
from tests.browser.conftest import Open, Site, sign_in
from tests.make import make_agent, make_user

pytestmark = pytest.mark.browser
# The width of the window, the greatest height of a row of the list, and the least width of the column of names.
LIST_WIDTHS = ((1440, 112, 260), (1241, 112, 200), (1041, 112, 200), (768, 180, 600), (375, 240, 280))
# What is wrong in the list: rows that are too high, broken words, badges outside their cells, narrow names.
FIND_FAULTS = """([rowHeight, nameWidth]) => {
  const faults = [];
  for (const row of document.querySelectorAll(".agents tbody tr")) {
    const name = row.querySelector("bdi").textContent.slice(0, 30);
    const height = row.getBoundingClientRect().height;
    if (height > rowHeight) faults.push(`${name}: the row is ${height} high`);
    const width = row.querySelector(".c-name").getBoundingClientRect().width;
    if (width < nameWidth) faults.push(`${name}: the name is ${width} wide`);
    for (const cell of row.children) {
      const { paddingLeft, paddingRight } = getComputedStyle(cell);
      const inside = cell.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
      const right = cell.getBoundingClientRect().right;
      for (const badge of cell.querySelectorAll(".badge"))
        if (badge.getBoundingClientRect().right > right || badge.scrollWidth > badge.clientWidth)
          faults.push(`${name}: no space for ${badge.textContent}`);
      const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const text = texts.currentNode;
        if (text.parentElement.closest(".hidden, .menu")) continue;
        for (const word of text.data.matchAll(/[^\\s-]+/g)) {
          const range = document.createRange();
          range.setStart(text, word.index);
          range.setEnd(text, word.index + word[0].length);
          const parts = [...range.getClientRects()].filter((part) => part.width);
          const lines = new Set(parts.map((part) => Math.round(part.top)));
          // A word that is wider than its cell is broken in any case.
          const length = parts.reduce((sum, part) => sum + part.width, 0);
          if (lines.size > 1 && length <= inside) faults.push(`${name}: ${word[0]} is broken`);
        }
      }
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page scrolls sideways");
  return faults;
}"""


def box(element: Locator) -> FloatRect:
    """The position and the size of an element."""
    found = element.bounding_box()
    assert found is not None
    return found


def test_a_form_is_a_narrow_column_of_cards_whose_labels_are_next_to_their_inputs(site: Site, open_page: Open) -> None:
    page = open_page(site, viewport={"width": 1600, "height": 900})
    sign_in(page, make_user(site.app).email)
    page.goto("/agents/new")
    first, second = (box(page.locator(".card").nth(number)) for number in (0, 1))
    label, name = box(page.locator("label[for=name]")), box(page.locator("#name"))

    assert first["width"] == 860
    assert second["y"] - first["y"] - first["height"] == 20
    assert name["y"] - label["y"] - label["height"] == 6


def test_the_search_button_is_inside_the_search_field(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    make_agent(site.app, admin)
    page = open_page(site)
    sign_in(page, admin.email)
    field, button = box(page.locator("#q")), box(page.locator(".search-go"))

    assert field["x"] < button["x"] < field["x"] + 10
    assert field["y"] < button["y"]
    assert button["y"] + button["height"] < field["y"] + field["height"]


def test_small_buttons_are_easy_to_touch_on_a_phone(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    agent_id = make_agent(site.app, admin)
    page = open_page(site, viewport={"width": 390, "height": 800})
    sign_in(page, admin.email)
    page.goto(f"/agents/{agent_id}")

    assert box(page.locator(".button.small").first)["height"] >= 40


def test_a_click_outside_a_menu_closes_it(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    make_agent(site.app, admin)
    page = open_page(site)
    sign_in(page, admin.email)
    page.locator("td summary").click()
    expect(page.get_by_role("link", name="Delete…")).to_be_visible()

    page.get_by_role("heading", name="Agents").click()

    expect(page.get_by_role("link", name="Delete…")).to_be_hidden()


def test_a_refused_form_is_not_saved_and_leaving_it_is_warned_about(site: Site, open_page: Open) -> None:
    page = open_page(site)
    questions: list[str] = []
    page.on("dialog", lambda dialog: (questions.append(dialog.type), dialog.accept()))
    sign_in(page, make_user(site.app).email)
    page.goto("/agents/new")
    page.get_by_role("button", name="Create agent").click()
    expect(page.locator(".problems")).to_be_focused()

    expect(page.locator(".unsaved")).to_have_text("Not saved yet")
    page.goto("/agents")
    assert questions == ["beforeunload"]


def test_a_page_names_the_time_zone_of_the_browser(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    agent_id = make_agent(site.app, admin)
    page = open_page(site, timezone_id="Asia/Tokyo")
    sign_in(page, admin.email)
    page.goto(f"/agents/{agent_id}")

    expect(page.locator("[data-zone]")).to_have_text("Asia/Tokyo")


def test_the_list_keeps_its_rows_low_and_its_words_whole_at_every_width(site: Site, admin: Actor, page: Page) -> None:
    site.app.test_cli_runner().invoke(args=["demo", "--yes", "--account", str(admin.account_id)])
    names = ("m" * limits.NAME, ("مبيعات التجزئة " * 20)[: limits.NAME].strip(), ("売上分析" * 64)[: limits.NAME])
    expired = {"api_key_expires_at": "2020-01-01"}
    for name in names:
        facts = {"model_type": "n" * 100, "description": name * 2, "owner": name[:100], "environment": "production"}
        make_agent(site.app, admin, name=name, **facts, **expired)
    make_agent(site.app, admin, name="Incomplete", connection_config={"credential_expires_at": "2020-01-01"})
    page.goto("/agents?limit=200")
    rows = page.locator(".agents tbody tr")

    for width, row_height, name_width in LIST_WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(FIND_FAULTS, [row_height, name_width]) == [], width
        expect(page.get_by_role("link", name="Name", exact=True)).to_be_visible()

    assert rows.count() == 64
    assert box(page.get_by_role("link", name="Updated", exact=True))["height"] >= 40
    page.get_by_role("link", name="Name", exact=True).click()
    expect(rows.first.locator("bdi").first).to_have_text("Accounts payable")
