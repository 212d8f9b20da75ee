"""Bulk acts on the pages, without script: tick, ask, confirm, result, undo."""

import re
import uuid

import pytest
from flask import Flask

from agents_app.operations import agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import parse
from tests.make import make_agent, make_user
from tests.web.conftest import Browser, Page, SignIn, fields_of


def ask(browser: Browser, act: str, *ids: uuid.UUID, query: str = "") -> Page:
    """Tick these agents in the list, and press the button of an act that asks first."""
    page = browser.get(f"/agents{query}")
    form = page.root.one("form", id="bulk")
    values = fields_of(form)
    values.setlist("ids", [str(one) for one in ids])
    values["act"] = act
    shown = browser.post(form["action"], values, 200)
    assert isinstance(shown, Page)
    return shown


def statuses(console: Flask, actor: Actor) -> dict[str, str]:
    """The status of each agent, by its name."""
    with console.app_context():
        return {one["name"]: one["status"] for one in agent_reads.listing(actor, parse({})).items}


def test_viewers_have_no_boxes_and_may_do_nothing(console: Flask, admin: Actor, signed_in: SignIn) -> None:
    agent_id = make_agent(console, admin)
    viewer = signed_in(make_user(console, "viewer", admin.account_id))

    page = viewer.get("/agents")

    assert not page.root.all("input", name="ids")
    assert not page.root.all("form", id="bulk")
    values = {"csrf_token": viewer.token(), "act": "enable", "ids": str(agent_id)}
    viewer.post("/agents/bulk", values, 403)


def test_without_an_agent_that_exists_nothing_is_done(console: Flask, admin: Actor, browser: Browser) -> None:
    foreign = make_agent(console, make_user(console), name="Foreign")
    own = make_agent(console, admin)

    for ids in ([], ["x"], [str(uuid.uuid4())], [str(foreign)]):
        browser.post("/agents/bulk", {"csrf_token": browser.token(), "act": "disable", "ids": ids})

        assert "Select at least one agent that exists." in browser.get("/agents").text
    deleted = make_agent(console, admin, name="Vanished")
    with console.app_context():
        agents.delete(admin, deleted)
    browser.post("/agents/bulk", {"csrf_token": browser.token(), "act": "disable", "ids": [str(deleted), str(foreign)]})
    said = browser.get("/agents").root.one("div", class_="flashes").text
    assert f"“Vanished” was deleted by “{admin.name}” on " in said
    assert "Foreign" not in said
    # As the browser sends it after Enter on a box.
    browser.send(browser.get("/agents"), "/agents/bulk", ids=str(own))
    assert "Choose what to do with the selected agents. Nothing was changed." in browser.get("/agents").text


def test_an_act_that_asks_does_nothing_until_it_is_confirmed(console: Flask, admin: Actor, browser: Browser) -> None:
    ids = [make_agent(console, admin, name=f"Agent {number}") for number in range(12)]
    foreign = make_agent(console, make_user(console), name="Theirs")
    make_agent(console, admin, name="Not ticked")

    asked = ask(browser, "disable", *ids, foreign, query="?status=active")

    assert asked.title.startswith("Disable 12 agents?")
    assert "and 2 more" in asked.text
    assert "1 of the selected agents does not exist any more." in asked.text
    assert "Theirs" not in asked.text
    assert set(statuses(console, admin).values()) == {"active"}
    refused = browser.send(asked, "/agents/bulk", 422, reason=" ")
    assert isinstance(refused, Page)
    assert "Say why the agents are disabled." in refused.text
    done = browser.send(refused, "/agents/bulk", reason="Moving.")
    assert not isinstance(done, Page)
    assert done.location == "/agents?status=active"
    assert "12 agents were disabled." in browser.get(done.location).text
    repeated = browser.send(refused, "/agents/bulk", reason="Moving.", note="Weekend.")
    assert not isinstance(repeated, Page)
    assert "This form was sent before. Nothing was done now" in browser.get(repeated.location).text
    assert statuses(console, admin) == {f"Agent {number}": "disabled" for number in range(12)} | {
        "Not ticked": "active"
    }


