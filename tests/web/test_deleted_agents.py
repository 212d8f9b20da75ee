"""Deleted agents: the list of them, and what the old URLs of a deleted agent say."""

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.models import AgentVersion
from agents_app.operations import agents, purge, users
from agents_app.operations.permissions import Actor
from agents_app.web import deleted_agents
from tests.make import make_agent, make_user
from tests.web.conftest import Browser, Page, SignIn

SECRET = {"connection_config": {"password": "a password"}}


def deleted(app: Flask, admin: Actor, **values: object) -> UUID:
    agent_id = make_agent(app, admin, **values)
    with app.app_context():
        agents.delete(admin, agent_id)
    return agent_id


def rows(page: Page) -> list[str]:
    return [row.text for row in page.root.one("tbody").all("tr")]


def test_an_agent_of_another_account_is_not_found_whether_it_was_deleted_or_not(
    console: Flask, browser: Browser
) -> None:
    foreign = deleted(console, make_user(console), name="Foreign")

    for agent_id in (foreign, uuid4()):
        page = browser.get(f"/agents/{agent_id}", 404)
        assert "There is no agent with this id." in page.text
        assert page.title.startswith("Not found")
    assert "No agent is deleted" in browser.get("/agents/deleted").text


@pytest.mark.parametrize("cursor", ["zzz", "%00", "x" * 5_000])
def test_a_cursor_that_is_not_valid_is_refused_with_a_link_to_all_agents(cursor: str, browser: Browser) -> None:
    page = browser.get(f"/agents/deleted?cursor={cursor}", 400)

    assert "This list cannot be shown" in page.text


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_people_who_cannot_undo_see_who_can(
    role: str, console: Flask, admin: Actor, signed_in: SignIn, browser: Browser
) -> None:
    left = make_user(console, account_id=admin.account_id, name="Gone Admin")
    agent_id = deleted(console, admin)
    with console.app_context():
        assert left.user_id
        users.deactivate(admin, left.user_id)
    reader = signed_in(make_user(console, role, admin.account_id))

    for address, status in (("/agents/deleted", 200), (f"/agents/{agent_id}", 404)):
        page = reader.get(address, status)
        assert "Who can do it: the admin Admin." in page.text
        assert "Gone Admin" not in page.text
        assert "You can undo" not in page.text
        assert not [form for form in page.root.all("form") if form["action"].endswith("/restore")]


def test_every_old_url_of_a_deleted_agent_says_who_deleted_it_and_offers_undo(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    grace = make_user(console, account_id=admin.account_id, name="Grace")
    agent_id = deleted(console, grace, **SECRET)

    for path in ("", "/edit", "/disable", "/delete"):
        page = browser.get(f"/agents/{agent_id}{path}", 404)
        assert re.search(r"Grace deleted Sales on \d+ \w+ \d{4}, \d\d:\d\d UTC\.", page.text)
        until = f"{now() + timedelta(days=30):%-d %b %Y}"
        assert f"It can be restored with its secrets until {until}." in page.text
    for path in ("enable", "clone", "test"):
        sent = browser.post(f"/agents/{agent_id}/{path}", {"csrf_token": browser.token()}, 404)
        assert isinstance(sent, Page)
        assert "UTC. Nothing was changed." in sent.text
    answer = browser.send(page, f"/agents/{agent_id}/restore")
    assert answer.headers["Location"] == f"/agents/{agent_id}"
    assert "was restored." in browser.get(f"/agents/{agent_id}").text


def test_the_list_has_each_deleted_agent_once_and_undo_returns_to_it(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    make_agent(console, admin, name="There")
    twice = deleted(console, admin, name="Twice")
    with console.app_context():
        agents.restore_deleted(admin, twice)
        agents.delete(admin, twice)
    deleted(console, admin, name="Later", **SECRET)

    page = browser.get("/agents/deleted")

    assert page.root.one("a", aria_current="page", href="/agents/deleted")
    assert "You can undo each deletion." in page.text
    assert "An admin can" not in page.text
    assert [row.split()[0] for row in rows(page)] == ["Later", "Twice"]
    assert "It can be restored with its secrets until" in rows(page)[0]
    assert "It can be restored." in rows(page)[1]
    answer = browser.send(page, f"/agents/{twice}/restore")
    page = browser.get(answer.headers["Location"])
    assert [row.split()[0] for row in rows(page)] == ["Later"]
    assert "was restored." in page.text


def test_the_page_says_when_the_secrets_of_a_deleted_agent_are_gone(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = deleted(console, admin, **SECRET)
    long_ago = sa.update(AgentVersion).where(AgentVersion.agent_id == agent_id)
    with console.app_context(), db.transaction() as session:
        session.execute(long_ago.values(created_at=now() - timedelta(days=40)))

    assert "It can be restored with its secrets until the next purge." in browser.get(f"/agents/{agent_id}", 404).text

    with console.app_context():
        purge.run("operator")
    assert "It can be restored without its secrets, which were deleted." in rows(browser.get("/agents/deleted"))[0]


def test_a_long_list_has_pages(console: Flask, admin: Actor, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleted_agents, "ROWS", 2)
    for number in range(5):
        deleted(console, admin, name=f"Agent{number}")

    page, found = browser.get("/agents/deleted"), []
    while True:
        found.append([row.split()[0] for row in rows(page)])
        links = page.root.all("a", rel="next")
        if not links:
            break
        page = browser.get(links[0]["href"])

    assert found == [["Agent4", "Agent3"], ["Agent2", "Agent1"], ["Agent0"]]
    assert page.root.one("nav", class_="pager").one("a", href="/agents/deleted").text == "First"
