"""People, links, profile, organisation and activity: how they are used, and their accessibility."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from agents_app.operations import accounts, agents, invitations, users
from agents_app.operations.permissions import Actor
from tests.browser.conftest import Open, Site, sign_in
from tests.browser.test_accessibility import check
from tests.make import PASSWORD, make_agent, make_user

pytestmark = [pytest.mark.browser, pytest.mark.long]

NEW_PASSWORD = "another-quiet-4-river"
LONG_NAME = "Mary-Theresa Konstantinopolitanska-Averylongwordthatcannotbebroken"


def main_link(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()


def choose_action(page: Page, name: str, action: str) -> None:
    """Choose an action from the menu of a user's row."""
    main_link(page, "People")
    row = page.get_by_role("row").filter(has_text=name)
    row.locator("summary").click()
    row.get_by_role("link", name=action).click()


def path_of_link(page: Page) -> str:
    address = urlsplit(page.get_by_label("New link").input_value())
    return f"{address.path}?{address.query}"


def check_signed_out(page: Page) -> None:
    page.goto("/agents")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_user_joins_gets_another_role_and_is_deleted(script: bool, site: Site, open_page: Open, admin: Actor) -> None:
    page, theirs = (open_page(site, java_script_enabled=script) for _ in range(2))
    sign_in(page, admin.email)
    main_link(page, "People")
    page.get_by_role("link", name="Invite someone").click()
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.get_by_role("button", name="Create link").click()
    if script:
        check_copy(page, page.context)

    theirs.goto(path_of_link(page))
    theirs.get_by_label("Your name").fill("Grace Hopper")
    theirs.get_by_label("Email address").fill(f"grace.{script}@example.org")
    theirs.get_by_label("Password").fill(PASSWORD)
    theirs.get_by_role("button", name="Join and sign in").click()
    expect(theirs.get_by_text("Viewer, Acme")).to_be_visible()

    choose_action(page, "Grace Hopper", "Change role…")
    expect(page.get_by_role("dialog")).to_have_count(1 if script else 0)
    page.get_by_label("Role", exact=True).select_option("editor")
    page.get_by_role("button", name="Change role").click()
    expect(page.get_by_text("The role of Grace Hopper is now Editor.")).to_be_visible()
    check_signed_out(theirs)
    sign_in(theirs, f"grace.{script}@example.org")
    expect(theirs.get_by_text("Editor, Acme")).to_be_visible()

    choose_action(page, "Grace Hopper", "Delete…")
    page.get_by_role("button", name="Delete person").click()
    expect(page.get_by_text("Grace Hopper was deleted.")).to_be_visible()
    check_signed_out(theirs)


def test_a_double_click_creates_one_token_and_one_link(page: Page) -> None:
    page.goto("/tokens/new")
    page.get_by_label("Name", exact=True).fill("ci")
    page.get_by_role("button", name="Create token").dblclick()
    expect(page.get_by_role("heading", name="Copy your new token now")).to_be_visible()
    expect(page.get_by_role("link", name="Revoke")).to_have_count(1)

    page.goto("/people/invite")
    page.get_by_role("button", name="Create link").dblclick()
    expect(page.get_by_role("heading", name="Copy the invitation link now")).to_be_visible()
    expect(page.get_by_role("button", name="Withdraw")).to_have_count(1)


def check_copy(page: Page, context: BrowserContext) -> None:
    """Check that the button copies the new link."""
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.get_by_label("New link").input_value()


def test_the_last_admin_sees_why_they_cannot_leave(page: Page) -> None:
    choose_action(page, "Ada Lovelace", "Deactivate…")
    expect(page.get_by_role("link", name="Keep active")).to_be_focused()
    page.get_by_role("button", name="Deactivate").click()

    expect(page.get_by_role("alert")).to_contain_text("Make another person an admin first.")
    expect(page.get_by_role("alert")).to_be_focused()


def test_changing_the_password_and_signing_out_other_browsers(
    site: Site, open_page: Open, page: Page, admin: Actor
) -> None:
    other_browser = open_page(site)
    sign_in(other_browser, admin.email)
    page.get_by_role("link", name="Your profile").click()
    page.get_by_role("button", name="Sign out all other browsers").click()
    expect(page.get_by_text("Every other browser was signed out.", exact=True)).to_be_visible()
    check_signed_out(other_browser)

    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change password").click()

    expect(page.get_by_text("Your password was changed.")).to_be_visible()
    page.get_by_role("table").get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_an_account_is_deleted_by_typing_its_name(page: Page, admin: Actor) -> None:
    page.get_by_role("link", name="Organisation").click()
    page.get_by_role("link", name="Delete organisation…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name of the organisation").fill("acme")
    dialog.get_by_role("button", name="Delete organisation").click()
    expect(page.get_by_role("alert")).to_contain_text("Type the name of the organisation, Acme, to delete it.")
    page.get_by_label("Name of the organisation").fill("Acme")
    page.get_by_role("button", name="Delete organisation").click()

    expect(page.get_by_text("The organisation Acme was deleted with everything in it.")).to_be_visible()
    check_signed_out(page)