def test_an_agent_that_vanished_while_the_page_was_open_is_named_as_failed(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    vanished, kept = make_agent(console, admin, name="Vanished"), make_agent(console, admin, name="Kept")
    asked = ask(browser, "set_owner", vanished, kept)
    deletion = ask(browser, "delete", vanished, kept)
    with console.app_context():
        agents.delete(admin, vanished)

    confirmed = browser.send(asked, "/agents/bulk", owner="Grace")
    ticked = {"csrf_token": browser.token(), "act": "enable", "ids": [str(vanished), str(kept)]}
    at_once = browser.post("/agents/bulk", ticked)
    deleted = browser.send(deletion, "/agents/bulk", 422, number="2")

    for answer, done in ((confirmed, "1 was given this owner"), (at_once, "1 was active already")):
        assert not isinstance(answer, Page)
        result = browser.get(answer.location)
        assert result.title.startswith("Result for 2 agents")
        assert done in result.text
        assert re.search(rf"Vanished It was deleted by “{admin.name}” on \d+ \w+ \d+, \d\d:\d\d UTC\.", result.text)
        assert str(vanished) not in result.text
    # The number that was typed counts an agent that there is not.
    assert isinstance(deleted, Page)
    assert "You deleted Vanished on " in deleted.text
    assert "does not exist any more" not in deleted.text
    assert "Type 1 to delete this agent." in deleted.text


def test_what_looks_like_a_secret_is_shown_at_its_input_before_anything_is_changed(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id, secret = make_agent(console, admin), "sk-proj-Abc123Def456Ghi789Jkl012Mno345Pqr678"

    for act, name, text in (("disable", "reason", f"Was {secret}"), ("set_labels", "labels", f"a=b\nteam={secret}")):
        warned = browser.send(ask(browser, act, agent_id), "/agents/bulk", 422, **{name: text})
        assert isinstance(warned, Page)
        assert "This field is not encrypted" in warned.text
        browser.send(warned, "/agents/bulk")
    assert list(statuses(console, admin).values()) == ["disabled"]


def test_the_result_survives_a_reload_and_undo_names_what_was_changed_since(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    kept, changed = make_agent(console, admin, name="Kept"), make_agent(console, admin, name="Changed")
    browser.send(ask(browser, "set_owner", kept, changed), "/agents/bulk", owner="Grace", note="Handed over.")
    message = browser.get("/agents")
    shown = message.root.one("div", class_="flashes").one("a")["href"]
    for _ in range(2):
        result = browser.get(shown)
        assert "2 were given this owner" in result.text
        assert "Why: “Handed over.”" in result.text
    with console.app_context():
        agents.update(admin, changed, {"description": "Later."})

    undone = browser.send(result, f"{shown.partition('?')[0]}/undo")
    assert not isinstance(undone, Page)
    page = browser.get(undone.location)

    assert "1 was restored to the previous state" in page.text
    assert "It was changed since. It is at version 3 now." in page.text
    assert f"/agents/{changed}" in page.html
    assert "Undone: see the result" in browser.get(shown).text
    second = browser.send(result, f"{shown.partition('?')[0]}/undo")
    assert not isinstance(second, Page)
    assert "This was undone before. Nothing was changed now" in browser.get(second.location).text
    assert "This was undone before" not in browser.get(second.location).text
    with console.app_context():
        owners = [agent_reads.read(admin, one)["owner"] for one in (kept, changed)]
    assert owners == [None, "Grace"]
    activity = browser.get("/activity").text
    assert "set the owner of 2 agents" in activity
    assert "undid a change of the owner of 1 agent (1 failed)" in activity


def test_a_deletion_asks_for_the_number_and_is_undone(console: Flask, admin: Actor, browser: Browser) -> None:
    ids = [make_agent(console, admin, name=name) for name in ("One", "Two")]
    asked = ask(browser, "delete", *ids)

    for typed in ("", "3", "two"):
        refused = browser.send(asked, "/agents/bulk", 422, number=typed)
        assert isinstance(refused, Page)
        assert "Type 2 to delete these agents." in refused.text
    assert len(statuses(console, admin)) == 2
    browser.send(asked, "/agents/bulk", number=" 2 ")
    assert statuses(console, admin) == {}
    again = browser.client.get("/agents").text
    undo = re.findall(r'action="(/agents/bulk/[^"]*/undo[^"]*)"', again)
    browser.post(undo[0], {"csrf_token": browser.token()})

    assert statuses(console, admin) == {"One": "active", "Two": "active"}


def test_all_that_match_are_selected_as_a_step_of_its_own(console: Flask, admin: Actor, browser: Browser) -> None:
    for number in range(22):
        make_agent(console, admin, name=f"North {number}", environment="staging")
    make_agent(console, admin, name="South")
    listed = browser.get("/agents?environment=staging")
    link = next(one for one in listed.root.all("a") if one.text == "Select all 22 that match")

    step = browser.get(link["href"])
    make_agent(console, admin, name="North later", environment="staging")
    values = fields_of(step.root.one("form", class_="bulk-acts")) | {"act": "disable"}
    asked = browser.post(step.root.one("form", class_="bulk-acts")["action"], values, 200)
    assert isinstance(asked, Page)
    done = browser.send(asked, "/agents/bulk", reason="Moving.")

    assert step.title.startswith("22 agents selected")
    assert "Test…" in step.text
    assert "Test: at most 20 agents are tested at once, and 6 tests start in a minute." in step.text
    assert not isinstance(done, Page)
    assert done.location == "/agents?environment=staging"
    active = [name for name, status in statuses(console, admin).items() if status == "active"]
    assert sorted(active) == ["North later", "South"]


def test_all_agents_of_a_list_with_one_page_are_selected_without_script(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    make_agent(console, admin, name="Alone", environment="production")
    make_agent(console, admin, name="North", environment="staging")
    make_agent(console, admin, name="South", environment="staging")

    listed = browser.get("/agents?environment=staging")
    link = next(one for one in listed.root.all("a", class_="needs-no-script"))
    step = browser.get(link["href"])

    assert link.text == "Select all 2 that match"
    assert step.title.startswith("2 agents selected")
    assert "Alone" not in step.text
    # One agent has a box.
    assert not browser.get("/agents?environment=production").root.all("a", class_="all-matching")


def test_a_test_says_which_agents_could_not_start_and_offers_them_again(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    ids = [str(make_agent(console, admin, name=f"Agent {number}")) for number in range(8)]
    values = {"csrf_token": browser.token(), "act": "test", "ids": ids}

    many = [*ids, *(str(make_agent(console, admin)) for _ in range(13))]
    before = browser.post("/agents/bulk", values | {"ids": many}, 200)
    answer = browser.post("/agents/bulk", values)
    assert not isinstance(answer, Page)
    page = browser.get(answer.location)

    assert isinstance(before, Page)
    assert "Test the first 6" in before.text
    assert "You can start 6 tests in a minute." in page.text
    assert "Test the 2 that were not tested" in page.text
    assert "tested 6 agents" in page.text
    assert "tested 6 agents (6 failed, 2 not tested)" in browser.get("/activity").text
    asked = browser.post("/agents/bulk", values | {"ids": many}, 200)
    assert isinstance(asked, Page)
    assert "Test 21 agents?" in asked.text
    assert "At most 20 agents are tested at once, and 6 tests start in a minute." in asked.text
    # All tests of this minute have started.
    assert "Wait a minute, then load this page again." in asked.text
    assert "Test the first" not in asked.text
    started = browser.send(asked, "/agents/bulk")
    assert not isinstance(started, Page)
    result = browser.get(started.location)
    assert result.title.startswith("Result for 21 agents")
    assert "At most 20 agents are tested at once." in result.text
    assert "It was not tested" not in result.text
    assert "Next: wait a minute, then test the next 6. What is still left is offered again." in result.text
    assert "Test the next 6 of the 21 that were not tested" in result.text
    assert len(fields_of(result.form("/agents/bulk"))["ids"].split()) == 21


def test_agents_that_are_disabled_already_are_counted_apart_before_and_after(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    ids = [make_agent(console, admin, name=f"Agent {number}") for number in range(3)]
    with console.app_context():
        for one in ids[:2]:
            agents.disable(admin, one, {"reason": "Old."})

    some, all_of_them = ask(browser, "disable", *ids), ask(browser, "disable", *ids[:2])
    nobody = ask(browser, "disable", ids[2])
    browser.send(some, "/agents/bulk", reason="Moving.")
    message = browser.get("/agents")
    result = browser.get(message.root.one("div", class_="flashes").one("a")["href"]).text

    replaced = "disabled already. A new reason replaces those that they have, also for runtimes."
    assert f"2 of them are {replaced}" in some.text
    assert f"These agents are {replaced}" in all_of_them.text
    assert "can no longer fetch" not in all_of_them.text
    assert "disabled already" not in nobody.text
    assert "1 agent was disabled. 2 agents were disabled already, and got a new reason." in message.text
    assert "1 was disabled 2 were disabled already, and got a new reason" in result
    assert "disabled 1 agent on" in result
    assert "disabled 1 agent (2 got a new reason)" in browser.get("/activity").text


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("editor", 403), ("admin", 303)])
def test_only_admins_undo_a_deletion(role: str, status: int, console: Flask, admin: Actor, signed_in: SignIn) -> None:
    browser = signed_in(admin)
    browser.send(ask(browser, "delete", make_agent(console, admin)), "/agents/bulk", number="1")
    undo = re.findall(r'action="(/agents/bulk/[^"]*/undo[^"]*)"', browser.get("/agents").html)[0]
    person = signed_in(make_user(console, role, admin.account_id))

    result = person.get(undo.replace("/undo", ""))

    assert ("/undo" in result.html) is (role == "admin")
    person.post(undo, {"csrf_token": person.token()}, status)
