"""Sizes and distances that axe does not check, and what the script changes on a page."""

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from tests.browser.conftest import Open, Site, sign_in
from tests.make import make_agent, make_user

pytestmark = pytest.mark.browser


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
