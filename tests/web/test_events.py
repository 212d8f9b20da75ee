"""The page Activity: sentences, filters in the URL, pages, undo."""

import re
from dataclasses import replace
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.models import Event
from agents_app.operations import agents, runtime, tokens
from agents_app.operations.permissions import Actor, Visitor
from agents_app.paths import ROOT
from agents_app.schemas.events import EventSubject
from agents_app.values.choices import Door
from agents_app.web.activity_sentences import SENTENCES, activity_sentence
from agents_app.web.events import ABOUT
from tests.make import make_agent, make_token, make_user
from tests.web.conftest import Browser, Page, SignIn, fields_of

# The rules in permissions.py have the same names as actions.
SOURCES = "".join(
    path.read_text() for path in (ROOT / "agents_app/operations").glob("*.py") if path.name != "permissions.py"
)
CALLS = re.findall(
    r'(?:event_records\.add|add_anonymous|Change|_end_access|_record|_set_status)\([^"]*"([a-z]+\.[a-z_]+)"', SOURCES
)


def sentences_on(page: Page) -> list[str]:
    """The sentences of the events."""
    return [cell.text for cell in page.root.all("span", class_="c-what")]


def chips(page: Page) -> list[str]:
    return [chip.text for chip in page.root.all("a", class_="chip")]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("about=weather", 422),
        ("door=window", 422),
        ("person=ada", 422),
        ("target=%00", 422),
        ("since=yesterday", 422),
        ("until=2026-02-30", 422),
        ("since=2026-11-28&until=2026-11-27", 422),
        ("since=9999-12-31&until=0001-01-01", 422),
        ("limit=0", 422),
        ("cursor=zzz", 400),
    ],
)
def test_a_refused_url_shows_why_and_links_to_all_activity(query: str, status: int, browser: Browser) -> None:
    page = browser.get(f"/activity?{query}", status)

    assert "This list cannot be shown" in page.text
    assert page.root.one("main").one("a", href="/activity")


@pytest.mark.parametrize("query", ["until=9999-12-31", "since=0001-01-01", "since=0001-01-01&until=9999-12-31"])
def test_the_first_and_last_possible_dates_are_accepted(query: str, browser: Browser) -> None:
    browser.get(f"/activity?{query}")


def test_an_account_sees_only_its_own_activity(console: Flask, browser: Browser) -> None:
    other = make_user(console, name="Mallory")
    foreign = make_agent(console, other, name="Foreign")

    for address in ("/activity", f"/activity?target={foreign}", f"/activity?person={other.user_id}"):
        page = browser.get(address)
        assert "Foreign" not in page.text
        assert "Mallory" not in page.text


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_every_role_can_read_activity_but_only_admins_can_undo(
    role: str, console: Flask, admin: Actor, signed_in: SignIn
) -> None:
    agent_id = make_agent(console, admin, name="Sales")
    with console.app_context():
        agents.delete(admin, agent_id)

    browser = signed_in(make_user(console, role, admin.account_id))

    page = browser.get("/activity?about=agent")
    assert sentences_on(page) == ["deleted the agent Sales version 2", "created the agent Sales version 1"]
    assert "Undo" not in page.text
    browser.post(f"/agents/{agent_id}/restore", {"csrf_token": browser.token()}, 403)


def test_every_action_has_a_sentence() -> None:
    assert len(CALLS) > 20
    assert set(CALLS) <= set(SENTENCES)


def test_a_sentence_contains_the_details_of_the_event() -> None:
    event = {"action": "secrets.rotated", "target_name": None, "details": {"moved": 7, "key": "k2"}}

    assert activity_sentence(event) == "moved 7 secrets to the encryption key k2"
    invited = {**event, "action": "user.invited", "details": {"role": "editor"}}
    assert activity_sentence(invited) == "created an invitation link with the role Editor"
    assert activity_sentence({**invited, "details": {}}) == "created an invitation link with the role unknown"


def test_every_subject_of_events_is_in_the_filter() -> None:
    assert set(ABOUT) == {kind.value for kind in EventSubject}


def test_every_sentence_can_be_formed_without_details() -> None:
    for action in SENTENCES:
        assert activity_sentence({"action": action, "target_name": None, "details": {}})


def test_an_action_without_a_sentence_is_shown_by_its_words() -> None:
    event = {"action": "agent.looked_at", "target_name": "<b>Sales", "target_id": uuid4(), "details": {}}

    assert activity_sentence(event) == "agent looked at: <b><bdi>&lt;b&gt;Sales</bdi></b>"
    assert activity_sentence({**event, "target_name": None}) == "agent looked at"


