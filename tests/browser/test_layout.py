"""Sizes and distances that axe does not check, and what the script changes on a page."""

import re

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect

from agents_app.operations.permissions import Actor
from agents_app.values import limits
from tests.browser.conftest import FLAGS, PROGRAM, Open, Site, sign_in
from tests.make import make_agent, make_token, make_user

pytestmark = [pytest.mark.browser, pytest.mark.long]

# A4 at 96 pixels per inch, without the margins.
PAPER = {"width": 687, "height": 1016}
# What can be pressed and is smaller than 40 pixels. Links within sentences can be (WCAG 2.5.8).
SMALL_TARGETS = """() => [...document.querySelectorAll(
    "a[href], button, summary, input, select, textarea, label:has(input)")]
  .filter((e) => e.checkVisibility() && !e.closest(".hidden, .skip") && !(e.matches("input") && e.closest("label")))
  .filter((e) => getComputedStyle(e).display !== "inline" || !e.closest("p, td, th, li, dd"))
  .map((e) => [e, e.getBoundingClientRect()]).filter(([, box]) => box.width && Math.min(box.width, box.height) < 40)
  .map(([e, box]) => `${e.outerHTML.slice(0, 80)} ${box.width} x ${box.height}`)"""
# The names from right to left that are cut, and whose first letter is outside their box.
CUT_AT_START = """() => [...document.querySelectorAll("bdi, h1")].filter((e) => /^[\u0590-\u05ff]/.test(e.textContent))
  .filter((e) => e.checkVisibility() && !e.closest(".hidden") && e.firstChild.nodeType === 3).filter((e) => {
    const first = document.createRange();
    first.setStart(e.firstChild, 0);
    first.setEnd(e.firstChild, 1);
    const letter = first.getBoundingClientRect(), around = (e.closest("a, h1, .sub, li") ?? e).getBoundingClientRect();
    const isOutside = letter.right > around.right + 1 || letter.left < around.left - 1;
    const isBox = getComputedStyle(e).display !== "inline";
    return isOutside || (isBox && letter.right < e.getBoundingClientRect().right - 2);
  }).map((e) => `${e.parentElement.outerHTML.slice(0, 90)}`)"""
# Text that cannot be read on white paper.
LIGHT_TEXT = """() => [...document.querySelectorAll("main *")].filter((e) => e.checkVisibility() && e.innerText?.trim())
  .filter((e) => { const [r, g, b] = getComputedStyle(e).color.match(/[0-9.]+/g).map(Number);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 120; })
  .map((e) => `${e.outerHTML.slice(0, 60)} ${getComputedStyle(e).color}`)"""
# The width of the window, the greatest height of a row of the list, and the least width of the column of names.
LIST_WIDTHS = ((1440, 112, 260), (1241, 112, 200), (1041, 112, 200), (768, 180, 600), (375, 268, 280))
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

# The positions and widths of what has no time in it: the words of a time change.
BOXES = """() => [...document.querySelectorAll("h1, h2, label, input, select, .card, .button, .tabs a, .icon")]
  .filter((e) => e.checkVisibility()).map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
  .map(([name, { x, width }]) => [name, x, width])"""


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