def test_activity_is_filtered_and_a_deletion_undone(site: Site, page: Page, admin: Actor) -> None:
    agent_id = make_agent(site.app, admin, name="Sales")
    with site.app.app_context():
        agents.delete(admin, agent_id)
    main_link(page, "Activity")
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Record type").select_option("Agents")
    page.get_by_label("Person").select_option("Ada Lovelace")
    page.get_by_role("button", name="Show activity").click()
    expect(page.locator(".event")).to_have_count(2)

    page.get_by_role("list", name="Filters").get_by_role("link", name="Record type").click()
    expect(page.get_by_text("signed in with a password", exact=True)).to_be_visible()
    page.go_back()
    expect(page.locator(".event")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()

    expect(page.get_by_text("was restored.")).to_be_visible()
    expect(page.get_by_role("list", name="Filters").get_by_role("link")).to_have_count(3)
    expect(page.locator(".event")).to_have_count(3)


@pytest.fixture
def grace(site: Site, admin: Actor) -> Actor:
    """A deactivated user with a long name and address, who has activity, in an account with an open invitation link."""
    address = f"a-very-long-address.{admin.account_id}@a-rather-long-organisation.example"
    grace = make_user(site.app, "editor", admin.account_id, name=LONG_NAME, email=address)
    make_agent(site.app, grace, name="Averylongwordthatcannotbebroken" * 6)
    with site.app.app_context():
        users.deactivate(admin, grace.user_id)
        invitations.invite(admin, {"role": "viewer"})
    return grace


def test_the_pages_of_people_are_accessible(page: Page, admin: Actor, grace: Actor) -> None:
    page.goto("/people/invite")
    check(page)
    page.get_by_role("button", name="Create link").click()
    check(page)
    page.goto(f"/people/{grace.user_id}/delete")
    check(page)
    page.goto(f"/people/{admin.user_id}/role")
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.get_by_role("button", name="Change role").click()
    check(page)
    choose_action(page, "Ada Lovelace", "Password reset link…")
    check(page)
    page.get_by_role("button", name="Create link").click()
    check(page)


def test_profile_and_organisation_are_accessible(page: Page) -> None:
    page.goto("/profile")
    page.get_by_role("button", name="Change password").click()
    check(page)
    page.goto("/account")
    check(page)
    page.goto("/account/delete")
    page.get_by_role("button", name="Delete organisation").click()
    check(page)


def test_activity_and_the_page_of_a_version_are_accessible(site: Site, page: Page, admin: Actor, grace: Actor) -> None:
    agent_id = make_agent(site.app, admin, description="Answers on sales.")
    with site.app.app_context():
        agents.update(admin, agent_id, {"name": LONG_NAME, "description": "Answers on orders."})
        agents.delete(admin, agent_id)
    page.goto(f"/agents/{agent_id}/versions/2")
    check(page)
    for query in ("", "?about=secrets&door=terminal&since=2026-01-01", "?since=yesterday", "?limit=2"):
        page.goto(f"/activity{query}")
        check(page)
    page.get_by_text("Filter", exact=True).click()
    check(page)


def test_the_pages_of_links_are_accessible(site: Site, open_page: Open, admin: Actor) -> None:
    with site.app.app_context():
        codes = invitations.invite(admin, {"role": "viewer"}), invitations.make_reset_link(admin, admin.user_id)
    page = open_page(site)
    for address, button in ((f"/join?code={codes[0]}", "Join"), (f"/reset?code={codes[1]}", "Save")):
        page.goto(address)
        page.get_by_role("button", name=button).click()
        page.locator(".problems").wait_for()
        check(page)


@pytest.mark.parametrize("width", [1280, 375])
def test_a_long_name_of_the_organisation_leaves_the_way_out_in_sight(
    site: Site, open_page: Open, admin: Actor, width: int
) -> None:
    with site.app.app_context():
        accounts.rename(admin, {"name": "Acme Data and Analytics Department of the North " * 3})
    page = open_page(site, viewport={"width": width, "height": 800})
    sign_in(page, admin.email)
    if width < 860:
        page.get_by_role("button", name="Menu").click()

    box = page.get_by_role("button", name="Sign out").bounding_box()

    assert box is not None
    assert box["x"] + box["width"] <= min(width, 860)
