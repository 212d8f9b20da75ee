"""Signing in through the provider in a real browser, with a provider that runs on another port."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from agents_app.db import db
from agents_app.models import UserSession
from agents_app.operations import identities
from agents_app.operations.permissions import Actor
from tests.browser.conftest import Open, Site, sign_in
from tests.browser.test_accessibility import check
from tests.cli.conftest import free_port
from tests.make import make_app, make_user
from tests.probes.local_server import Reply, Request
from tests.sign_on.loopback_provider import CLIENT_ID, CLIENT_SECRET, LoopbackProvider

pytestmark = [pytest.mark.browser, pytest.mark.long]

LONG = "Mary-Theresa Konstantinopolitanska-Averylongwordthatcannotbebroken"


@pytest.fixture
def site(sqlite_schema_url: str, provider: LoopbackProvider) -> Iterator[Site]:
    """A console with this provider, at the address that its settings have."""
    port = free_port()
    named = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    site = Site(make_app(sqlite_schema_url, BIND=f"127.0.0.1:{port}", **named), port)
    yield site
    site.stop()


@pytest.fixture
def admin(site: Site) -> Actor:
    """The admin of the one account."""
    return make_user(site.app, name="Ada Lovelace")


def hold(provider: LoopbackProvider) -> list[str]:
    """Keep browsers at the provider, and return the list to which it adds where each would be sent."""
    sent: list[str] = []

    def answer(request: Request) -> Reply:
        sent.append(provider.authorize(request).headers["Location"])
        return Reply(200, body="<h1>Who are you?</h1>", headers={"Content-Type": "text/html"})

    provider.replies["/authorize"] = answer
    return sent


def test_a_person_comes_in_to_the_page_they_asked_for(site: Site, admin: Actor, open_page: Open) -> None:
    page = open_page(site)

    page.goto("/sign-on?next=/activity")

    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    expect(page.get_by_text("for the first time, with the role Admin")).to_be_visible()
    assert urlsplit(page.url).path == "/activity"
    page.goto("/sign-on?next=//other.example")
    expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    assert page.url.startswith(site.address)


def test_a_role_that_went_ends_the_session_of_another_browser_at_once(
    site: Site, admin: Actor, open_page: Open, provider: LoopbackProvider
) -> None:
    first, second = open_page(site), open_page(site)
    for page in (first, second):
        page.goto("/sign-on")
        expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    provider.claims = {"roles": ["guest"]}

    second.goto("/sign-on")

    expect(second.get_by_role("heading", name="You have no role in this console")).to_be_visible()
    expect(second.get_by_text("admin, for the role Admin")).to_be_visible()
    first.get_by_role("link", name="Activity").click()
    expect(first.get_by_role("heading", name="Sign in")).to_be_visible()
    check(second)


def test_the_return_of_another_browser_signs_nobody_in(
    site: Site, admin: Actor, open_page: Open, provider: LoopbackProvider
) -> None:
    sent = hold(provider)
    attacker, victim = open_page(site), open_page(site)
    attacker.goto("/sign-on")
    expect(attacker.get_by_role("heading", name="Who are you?")).to_be_visible()

    victim.goto(sent[0])

    expect(victim.get_by_role("heading", name="Start again")).to_be_visible()
    check(victim)
    # A code of the attacker, with the state of the victim.
    victim.goto("/sign-on")
    code = sent[0].partition("?")[2].partition("&")[0]
    victim.goto(f"/sign-on/return?{code}&{sent[1].rpartition('&')[2]}")
    expect(victim.get_by_role("heading", name="The sign-in failed")).to_be_visible()
    victim.goto("/agents")
    expect(victim.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def test_a_provider_that_stops_in_the_middle_ends_no_session(
    site: Site, admin: Actor, open_page: Open, provider: LoopbackProvider
) -> None:
    sent = hold(provider)
    page, other = open_page(site), open_page(site)
    sign_in(other, admin.email)
    page.goto("/sign-on")
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    provider.server.shutdown()
    provider.server.server_close()

    page.goto(sent[0])

    expect(page.get_by_role("heading", name="is not available")).to_be_visible()
    check(page)
    other.reload()
    expect(other.get_by_role("heading", name="Agents")).to_be_visible()
    page.get_by_role("link", name="Back to the sign-in page").click()
    sign_in(page, admin.email)


def test_a_person_links_their_account_on_the_profile(
    site: Site, admin: Actor, open_page: Open, provider: LoopbackProvider
) -> None:
    page = open_page(site)
    sign_in(page, admin.email)
    page.goto("/profile")
    check(page)
    page.get_by_role("link", name="Link your account").click()
    expect(page.get_by_text("Ann, ann@example.com")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    check(page)

    page.get_by_role("button", name="Link this account").click()

    expect(page.get_by_text("was linked.")).to_be_visible()
    check(page)
    page.get_by_role("link", name="Unlink…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Unlink").click()
    expect(page.get_by_text("Your account was unlinked. Sign in with your password.")).to_be_visible()
    with site.app.app_context():
        assert identities.own(admin) is None


def test_an_admin_links_a_waiting_account(
    site: Site, admin: Actor, open_page: Open, provider: LoopbackProvider
) -> None:
    ben = make_user(site.app, account_id=admin.account_id, name="Ben")
    provider.claims = {"email": ben.email, "name": LONG, "sub": "a" * 200}
    other, page = open_page(site), open_page(site)
    other.goto("/sign-on")
    expect(other.get_by_text("A person with your email address exists")).to_be_visible()
    check(other)
    sign_in(page, admin.email)
    page.goto("/people")
    check(page)
    row = page.get_by_role("row").filter(has_text=LONG)
    row.locator("summary").click()
    row.get_by_role("link", name="Link to a person…").click()
    page.get_by_role("button", name="Link", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a person.")
    check(page)
    page.get_by_label("Person", exact=True).select_option(str(ben.user_id))
    page.get_by_role("button", name="Link", exact=True).click()

    expect(page.get_by_text("was linked.")).to_be_visible()
    check(page)
    other.get_by_role("link", name="Sign in at").click()
    expect(other.get_by_role("heading", name="Agents")).to_be_visible()
    page.goto(f"/people/{ben.user_id}/unlink")
    check(page)


def test_the_page_leads_to_the_provider_and_signing_out_ends_both_sessions(
    site: Site, admin: Actor, open_page: Open, provider: LoopbackProvider
) -> None:
    page = open_page(site)
    page.goto("/activity")
    check(page)
    page.get_by_role("link", name="Sign in with 127.0.0.1").click()
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_text("You are signed out.")).to_be_visible()
    assert page.url == f"{site.address}/sign-in"
    assert provider.person is None
    page.goto("/sign-out/provider/go")
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def test_what_was_typed_is_kept_while_another_tab_signs_in(
    site: Site, admin: Actor, open_page: Open, provider: LoopbackProvider
) -> None:
    page = open_page(site)
    page.goto("/sign-on?next=/account")
    page.get_by_label("Organisation", exact=True).fill("Acme & Söhne")
    with site.app.app_context(), db.transaction() as session:
        session.execute(sa.delete(UserSession))
    page.get_by_role("button", name="Rename organisation").click()
    expect(page.get_by_text("What you typed is kept.")).to_be_visible()
    check(page)

    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("You are not signed in yet.")).to_be_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in with 127.0.0.1").click()
    expect(opened.value.get_by_role("heading", name="Your profile")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Continue").click()

    expect(page.get_by_label("Organisation", exact=True)).to_have_value("Acme & Söhne")
    page.get_by_role("button", name="Rename organisation").click()
    expect(page.get_by_text("The organisation was renamed.")).to_be_visible()


def test_the_pages_can_be_used_in_the_dark_and_on_a_phone(
    site: Site, admin: Actor, open_page: Open, provider: LoopbackProvider
) -> None:
    provider.metadata["end_session_endpoint"] = None
    for options in ({"color_scheme": "dark"}, {"viewport": {"width": 320, "height": 700}}):
        page = open_page(site, **options)
        for path in ("/sign-in", "/sign-out/provider/go"):
            page.goto(path)
            check(page)