def test_everything_to_press_is_at_least_40_pixels_high_and_wide_on_touch(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    agent_id = make_agent(site.app, admin, labels={"team": "x"}, connection_config={"password": "database-password-1"})
    make_token(site.app, admin)
    phone = open_page(site, viewport={"width": 375, "height": 800})
    tablet = open_page(site, viewport={"width": 1180, "height": 800}, is_mobile=True, has_touch=True)
    one = f"/agents/{agent_id}"
    pages = (
        "/agents?q=Sales",
        one,
        f"{one}/edit",
        f"{one}/delete",
        "/agents/new",
        "/activity",
        "/people",
        "/tokens",
        "/profile",
    )
    sign_in(tablet, admin.email)
    tablet.locator("td summary").click()
    assert tablet.evaluate(SMALL_TARGETS) == []
    sign_in(phone, admin.email)
    for address in (*pages, "/system", "/account", "/tokens/new", "/people/invite"):
        phone.goto(address)
        phone.evaluate(
            "document.querySelectorAll('details').forEach((part) => part.removeAttribute('name') || (part.open = true))"
        )
        assert phone.evaluate(SMALL_TARGETS) == [], address
    phone.get_by_role("button", name="Menu").click()
    assert phone.evaluate(SMALL_TARGETS) == []


def test_the_title_of_an_agent_has_three_lines_its_crumbs_one_and_the_menu_is_next_to_it_on_a_phone(
    site: Site, open_page: Open
) -> None:
    admin = make_user(site.app, name="שירה כהן " * 20)
    page = open_page(site, viewport={"width": 375, "height": 800})
    sign_in(page, admin.email)
    for name in (
        "A very long name " * 15,
        "סוכן המכירות של הרבעון הראשון " * 8,
        "第四半期の売上を分析するエージェント" * 13,
    ):
        agent_id = make_agent(site.app, admin, name=name.strip())
        page.goto(f"/agents/{agent_id}")
        title, menu, edit = (page.locator(one) for one in ("h1", ".page-head .menu", ".page-head .primary"))

        assert box(title)["height"] == pytest.approx(3 * 22 * 1.3, abs=2)
        assert title.get_attribute("title") == f"\u2068{name.strip()}\u2069"
        assert box(menu)["y"] < box(title)["y"] + box(title)["height"] < box(edit)["y"]
        assert box(page.locator(".crumbs"))["height"] == 40
        assert (
            page.get_by_label("Breadcrumb")
            .get_by_role("link", name="Agents")
            .evaluate("(e) => e.scrollWidth - e.clientWidth")
            == 0
        )
        page.goto(f"/agents/{agent_id}/edit")
        assert box(page.locator(".crumbs"))["height"] == 40
        ends = page.locator(".crumbs li:is(:first-child, :last-child) bdi")
        assert [end.evaluate("(e) => e.scrollWidth - e.clientWidth") for end in ends.all()] == [0, 0]


def test_a_name_from_right_to_left_is_cut_at_its_end(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    name = "סוכן המכירות של הרבעון הראשון " * 8
    agent_id = make_agent(site.app, admin, name=name.strip(), description=name.strip(), owner=name.strip()[:100])
    page = open_page(site)
    sign_in(page, admin.email)
    # The first letter is visible, at the right end of its box.
    assert page.evaluate(CUT_AT_START) == []
    page.goto(f"/agents/{agent_id}/edit")
    assert page.evaluate(CUT_AT_START) == []
    page.evaluate("document.querySelector('.crumbs li:nth-child(2) bdi').style.direction = 'ltr'")
    assert page.evaluate(CUT_AT_START) != []


def test_a_relative_time_is_no_tab_stop_and_its_row_shows_the_exact_time_on_focus(site: Site, open_page: Open) -> None:
    admin = make_user(site.app)
    make_agent(site.app, admin)
    page = open_page(site)
    sign_in(page, admin.email)
    exact = page.locator("tbody time .at")

    assert page.locator("time[tabindex]").count() == 0
    assert box(exact)["width"] == 1
    page.locator("tbody th a").focus()
    page.keyboard.press("Shift")
    assert box(exact)["width"] > 100
    page.locator("h1").hover()
    page.locator("#q").focus()
    assert box(exact)["width"] == 1
    page.locator("tbody time").hover()
    assert box(exact)["width"] > 100


@pytest.mark.parametrize("address", ["/agents", "/agents/{}", "/activity", "/people", "/tokens", "/system"])
def test_a_page_in_the_dark_theme_is_printed_dark_on_white_and_begins_with_its_content(
    address: str, site: Site, open_page: Open
) -> None:
    admin = make_user(site.app)
    agent_id = make_agent(site.app, admin, description="Long. " * 300)
    make_token(site.app, admin)
    page = open_page(site, viewport=PAPER, color_scheme="dark")
    sign_in(page, admin.email)
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Dark theme").click()
    expect(page.locator("html[data-theme=dark]")).to_have_count(1)
    page.goto(address.format(agent_id))
    page.emulate_media(media="print", color_scheme="dark")

    assert page.evaluate(LIGHT_TEXT) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for gone in (".side", ".button", ".menu", ".save-bar", ".flash", "summary.button"):
        assert page.locator(f"{gone}:visible").count() == 0, gone
    assert box(page.locator("h1"))["y"] < 50
    assert box(page.locator("tbody tr, .event, .prose, .facts").first)["y"] < PAPER["height"] / 2
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]
    assert page.locator("details.group > .facts").count() == page.locator("details.group > .facts:visible").count()


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
    expect(page.locator("time.at").first).to_have_text(
        re.compile(r"^\s*\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d Asia/Tokyo$")
    )


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

    for address in ("/agents", "/activity"):
        page.goto(address)
        page.locator(".filter > summary").click()
        for width in (320, 375, 420, 600, 859, 860, 1000, 1100, 1200, 1201, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            panel = box(page.locator(".filter .menu-list"))
            assert panel["x"] >= 0, (address, width)
            assert panel["x"] + panel["width"] <= width, (address, width)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (address, width)
    from_box, to_box = (box(page.get_by_label(name, exact=True)) for name in ("From", "To"))
    assert from_box["y"] == to_box["y"]
    assert from_box["x"] + from_box["width"] <= to_box["x"]
    page.goto("/agents?limit=200")
    page.set_viewport_size({"width": 375, "height": 900})

    assert rows.count() == 64
    assert box(page.get_by_role("link", name="Updated", exact=True))["height"] >= 40
    page.get_by_role("link", name="Name", exact=True).click()
    expect(rows.first.locator("bdi").first).to_have_text("Accounts payable")


def test_with_text_of_twice_the_size_a_page_looks_as_in_a_window_of_half_the_width(
    site: Site, admin: Actor, chromium: Browser
) -> None:
    agent_id = make_agent(site.app, admin, name="Sales", labels={"team": "x"})
    addresses = ("/agents", f"/agents/{agent_id}", f"/agents/{agent_id}/edit", "/people", "/tokens/new", "/system")
    found: list[list[list[tuple[str, float, float]]]] = []

    for scale in (1, 2):
        flags = [*FLAGS, f"--blink-settings=defaultFontSize={16 * scale}"]
        with chromium.browser_type.launch(executable_path=PROGRAM, args=flags) as browser:
            page = browser.new_page(base_url=site.address, viewport={"width": 640 * scale, "height": 480 * scale})
            sign_in(page, admin.email)
            found.append([])
            for address in addresses:
                page.goto(address)
                boxes = page.evaluate(BOXES)
                found[-1].append([(name, x / scale, width / scale) for name, x, width in boxes])

    for small, large in zip(*found, strict=True):
        # Borders have the same width at every size.
        assert [(name, pytest.approx(x, abs=6), pytest.approx(width, abs=6)) for name, x, width in small] == large
