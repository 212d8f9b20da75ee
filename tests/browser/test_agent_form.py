"""The form of an agent in a browser: its panels, its groups, and the order in which the keyboard reaches its inputs."""

import pytest
from playwright.sync_api import Page, expect

from agents_app.connections import TYPES
from tests.browser.conftest import Open, Site, sign_in
from tests.browser.test_accessibility import check, open_all
from tests.make import make_user

pytestmark = pytest.mark.browser

FOCUSED = "() => { const r = document.activeElement.getBoundingClientRect(); return [r.top + scrollY, r.left]; }"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_only_the_fields_of_the_chosen_type_are_shown(script: bool, site: Site, open_page: Open) -> None:
    page = open_page(site, java_script_enabled=script)
    sign_in(page, make_user(site.app).email)
    page.goto("/agents/new")

    for kind in TYPES:
        page.locator(f"input[name=connection_type][value={kind}]").check()

        expect(page.locator(".panel:visible")).to_have_count(1)
        expect(page.locator(".panel:visible")).to_have_id(f"panel-{kind}")


def test_the_form_has_no_faults_when_it_is_collapsed_opened_and_refused(page: Page) -> None:
    page.goto("/agents/new")
    check(page)
    open_all(page)
    check(page)
    page.locator("#name").fill("x" * 300)
    page.locator("#description").fill("x" * 2_100)
    page.locator("#DB-row_limit").fill("-1")
    page.get_by_role("button", name="Create agent").click()
    page.locator(".problems").wait_for()
    check(page)


def test_the_keyboard_reaches_the_fields_from_top_to_bottom(page: Page) -> None:
    page.goto("/agents/new")
    page.get_by_label("Power BI").check()
    places = [page.evaluate(FOCUSED)]
    while page.evaluate("document.activeElement.id") != "api_key":
        page.keyboard.press("Tab")
        places.append(page.evaluate(FOCUSED))

    assert places == sorted(places)
    assert len(places) > 8


def test_a_link_of_the_error_summary_leads_to_a_field_in_an_open_group(page: Page) -> None:
    page.goto("/agents/new")
    expect(page.locator("#DB-row_limit")).to_be_hidden()
    page.get_by_text("Limits and allowed tables").first.click()
    page.locator("#DB-row_limit").fill("-1")
    page.get_by_role("button", name="Create agent").click()
    page.get_by_text("Limits and allowed tables").first.click()
    expect(page.locator("#DB-row_limit")).to_be_hidden()

    page.get_by_role("link", name="Row limit must be between").click()

    expect(page.locator("#DB-row_limit")).to_be_focused()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_certificate_has_its_own_fields_and_a_refusal_leads_to_them(
    script: bool, site: Site, open_page: Open
) -> None:
    page = open_page(site, java_script_enabled=script)
    sign_in(page, make_user(site.app).email)
    page.goto("/agents/new")
    page.get_by_label("Power BI").check()
    secret, key = page.locator("#POWERBI-client_secret"), page.locator("#POWERBI-private_key_pem")
    expect(key).to_be_hidden()
    secret.fill("value~of~the~secret")
    page.locator("#POWERBI-auth_method").select_option("certificate")
    expect(secret).to_be_hidden()
    key.fill("no key")
    page.locator("#POWERBI-auth_method").select_option("client_secret")
    expect(key).to_be_hidden()
    expect(secret).to_have_value("value~of~the~secret")
    page.locator("#POWERBI-auth_method").select_option("certificate")

    page.get_by_role("button", name="Create agent").click()

    expect(page.locator(".problems")).to_be_focused()
    page.locator(".problems a[href='#POWERBI-private_key_pem']").click()
    expect(key).to_be_focused()
    expect(secret).to_be_hidden()
    if script:
        check(page)


def test_the_port_follows_the_database_type_unless_another_was_typed(page: Page) -> None:
    page.goto("/agents/new")
    dialect, port = page.locator("#DB-dialect"), page.locator("#DB-port")

    for typed, chosen, value, placeholder in (
        ("", "mysql", "", "3306"),
        ("3306", "mssql", "1433", "1433"),
        ("6543", "postgresql", "6543", "5432"),
    ):
        port.fill(typed)
        dialect.select_option(chosen)
        expect(port).to_have_value(value)
        expect(port).to_have_attribute("placeholder", placeholder)
