"""What pages show while an answer is slow, and as time passes. The test releases the answers and moves the clock."""

import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, Route, expect

from agents_app.db import db
from agents_app.models import UserSession
from agents_app.operations.permissions import Actor
from tests.browser.conftest import Site, send_password
from tests.browser.test_accessibility import check
from tests.make import make_agent

pytestmark = pytest.mark.browser


# Playwright waits for the answer to a form before it looks at the page again, so script looks in the same call.
BUSY = "[...document.querySelectorAll('[aria-busy=true]')].map((button) => button.innerText)"
PRESS = "document.querySelector('[data-save]').click()"
PRESS_ALL = f"""() => {{
  const save = document.querySelector("[data-save]"), width = save.offsetWidth;
  {PRESS};
  const first = {BUSY};
  {PRESS};
  document.querySelector("[value=test]").click();
  const others = document.querySelectorAll(".running").length;
  return [first, {BUSY}, document.querySelector("#DB-password").type, others, save.offsetWidth - width];
}}"""
STOP = f"""() => new Promise((end) => {{
  navigation.addEventListener("navigate", (event) => {{
    event.signal.addEventListener("abort", () => setTimeout(() => end({BUSY})));
    setTimeout(() => stop());
  }}, {{ once: true }});
  {PRESS};
}})"""


class Line:
    """Holds the requests of a page whose path ends with `path`, until `release` lets them go."""

    def __init__(self, page: Page, path: str) -> None:
        self.held: list[Route] = []
        self.is_open = False
        page.route(re.compile(f"{path}([?]|$)"), self._hold)

    def release(self) -> None:
        """Let the last request go, and hold no others. Those before it were stopped."""
        self.is_open = True
        if self.held:
            self.held[-1].continue_()

    def _hold(self, route: Route) -> None:
        if self.is_open:
            route.continue_()
        else:
            self.held.append(route)


def test_a_form_shows_that_it_works_is_sent_once_and_can_be_sent_again_after_a_stop(page: Page, site: Site) -> None:
    page.goto("/agents/new")
    for name in ("name", "DB-host", "DB-database", "DB-username"):
        page.locator(f"#{name}").fill("sales")
    page.locator("#DB-password").fill("typed-password")
    page.locator("#DB-password").dispatch_event("keydown", {"modifierCapsLock": True})
    expect(page.locator(".secret-input:has(#DB-password) .caps")).to_have_text("Caps Lock is on.")
    page.locator("[data-reveal=DB-password]").click()
    expect(page.locator("#DB-password")).to_have_attribute("type", "text")
    line, sent = Line(page, "/agents/new"), len(site.sources)

    page.set_viewport_size({"width": 320, "height": 568})
    assert page.evaluate(STOP) == []
    line.release()

    assert page.evaluate(PRESS_ALL) == [["Creating…"], ["Creating…"], "password", 0, 0]
    expect(page.get_by_role("heading", name="sales", level=1)).to_be_visible()
    assert len(site.sources) == sent + 1


def test_a_dialog_opens_at_once_and_is_filled_later(page: Page, site: Site, admin: Actor) -> None:
    agent_id = make_agent(site.app, admin, name="Sales")
    page.goto(f"/agents/{agent_id}")
    line, dialog = Line(page, "/delete"), page.get_by_role("dialog")
    menu = page.locator("main summary", has_text="More actions")
    menu.click()
    page.get_by_role("link", name="Delete…").click()
    expect(dialog).to_contain_text("Loading…")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    check(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(menu).to_be_focused()

    menu.click()
    page.get_by_role("link", name="Delete…").click()
    expect(dialog).to_contain_text("Loading…")
    line.release()

    expect(dialog.get_by_role("heading", name="Delete “Sales”?")).to_be_visible()
    expect(dialog.get_by_role("link", name="Keep agent")).to_be_focused()
    page.get_by_role("button", name="Delete agent").click()
    expect(page.get_by_text("Sales was deleted.")).to_be_visible()


def test_a_dialog_that_cannot_be_filled_becomes_the_page_of_its_link(page: Page, site: Site, admin: Actor) -> None:
    agent_id = make_agent(site.app, admin, name="Sales")
    page.goto(f"/agents/{agent_id}")

    def refuse(route: Route) -> None:
        if route.request.resource_type == "fetch":
            route.abort()
        else:
            route.continue_()

    page.route("**/disable*", refuse)
    page.get_by_role("link", name="Disable…").click()

    expect(page).to_have_url(re.compile("/disable"))
    expect(page.get_by_role("heading", name="Disable “Sales”?", level=1)).to_be_visible()


def test_a_message_of_success_goes_away_unless_it_is_used_and_one_with_undo_stays_longer(
    page: Page, site: Site, admin: Actor
) -> None:
    agent_id = make_agent(site.app, admin, name="Sales")
    page.goto(f"/agents/{agent_id}/delete")
    page.clock.install()
    page.get_by_role("button", name="Delete agent").click()
    flash = page.locator(".flash")
    expect(flash).to_contain_text("Sales was deleted.")

    page.clock.run_for(30_000)
    expect(flash).to_have_count(1)
    flash.hover()
    page.clock.run_for(60_000)
    expect(flash).to_have_count(1)
    page.mouse.move(0, 0)
    page.clock.run_for(61_000)
    expect(flash).to_have_count(0)


def test_before_a_session_ends_a_notice_offers_to_stay_and_keeps_the_form(page: Page, site: Site, admin: Actor) -> None:
    page.clock.install()
    page.goto("/agents/new")
    page.locator("#name").fill("Sales")
    notice = page.locator(".session-notice")
    page.clock.run_for(110 * 60_000)
    expect(notice).to_be_empty()

    page.clock.run_for(6 * 60_000)

    expect(notice).to_contain_text("You will be signed out in 4 minutes")
    other = page.context.new_page()
    unknown = re.compile('data-(idle|whole)="[0-9]+"')
    other.route(
        "**/agents?unknown",
        lambda route: route.fulfill(content_type="text/html", body=unknown.sub(r'data-\1=""', route.fetch().text())),
    )
    other.goto("/agents?unknown")
    page.clock.run_for(10_000)
    expect(notice).to_contain_text("You will be signed out in 4 minutes")
    other.goto("/agents")
    expect(notice).to_be_empty()
    other.close()
    page.clock.run_for(116 * 60_000)
    check(page)
    notice.get_by_role("button", name="Stay signed in").click()
    expect(notice).to_have_text("You stay signed in.")
    page.clock.run_for(60_000)
    expect(notice).to_be_empty()
    with site.app.app_context(), db.transaction() as session:
        session.execute(sa.delete(UserSession).where(UserSession.user_id == admin.user_id))
    page.clock.run_for(117 * 60_000)
    notice.get_by_role("button", name="Stay signed in").click()
    expect(notice).to_contain_text("Your session has ended.")
    expect(page.locator("#name")).to_have_value("Sales")
    page.on("dialog", lambda question: question.accept())
    notice.get_by_role("link", name="Sign in").click()
    send_password(page, admin.email)
    expect(page).to_have_url(re.compile("/agents/new$"))
