"""What was typed is kept when the session ends, after a double click and on going back. Secrets are not kept."""

from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import UserSession
from agents_app.operations import agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from tests.make import PASSWORD, make_agent, make_user
from tests.web.conftest import Browser, Page

SECRET = "canary-of-the-database"
NEW = {
    "name": "Größe & Zahl",
    "description": "two\nlines",
    "connection_type": "DB",
    "DB-host": "db.example.org",
    "DB-database": "sales",
    "DB-username": "reader",
    "DB-password": SECRET,
    "api_key": SECRET,
}


def end_sessions(console: Flask, actor: Actor) -> None:
    with console.app_context(), db.transaction() as session:
        session.execute(sa.delete(UserSession).where(UserSession.user_id == actor.user_id))


def agents_of(console: Flask, actor: Actor) -> list[UUID]:
    with console.app_context():
        return [item["id"] for item in agent_reads.listing(actor, listing.parse({})).items]


def send_after_session_end(browser: Browser, address: str, console: Flask, admin: Actor, **typed: str) -> Page:
    """Fill in a form, end the session, send it, sign in at the second attempt. Returns the page with the form."""
    page = browser.get(address)
    end_sessions(console, admin)
    page = browser.send(page, address, status=401, **typed)
    assert isinstance(page, Page)
    assert "What you typed is kept, except secrets" in page.text
    page = browser.send(page, "/sign-in", status=422, email=admin.email, password="wrong")
    assert isinstance(page, Page)
    page = browser.send(page, "/sign-in", status=200, email=admin.email, password=PASSWORD)
    assert isinstance(page, Page)
    page = browser.send(page, address, status=200)
    assert isinstance(page, Page)
    return page


