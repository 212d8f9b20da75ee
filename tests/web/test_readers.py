"""Pages and commands say who runs an agent, and who will notice that an agent or a token ends."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import RuntimeRead
from agents_app.operations import agents, runtime, tokens
from agents_app.operations.permissions import Actor
from tests.make import make_agent
from tests.operations.test_runtime_reads import runtime_of
from tests.web.conftest import Browser
from tests.web.test_agent_files import file_of, plan
from tests.web.test_bulk_agents import ask

Path = Callable[[UUID, UUID], str]
PAGES: dict[str, tuple[Path, str, str]] = {
    "disable": (lambda agent, _: f"/agents/{agent}/disable", "1 runtime asked for it in the last 7 days: ci", "403"),
    "delete": (lambda agent, _: f"/agents/{agent}/delete", "1 runtime asked for it in the last 7 days: ci", "404"),
    "revoke": (lambda _, token: f"/tokens/{token}/revoke", "It fetched 1 agent in the last 7 days: <Sales>", ""),
    "rotate": (lambda _, token: f"/tokens/{token}/rotate", "It fetched 1 agent in the last 7 days: <Sales>", ""),
}


def age(agent_id: UUID, days: int) -> None:
    """Let days pass for the reads of an agent."""
    mine = sa.select(RuntimeRead).where(RuntimeRead.agent_id == agent_id)
    with db.transaction() as session:
        for row in session.scalars(mine):
            row.seen_at -= timedelta(days=days)
            row.last_fetched_at = row.seen_at


def test_the_page_and_the_list_say_who_runs_an_agent(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)
    before = browser.get(f"/agents/{agent_id}").text
    with console.app_context():
        runtime.fetch(runtime_of(console, admin), agent_id)
        for text in ("a", "b"):
            agents.update(admin, agent_id, {"description": text})

    card = browser.get(f"/agents/{agent_id}").root.one("section", aria_labelledby="readers").text

    assert "No runtime has fetched it yet." in before
    assert card.startswith("Who runs it ci has version 1, two behind Fetched just now")
    assert card.endswith("at least 1 time")
    assert "Fetched just now" in browser.get("/agents").root.one("td", class_="c-updated").text


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_ends_something_says_who_will_notice(
    console: Flask, admin: Actor, browser: Browser, name: str
) -> None:
    agent_id, actor = make_agent(console, admin, name="<Sales>"), runtime_of(console, admin)
    path, sentence, status = PAGES[name]
    assert actor.token_id
    before = browser.get(path(agent_id, actor.token_id)).text
    with console.app_context():
        runtime.fetch(actor, agent_id)

    lately = browser.get(path(agent_id, actor.token_id)).text
    with console.app_context():
        age(agent_id, 8)
    later = browser.get(path(agent_id, actor.token_id)).text

    assert sentence in lately
    assert not status or f"It will get status {status}." in lately
    assert [text for text in (before, later) if sentence in text] == []


@pytest.mark.parametrize(("name", "status"), [("disable", 403), ("delete", 404)])
def test_a_token_that_ended_is_not_left_out_and_gets_no_status(
    console: Flask, admin: Actor, browser: Browser, name: str, status: int
) -> None:
    agent_id, (old, new) = make_agent(console, admin), (runtime_of(console, admin) for _ in range(2))
    nobody = browser.get(f"/agents/{agent_id}/{name}").text
    with console.app_context():
        runtime.fetch(old, agent_id)
        assert old.token_id
        tokens.revoke(admin, old.token_id)
        ended = browser.get(f"/agents/{agent_id}/{name}").text
        runtime.fetch(new, agent_id)
    both = browser.get(f"/agents/{agent_id}/{name}").text

    of_ended = "1 token asked for it and ended since: ci just now"
    assert "No runtime asked for it in the last 7 days." in nobody
    assert f"No runtime with an active token asked for it in the last 7 days. {of_ended}" in ended
    assert "(revoked)." in ended
    assert "No runtime asked for it" not in ended
    assert "1 runtime asked for it in the last 7 days: ci just now" in both
    assert f"It will get status {status}. {of_ended}" in both


def test_a_page_that_ends_many_agents_says_once_who_will_notice(console: Flask, admin: Actor, browser: Browser) -> None:
    ids = [make_agent(console, admin, name=f"Agent {number}", external_id=f"a{number}") for number in range(3)]
    with console.app_context():
        agents.disable(admin, ids[2], {"reason": "Moving."})
        before = [ask(browser, act, *ids).text for act in ("disable", "delete")]
        both, ended = runtime_of(console, admin), runtime_of(console, admin)
        for actor, agent_id in ((both, ids[0]), (both, ids[1]), (ended, ids[1])):
            runtime.fetch(actor, agent_id)
        assert ended.token_id
        tokens.revoke(admin, ended.token_id)
    bulk = {act: ask(browser, act, *ids).text for act in ("disable", "delete")}
    alone = ask(browser, "disable", ids[2]).text
    entry = {"name": "Agent 0", "external_id": "a0", "status": "disabled", "status_reason": "Moving."}
    planned = plan(browser, file_of(entry), prune="y").text
    kept = plan(browser, file_of(entry)).text

    asked = "1 runtime asked for one of these agents in the last 7 days: ci just now"
    for text, status in ((bulk["disable"], 403), (bulk["delete"], 404), (planned, 404)):
        assert text.count(asked) == 1
        assert f"It will get status {status}. 1 token asked for one of these agents and ended since: ci" in text
    assert [text.count("No runtime asked for any of these agents in the last 7 days.") for text in before] == [1, 1]
    # It is disabled already.
    assert "runtime asked for" not in alone
    assert "1 of them is disabled. 1 runtime asked for it in the last 7 days: ci just now" in planned
    assert "It will get status 403." in kept
    assert "status 404" not in kept


def test_only_the_first_names_are_in_a_sentence(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)
    with console.app_context():
        for _ in range(6):
            runtime.fetch(runtime_of(console, admin), agent_id)

    text = browser.get(f"/agents/{agent_id}/delete").text
    shown = browser.get(f"/agents/{agent_id}").root.one("section", aria_labelledby="readers")

    assert "6 runtimes asked for it" in text
    assert "and 3 more. They will get status 404." in text
    assert shown.one("summary").text == "1 more"


def test_the_pages_that_end_a_token_name_and_link_all_of_some_agents(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    ids = [make_agent(console, admin, name=f"Agent {number}") for number in range(5)]
    runtime_token = runtime_of(console, admin)
    with console.app_context():
        for agent_id in ids:
            runtime.fetch(runtime_token, agent_id)

    page = browser.get(f"/tokens/{runtime_token.token_id}/revoke")

    assert "It fetched 5 agents in the last 7 days" in page.text
    assert all(f'href="/agents/{one}"' in page.html for one in ids)
    assert " more." not in page.text