def test_the_door_of_each_event_is_shown(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, name="Sales")
    with console.app_context():
        caller = tokens.authenticate(Visitor("198.51.100.9"), make_token(console, admin, "runtime"))
        runtime.fetch(caller, agent_id)
        operator = replace(admin, door=Door.TERMINAL, name="root", user_id=None)
        agents.disable(operator, agent_id, {"reason": "Why"})

    rows = [row.text for row in browser.get("/activity").root.all("li", class_="event")]

    assert "root disabled the agent Sales version 2 “Why” Terminal" in rows[0]
    assert f"{admin.name}, token ci fetched the working configuration of Sales version 1 API token" in rows[1]
    assert "198.51.100.9" in rows[1]
    links = browser.get("/activity?about=agent").root.all("span", class_="c-what")[0].all("a")
    assert [link["href"] for link in links] == [f"/agents/{agent_id}", f"/agents/{agent_id}/versions/2"]


def test_filters_are_in_the_url_and_each_chip_removes_its_filter(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, name="Sales")
    day = now().date().isoformat()
    address = f"/activity?about=agent&door=page&person={admin.user_id}&target={agent_id}&since={day}&until={day}"

    page = browser.get(address)

    assert sentences_on(page) == ["created the agent Sales version 1"]
    shown = [chip.removeprefix("Remove the filter: ") for chip in chips(page)]
    assert shown[:4] == ["Record type Agents", "Interface Page", f"By {admin.name}", "Record Sales"]
    assert [shown[4][:5], shown[5][:3]] == ["From ", "To "]
    first = page.root.all("a", class_="chip")[0]["href"]
    assert "about" not in first
    assert "door=page" in first
    assert page.root.one("a", class_="clear")["href"] == "/activity"
    chosen = fields_of(page.form("/activity"))
    assert (chosen["about"], chosen["person"], chosen["since"]) == ("agent", str(admin.user_id), day)


def test_the_filters_that_a_form_leaves_empty_are_not_in_the_url(browser: Browser) -> None:
    answer = browser.client.get("/activity?about=agent&person=&since=%20&until=&door=", environ_base=browser.environ)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/activity?about=agent")


def test_the_three_empty_states_differ(console: Flask, admin: Actor, browser: Browser) -> None:
    assert "Nothing matches" in browser.get("/activity?about=secrets").text
    with console.app_context(), db.transaction() as session:
        session.execute(sa.delete(Event).where(Event.account_id == admin.account_id))

    assert "No activity yet" in browser.get("/activity").text


def test_the_pages_list_each_event_once(console: Flask, admin: Actor, browser: Browser) -> None:
    for number in range(5):
        make_agent(console, admin, name=f"A{number}")
    seen, page = [], browser.get("/activity?about=agent&limit=2")
    assert "Newest" not in page.root.one("nav", aria_label="Pages").one("div").text

    while older := page.root.all("a", rel="next"):
        seen += sentences_on(page)
        page = browser.get(older[0]["href"])
    seen += sentences_on(page)

    assert seen == [f"created the agent A{number} version 1" for number in (4, 3, 2, 1, 0)]
    newest = page.root.one("nav", aria_label="Pages").one("a")["href"]
    assert sentences_on(browser.get(newest)) == seen[:2]


def test_a_deletion_can_be_undone_once(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, name="Sales")
    with console.app_context():
        agents.delete(admin, agent_id)
        agents.restore_deleted(admin, agent_id)
        agents.delete(admin, agent_id)
    page = browser.get("/activity?about=agent")
    assert page.text.count("Undo") == 1

    browser.send(page, f"/agents/{agent_id}/restore")

    page = browser.get("/activity?about=agent")
    assert sentences_on(page)[0] == "restored the agent Sales version 5"
    assert "Undo" not in page.text


def test_undo_returns_to_activity_with_its_filters_and_names_the_agent(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, name="Sales")
    with console.app_context():
        agents.delete(admin, agent_id)
    page = browser.get("/activity?q=sales&about=agent")
    address = f"/agents/{agent_id}/restore"

    answer = browser.send(page, address)
    assert answer.headers["Location"] == "/activity?q=sales&about=agent"
    assert browser.get("/activity").root.one("div", class_="flash").text.startswith("Sales was restored.")
    # The button of another tab.
    browser.send(page, address)
    shown = browser.get("/activity").root.one("div", class_="flash").text
    assert shown.startswith("Sales is already restored. Nothing was changed.")


def test_the_number_of_queries_does_not_grow_with_the_rows(console: Flask, admin: Actor, browser: Browser) -> None:
    def count() -> int:
        statements: list[str] = []
        with console.app_context():
            engine = db.engine
        listen = lambda *call: statements.append(call[2])  # noqa: E731
        sa.event.listen(engine, "before_cursor_execute", listen)
        browser.get("/activity")
        sa.event.remove(engine, "before_cursor_execute", listen)
        return len(statements)

    with console.app_context():
        agents.delete(admin, make_agent(console, admin))
    few = count()
    for _ in range(5):
        with console.app_context():
            agents.delete(admin, make_agent(console, admin))

    assert count() == few
