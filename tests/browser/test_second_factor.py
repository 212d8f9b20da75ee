"""The second factor in a browser: set up with a code of an app, asked for at sign-in and before changes."""

import re

import pyotp
import pytest
from playwright.sync_api import Page, expect

from agents_app.db import now
from agents_app.operations import accounts
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door, Role
from tests.browser.conftest import Open, Site, send_password, sign_in
from tests.browser.test_accessibility import check
from tests.make import PASSWORD, make_user
from tests.second_factor import fresh_code, set_up
from tests.web.test_second_factors import forget_codes

pytestmark = [pytest.mark.browser, pytest.mark.long]


def code_of(site: Site, actor: Actor) -> str:
    with site.app.app_context():
        return fresh_code(actor)


def give_password(page: Page, actor: Actor) -> None:
    page.goto("/sign-in")
    send_password(page, actor.email)
    expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()


def test_a_person_sets_up_an_app_and_signs_in_with_its_codes(site: Site, admin: Actor, page: Page) -> None:
    page.goto("/profile")
    check(page)
    page.get_by_role("link", name="Set up a second factor").click()
    check(page)
    page.get_by_label("Code", exact=True).fill("000000")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Set up second factor").click()
    expect(page.locator(".problems")).to_be_focused()
    check(page)
    app = pyotp.TOTP((page.locator("#factor-key").text_content() or "").replace(" ", ""))
    code = app.at(now())
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Set up second factor").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    check(page)
    codes = (page.locator("#recovery-codes").text_content() or "").split()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text().split() == codes
    page.get_by_role("link", name="I have kept them").click()
    check(page)

    page.get_by_role("button", name="Sign out", exact=True).first.click()
    give_password(page, admin)
    check(page)
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".problems")).to_contain_text("This code was used already.")
    check(page)
    page.get_by_text("Use a recovery code").click()
    page.get_by_label("Code", exact=True).fill("")
    page.get_by_label("Recovery code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Agents")).to_be_visible()

    page.get_by_role("button", name="Sign out", exact=True).first.click()
    give_password(page, admin)
    page.get_by_text("Use a recovery code").click()
    page.get_by_label("Recovery code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".problems")).to_contain_text("This code is wrong.")


@pytest.mark.parametrize("has_script", [True, False])
def test_a_change_asks_for_a_code_and_the_form_is_not_lost(
    site: Site, admin: Actor, open_page: Open, *, has_script: bool
) -> None:
    with site.app.app_context():
        codes = set_up(admin)
    page = open_page(site, java_script_enabled=has_script)
    give_password(page, admin)
    page.get_by_label("Code", exact=True).fill(code_of(site, admin))
    page.get_by_role("button", name="Sign in").click()
    forget_codes(site.app, admin)
    page.goto("/people/invite")
    page.get_by_label("Role").select_option("editor")
    page.get_by_label("Who is it for?").fill("For Grace")
    page.get_by_role("button", name=re.compile("Create")).click()

    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    if has_script:
        check(page)
    else:
        page.locator("summary", has_text="Use a recovery code").click()
    if has_script:
        page.get_by_label("Code", exact=True).fill(code_of(site, admin))
    else:
        page.get_by_label("Recovery code").fill(codes[0])
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_label("Who is it for?")).to_have_value("For Grace")
    if has_script:
        check(page)
    page.get_by_role("button", name=re.compile("Create")).click()

    expect(page.get_by_role("heading", name="Copy the invitation link now")).to_be_visible()


def test_an_organisation_requires_a_factor_in_a_session_that_is_open(site: Site, admin: Actor, page: Page) -> None:
    page.goto("/agents/new")
    page.get_by_label("Name", exact=True).fill("Typed before")
    operator = Actor(admin.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
    with site.app.app_context():
        accounts.require_second_factor(operator, is_required=True)
    page.get_by_role("button", name="Create agent").first.click()
    expect(page.get_by_text("Your organisation requires a second factor.")).to_be_visible()
    check(page)
    app = pyotp.TOTP((page.locator("#factor-key").text_content() or "").replace(" ", ""))
    page.get_by_label("Code", exact=True).fill(app.at(now()))
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Set up second factor").click()
    page.get_by_role("button", name="I have kept them").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Typed before")

    page.goto("/account")
    check(page)


def test_pages_about_the_factor_of_others_and_the_removal_of_ones_own(
    site: Site, admin: Actor, open_page: Open
) -> None:
    grace = make_user(site.app, "viewer", admin.account_id, name="Grace Hopper")
    with site.app.app_context():
        set_up(grace)
    page = open_page(site)
    sign_in(page, admin.email)
    page.goto("/people")
    check(page)
    page.goto(f"/people/{grace.user_id}/second-factor")
    check(page)
    page.get_by_role("button", name="Remove second factor").click()
    expect(page.get_by_text("The second factor of Grace Hopper was removed.")).to_be_visible()
    page.goto("/account")
    page.get_by_role("button", name="Require a second factor").click()
    expect(page.locator(".problems")).to_contain_text("Set up your own second factor first")
    check(page)
    with site.app.app_context():
        codes = set_up(admin)
    give_password(page, admin)
    page.get_by_text("Use a recovery code").click()
    page.get_by_label("Recovery code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    page.goto("/profile")
    page.get_by_role("link", name="New recovery codes…").click()
    page.get_by_role("dialog").wait_for()
    check(page)
    page.goto("/profile")
    page.get_by_role("link", name="Remove second factor…").click()
    page.get_by_role("dialog").wait_for()
    check(page)
    page.get_by_role("dialog").get_by_text("Use a recovery code").click()
    page.get_by_label("Recovery code").fill(codes[1])
    page.get_by_role("dialog").get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("dialog").get_by_role("button", name="Remove second factor").click()

    expect(page.get_by_text("Your second factor was removed.")).to_be_visible()
