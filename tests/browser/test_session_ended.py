"""A session that ends before a form is sent, with the dialogs of the script and without script."""

import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from agents_app.db import db
from agents_app.models import UserSession
from agents_app.operations.permissions import Actor
from agents_app.web.session_forms import SENT_TWICE
from tests.browser.conftest import Open, Site, send_password, sign_in
from tests.browser.test_accessibility import check
from tests.browser.test_users import choose_action, main_link
from tests.make import make_agent, make_token, make_user

pytestmark = [pytest.mark.browser, pytest.mark.long]


def rename(page: Page) -> None:
    page.get_by_role("link", name="Organisation").click()
    page.get_by_label("Organisation", exact=True).fill("Acme & Söhne")


def check_renamed(page: Page) -> None:
    expect(page.get_by_label("Organisation", exact=True)).to_have_value("Acme & Söhne")
    page.get_by_role("button", name="Rename organisation").click()
    expect(page.get_by_text("The organisation was renamed.")).to_be_visible()


def new_token(page: Page) -> None:
    main_link(page, "API tokens")
    page.get_by_role("link", name="New token").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("nightly import")
    page.get_by_label("Write").check()


def check_created(page: Page) -> None:
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("nightly import")
    expect(page.get_by_label("Write")).to_be_checked()
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_role("heading", name="Copy your new token now")).to_be_visible()


def disable(page: Page) -> None:
    main_link(page, "Agents")
    page.get_by_role("table").get_by_role("link", name="Sales").click()
    page.get_by_role("link", name="Disable…").click()
    page.get_by_label("Reason").fill("The server moves")


def check_disabled(page: Page) -> None:
    expect(page.get_by_label("Reason")).to_have_value("The server moves")
    page.get_by_role("button", name="Disable agent").click()
    expect(page.get_by_text("Disabled. The server moves")).to_be_visible()


def invite(page: Page) -> None:
    main_link(page, "People")
    page.get_by_role("link", name="Invite someone").click()
    page.get_by_label("Role", exact=True).select_option("editor")


def check_invited(page: Page) -> None:
    expect(page.get_by_label("Role", exact=True)).to_have_value("editor")
    page.get_by_role("button", name="Create link").click()
    expect(page.get_by_label("New link")).to_have_value(re.compile("/join"))


def change_role(page: Page) -> None:
    choose_action(page, "Grace Hopper", "Change role…")
    page.get_by_label("Role", exact=True).select_option("editor")


def check_role(page: Page) -> None:
    expect(page.get_by_label("Role", exact=True)).to_have_value("editor")
    page.get_by_role("button", name="Change role").click()
    expect(page.get_by_text("The role of Grace Hopper is now Editor.")).to_be_visible()


def delete(page: Page) -> None:
    main_link(page, "Agents")
    page.get_by_role("table").get_by_role("link", name="Sales").click()
    page.locator("main summary", has_text="More actions").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_label("Why").fill("The contract ends")


def check_deleted(page: Page) -> None:
    expect(page.get_by_label("Why")).to_have_value("The contract ends")
    page.get_by_role("button", name="Delete agent").click()
    expect(page.get_by_text("Sales was deleted.")).to_be_visible()


# The function that fills in the form, its button, the sentence on the pages, and the check after it is sent again.
WAYS = {
    "rename": (rename, "Rename organisation", "The organisation was not renamed.", check_renamed),
    "token": (new_token, "Create token", "The token was not created.", check_created),
    "disable": (disable, "Disable agent", "The agent was not disabled.", check_disabled),
    "delete": (delete, "Delete agent", "The agent was not deleted.", check_deleted),
    "invite": (invite, "Create link", "The invitation link was not created.", check_invited),
    "role": (change_role, "Change role", SENT_TWICE, check_role),
}


def end_sessions(site: Site, actor: Actor) -> None:
    with site.app.app_context(), db.transaction() as session:
        session.execute(sa.delete(UserSession).where(UserSession.user_id == actor.user_id))


def sign_in_again(page: Page, admin: Actor, sentence: str, *, script: bool) -> None:
    """Sign in on the page that says what was not done. With script, check the accessibility of both pages."""
    expect(page.get_by_text(sentence)).to_be_visible()
    if script:
        check(page)
    send_password(page, admin.email)
    expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
    expect(page.get_by_text(sentence)).to_be_visible()
    if script:
        check(page)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("way", WAYS)
def test_what_was_typed_is_restored_after_signing_in(
    way: str, script: bool, site: Site, open_page: Open, admin: Actor
) -> None:
    fill, button, sentence, carry_out = WAYS[way]
    make_agent(site.app, admin, name="Sales")
    make_user(site.app, "viewer", admin.account_id, name="Grace Hopper")
    page = open_page(site, java_script_enabled=script)
    sign_in(page, admin.email)
    fill(page)
    expect(page.get_by_role("dialog")).to_have_count(1 if script and way in ("disable", "delete", "role") else 0)
    end_sessions(site, admin)

    page.get_by_role("button", name=button).click()
    sign_in_again(page, admin, sentence, script=script)
    page.get_by_role("button", name="Continue").click()

    expect(page.get_by_text("Not saved yet.")).to_be_visible()
    carry_out(page)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_revocation_is_not_carried_out_and_can_be_repeated(
    script: bool, site: Site, open_page: Open, admin: Actor
) -> None:
    page = open_page(site, java_script_enabled=script)
    make_token(site.app, admin)
    sign_in(page, admin.email)
    main_link(page, "API tokens")
    page.get_by_role("link", name="Revoke…").click()
    expect(page.get_by_role("button", name="Revoke token")).to_be_visible()
    end_sessions(site, admin)

    page.get_by_role("button", name="Revoke token").click()
    sign_in_again(page, admin, "The token was not revoked.", script=script)
    page.get_by_role("link", name="Go to the page to do it again").click()

    expect(page.get_by_role("heading", name=re.compile("^Revoke"))).to_be_visible()
    page.get_by_role("button", name="Revoke token").click()
    expect(page.get_by_text("was revoked.")).to_be_visible()
