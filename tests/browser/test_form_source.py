"""The headers by which a real browser says where a form comes from, and the cookies of two consoles on one host."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

from tests.browser.conftest import FLAGS, PATIENCE_MS, PROGRAM, Open, Site, sign_in
from tests.cli.conftest import free_port
from tests.make import PASSWORD, make_app, make_user

pytestmark = [pytest.mark.browser, pytest.mark.long]

OpenSite = Callable[[str], Site]


@pytest.fixture
def open_site(_sqlite_at_head: Path, tmp_path: Path) -> Iterator[OpenSite]:
    """A function that opens consoles, each with its own database and port, all on localhost and with the same key."""
    sites: list[Site] = []

    def open_one(scheme: str) -> Site:
        port = free_port()
        file = shutil.copy(_sqlite_at_head, tmp_path / f"{port}.db")
        sites.append(Site(make_app(f"sqlite:///{file}", PUBLIC_URL=f"{scheme}://localhost:{port}")))
        return sites[-1]

    yield open_one
    for site in sites:
        site.stop()


def hide_the_page(route: Route) -> None:
    """Respond as the console does, with a header that some proxies add."""
    answer = route.fetch()
    route.fulfill(response=answer, headers={**answer.headers, "referrer-policy": "no-referrer"})


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_two_consoles_on_one_host_have_separate_sessions(scheme: str, open_site: OpenSite, open_page: Open) -> None:
    first, second = open_site(scheme), open_site(scheme)
    people = {site: make_user(site.app, name=name) for site, name in ((first, "Ada"), (second, "Grace"))}
    page = open_page(first, ignore_https_errors=True)
    for site in (first, second):
        page.goto(f"{site.address}/sign-in")
        page.get_by_label("Email address").fill(people[site].email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Agents").wait_for()

    page.goto(f"{second.address}/agents")
    page.get_by_title("Dark theme").click()
    page.get_by_title("Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    page.goto(f"{first.address}/profile")

    page.get_by_text("Ada").first.wait_for()
    assert page.locator("html").get_attribute("data-theme") == "system"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_that_hides_its_address_can_be_used(scheme: str, open_site: OpenSite, open_page: Open) -> None:
    site = open_site(scheme)
    page = open_page(site, ignore_https_errors=True)
    page.route("**/sign-in", lambda route: hide_the_page(route) if route.request.method == "GET" else route.continue_())

    sign_in(page, make_user(site.app).email)

    assert site.sources == [(None, "null", "same-origin")]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_browser_that_sends_no_referer_signs_in(
    scheme: str, open_site: OpenSite, chromium: Browser, tmp_path: Path
) -> None:
    site, profile = open_site(scheme), tmp_path / "profile"
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text('{"enable_referrers": false}')
    browser = chromium.browser_type.launch_persistent_context(
        profile, executable_path=PROGRAM, args=FLAGS, base_url=site.address, ignore_https_errors=True
    )
    with closing(browser):
        browser.set_default_timeout(PATIENCE_MS)

        sign_in(browser.new_page(), make_user(site.app).email)

    assert site.sources == [(None, "null", "same-origin")]


@pytest.mark.parametrize("address", ["http://evil.example", "http://localhost:1"])
def test_a_form_on_another_page_is_refused_and_the_person_stays_signed_in(
    address: str, open_site: OpenSite, open_page: Open
) -> None:
    site = open_site("http")
    page = open_page(site)
    sign_in(page, make_user(site.app).email)
    trap = f'<form method="post" action="{site.address}/theme"><input name="theme" value="dark"><button>Win</button>'
    page.route(f"{address}/", lambda route: route.fulfill(body=trap, content_type="text/html"))
    page.goto(f"{address}/")

    page.get_by_role("button", name="Win").click()

    page.get_by_role("heading", name="This form is from another address or site").wait_for()
    page.goto("/agents")
    page.get_by_role("heading", name="Agents").wait_for()
    assert page.locator("html").get_attribute("data-theme") == "system"
