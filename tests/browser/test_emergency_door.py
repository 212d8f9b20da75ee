"""The way back in while the provider is away and passwords are off, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from agents_app.operations.permissions import Actor
from tests.browser.conftest import Open, Site
from tests.browser.test_accessibility import check
from tests.cli.conftest import Terminal, free_port
from tests.make import make_app, make_user
from tests.sign_on.loopback_provider import CLIENT_ID, CLIENT_SECRET, LoopbackProvider

pytestmark = [pytest.mark.browser, pytest.mark.long]

LONG = "Mary-Theresa Konstantinopolitanska-Averylongwordthatcannotbebroken"


@pytest.fixture
def site(sqlite_schema_url: str, provider: LoopbackProvider) -> Iterator[Site]:
    """A console where only the provider signs people in."""
    port = free_port()
    named = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    site = Site(make_app(sqlite_schema_url, BIND=f"127.0.0.1:{port}", PASSWORD_SIGN_IN="off", **named), port)
    yield site
    site.stop()


@pytest.fixture
def admin(site: Site) -> Actor:
    """The admin of the one account."""
    return make_user(site.app, name=LONG)


def test_the_provider_stops_and_sessions_go_on_and_a_link_of_the_terminal_lets_in(
    site: Site, admin: Actor, open_page: Open, provider: LoopbackProvider
) -> None:
    before, after = open_page(site), open_page(site)
    before.goto("/sign-on")
    expect(before.get_by_role("heading", name="Agents")).to_be_visible()
    provider.server.shutdown()
    provider.server.server_close()

    # There is no form for a password.
    after.goto("/sign-in")
    expect(after.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    expect(after.get_by_label("Password", exact=True)).to_have_count(0)
    # Who is in works on.
    before.goto("/people")
    expect(before.get_by_text("New people join by signing in with")).to_be_visible()
    check(before)
    before.goto("/profile")
    expect(before.get_by_text("end it and change your password at")).to_be_visible()
    check(before)

    link = Terminal(site.app, admin.account_id)("users", "reset-password", "ann@example.com").stdout.strip()
    after.goto(link)
    expect(after.get_by_text("This link signs you in once.")).to_be_visible()
    check(after)
    after.get_by_label("New password").fill("another pass phrase 94")
    after.get_by_role("button", name="Save and sign in").click()

    expect(after.get_by_role("heading", name="Agents")).to_be_visible()
    after.goto("/activity")
    expect(after.get_by_text("signed in by a one-time link of an operator")).to_be_visible()
    check(after)


def test_what_an_invited_person_and_who_invites_them_read(
    sqlite_schema_url: str, open_page: Open, provider: LoopbackProvider
) -> None:
    port = free_port()
    named = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    site = Site(make_app(sqlite_schema_url, BIND=f"127.0.0.1:{port}", **named), port)
    try:
        make_user(site.app, "viewer", make_user(site.app, name=LONG).account_id, name="Bob")
        page, other = open_page(site), open_page(site)
        page.goto("/sign-on")
        page.goto("/people")
        expect(page.get_by_text("Signs in by password").first).to_be_visible()
        check(page)
        page.goto("/people/invite")
        expect(page.get_by_text("need no link")).to_be_visible()
        check(page)
        page.get_by_role("button", name="Create link").click()
        other.goto(page.get_by_label("New link").input_value())
        expect(other.get_by_role("link", name="sign in with 127.0.0.1")).to_be_visible()
        check(other)
    finally:
        site.stop()