def test_only_the_secrets_of_a_new_agent_are_lost_when_the_session_ends(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    page = send_after_session_end(browser, "/agents/new", console, admin, **NEW)

    assert "Not saved yet." in page.text
    assert page.root.one(id="name")["value"] == NEW["name"]
    assert "".join(page.root.one(id="description").texts) == "\ntwo\nlines"
    assert page.root.one(id="DB-host")["value"] == "db.example.org"
    assert SECRET not in browser.seen
    assert agents_of(console, admin) == []
    refused = browser.send(page, "/agents/new", status=422, **{"DB-password": SECRET})
    assert isinstance(refused, Page)
    assert refused.error_at("api_key").startswith("Type the API key again, or leave it empty")
    browser.send(refused, "/agents/new", **{"DB-password": SECRET, "api_key": SECRET})
    assert len(agents_of(console, admin)) == 1


def test_a_secret_of_a_new_agent_that_is_not_typed_again_is_asked_for_once(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    page = browser.send("/agents/new", status=422, **NEW | {"name": "", "description": ""})
    assert isinstance(page, Page)

    refused = browser.send(page, "/agents/new", status=422, **{"DB-password": SECRET, "DB-port": "x"})

    assert isinstance(refused, Page)
    assert refused.error_at("api_key").startswith("Type the API key again, or leave it empty and send the form again")
    assert refused.error_at("name")
    assert refused.error_at("DB-port")
    again = browser.send(refused, "/agents/new", status=422, name="Sales", **{"DB-port": ""})
    assert isinstance(again, Page)
    assert again.error_at("DB-password").startswith("Type the password again")
    browser.send(again, "/agents/new", **{"DB-password": SECRET})
    [agent_id] = agents_of(console, admin)
    with console.app_context():
        assert [*agent_reads.read(admin, agent_id)["secrets_set"]] == ["/connection_config/password"]


def test_a_first_secret_of_a_stored_agent_that_is_not_typed_again_is_asked_for_once(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin)
    address = f"/agents/{agent_id}/edit"
    page = browser.send(address, status=422, name="", api_key=SECRET)
    assert isinstance(page, Page)

    refused = browser.send(page, address, status=422, name="Renamed")

    assert isinstance(refused, Page)
    assert refused.error_at("api_key").startswith("Type the API key again")
    browser.send(refused, address)
    with console.app_context():
        assert agent_reads.read(admin, agent_id)["name"] == "Renamed"


def test_a_secret_of_a_connection_type_that_is_no_longer_chosen_is_not_asked_for(browser: Browser) -> None:
    page = browser.send("/agents/new", status=422, **NEW | {"name": "", "api_key": ""})
    assert isinstance(page, Page)

    other = browser.send(page, "/agents/new", status=422, connection_type="POWERBI", name="Sales")

    assert isinstance(other, Page)
    assert "Type the password again" not in other.text


def test_only_the_secrets_of_a_changed_agent_are_lost_when_the_session_ends(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, api_key=SECRET)
    address = f"/agents/{agent_id}/edit"
    typed = {"description": "New", "api_key-act": "replace", "api_key": "another-canary"}

    page = send_after_session_end(browser, address, console, admin, **typed)

    assert page.root.one(id="description").text == "New"
    assert "another-canary" not in browser.seen
    with console.app_context():
        assert agent_reads.read(admin, agent_id)["version"] == 1
    browser.send(page, address, status=422)
    browser.send(page, address, api_key="another-canary")
    with console.app_context():
        assert agent_reads.read(admin, agent_id)["description"] == "New"


def test_a_form_from_an_anonymous_visitor_leads_to_sign_in_and_nothing_is_echoed(
    console: Flask, browser: Browser
) -> None:
    anonymous = Browser(console)

    answer = anonymous.post("/agents/new", {**NEW, "csrf_token": anonymous.token()})

    assert answer.headers["Location"].startswith("/sign-in")


def test_a_form_that_is_sent_twice_creates_one_agent(console: Flask, admin: Actor, browser: Browser) -> None:
    page = browser.get("/agents/new")

    first, second = (browser.send(page, "/agents/new", **NEW) for _ in range(2))

    assert first.headers["Location"] == second.headers["Location"]
    assert len(agents_of(console, admin)) == 1
    assert "Nothing was stored now, and no new secrets." in browser.get(second.headers["Location"]).text


@pytest.mark.parametrize("since", ["changed", "deleted"])
def test_a_form_sent_again_after_its_agent_changed_says_so_and_then_creates_another(
    console: Flask, admin: Actor, browser: Browser, since: str
) -> None:
    page = browser.get("/agents/new")
    agent_id = UUID(browser.send(page, "/agents/new", **NEW).headers["Location"].partition("?")[0].split("/")[-1])
    with console.app_context():
        if since == "deleted":
            agents.delete(admin, agent_id)
        else:
            agents.update(admin, agent_id, {"description": "Changed."})

    refused = browser.send(page, "/agents/new", status=422, **NEW)

    assert isinstance(refused, Page)
    assert f"This form already created an agent, which was {since} since then." in refused.text
    before = len(agents_of(console, admin))
    browser.send(refused, "/agents/new", **NEW)
    assert len(agents_of(console, admin)) == before + 1


def test_a_form_sent_again_with_other_content_says_so_and_then_creates_another_agent(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    page, other = browser.get("/agents/new"), NEW | {"name": "Another"}
    browser.send(page, "/agents/new", **NEW)

    refused = browser.send(page, "/agents/new", status=422, **other)

    assert isinstance(refused, Page)
    assert "This form already created an agent with other values." in refused.text
    browser.send(refused, "/agents/new", **other)
    assert len(agents_of(console, admin)) == 2


def test_two_forms_with_the_same_content_create_two_agents(console: Flask, admin: Actor, browser: Browser) -> None:
    for _ in range(2):
        browser.send("/agents/new", **NEW)

    assert len(agents_of(console, admin)) == 2


def test_a_change_that_is_sent_twice_is_not_a_conflict(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)
    address = f"/agents/{agent_id}/edit"
    page = browser.get(address)

    for _ in range(2):
        browser.send(page, address, description="New")

    with console.app_context():
        assert agent_reads.read(admin, agent_id)["version"] == 2


def test_a_secret_that_is_sent_twice_needs_a_choice(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, api_key=SECRET)
    address = f"/agents/{agent_id}/edit"
    page, typed = browser.get(address), {"api_key-act": "replace", "api_key": "another-canary"}

    browser.send(page, address, **typed)
    again = browser.send(page, address, status=412, **typed)

    assert isinstance(again, Page)
    assert "You changed this agent in another tab, or sent this form twice" in again.text
    assert again.root.one("input", name="choose")["value"] == "/api_key"


def test_changes_of_others_are_shown_after_an_ended_session_and_choices_are_kept(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, description="Old")
    address = f"/agents/{agent_id}/edit"
    page = browser.get(address)
    with console.app_context():
        agents.update(make_user(console, account_id=admin.account_id, name="Grace"), agent_id, {"description": "Hers"})
    page = browser.send(page, address, status=412, description="Mine")
    assert isinstance(page, Page)

    end_sessions(console, admin)
    for action, status, typed in (
        (address, 401, {"choice-description": "mine"}),
        ("/sign-in", 200, {"email": admin.email, "password": PASSWORD}),
        (address, 200, {}),
    ):
        page = browser.send(page, action, status=status, **typed)
        assert isinstance(page, Page)

    assert "Grace changed this agent while you edited it" in page.text
    assert page.root.one(id="choice-description").attributes["checked"] == ""
    browser.send(page, address)
    with console.app_context():
        assert agent_reads.read(admin, agent_id)["description"] == "Mine"


@pytest.mark.parametrize("kind", ["input", "textarea"])
def test_a_browser_may_restore_everything_but_secrets(kind: str, browser: Browser) -> None:
    # When the user goes back, browsers do not restore inputs with autocomplete="off".
    page = browser.get("/agents/new")

    controls = [control for control in page.root.one("main").all(kind) if control["type"] != "hidden"]
    autocomplete = {control["name"]: control["autocomplete"] for control in controls}

    secret = {"api_key", "DB-password", "POWERBI-client_secret", "POWERBI-private_key_password"}
    assert {name for name, word in autocomplete.items() if word} <= {*secret, "POWERBI-private_key_pem"}
    assert {autocomplete[name] for name in secret & set(autocomplete)} <= {"new-password"}
    assert autocomplete.get("POWERBI-private_key_pem", "off") == "off"


def test_the_error_page_of_a_form_says_what_going_back_keeps(console: Flask, browser: Browser) -> None:
    page = browser.post("/agents/new", {"csrf_token": "x"}, status=400)

    assert isinstance(page, Page)
    assert "what you typed is still there, except secrets" in page.text
    assert "what you typed" not in browser.get("/nothing", 404).text


def test_one_notice_covers_an_ended_session_and_changes_of_others(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin)
    address = f"/agents/{agent_id}/edit"
    page = browser.get(address)
    end_sessions(console, admin)
    page = browser.send(page, address, status=401, description="Mine", api_key=SECRET)
    grace = make_user(console, account_id=admin.account_id, name="Grace")
    with console.app_context():
        agents.update(grace, agent_id, {"description": "Hers"})
    page = browser.send(page, "/sign-in", status=200, email=admin.email, password=PASSWORD)
    page = browser.send(page, address, status=200)

    assert isinstance(page, Page)
    assert page.text.count("Not saved yet.") == 1
    box = page.root.one("section", class_="stale").text
    assert "This is what you typed before. Secrets were not kept" in box
