"""The history of an agent on the pages: the list of its versions, any two compared, a version restored, and notes."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from agents_app.operations import agent_history, agent_reads, agents, bulk_agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.values.choices import Door
from tests.make import POWER_BI, make_agent, make_user
from tests.web.conftest import Browser, Element, Page, SignIn
from tests.web.test_nothing_typed_is_lost import NEW

PASSWORD = "canary-of-the-database"
LONG = "x" * 501
TOKEN_LIKE = "sk-proj-4f9aB27cXw81LqZt93VhYp60RkEm"


@pytest.fixture
def agent_id(console: Flask, admin: Actor) -> UUID:
    """An agent with a password that was changed by a person, a token and at the terminal. It is at version 4."""
    agent_id = make_agent(
        console, admin, name="Sales", system_instructions="One.", connection_config={"password": PASSWORD}
    )
    token = Actor(admin.account_id, "ci", Door.TOKEN, user_id=admin.user_id, role=admin.role)
    terminal = Actor(admin.account_id, "root", Door.TERMINAL, role=admin.role)
    with console.app_context():
        agents.update(admin, agent_id, {CONFIG: {"row_limit": 7}, "note": "Reports were slow"})
        agents.update(token, agent_id, {"system_instructions": "Two."})
        agents.disable(terminal, agent_id, {"reason": "Moving."})
    return agent_id


def rows(page: Page) -> list[Element]:
    """The rows of the versions, newest first."""
    return page.root.one("table", class_="versions").one("tbody").all("tr")


def read(console: Flask, admin: Actor, agent_id: UUID) -> dict[str, Any]:
    """The agent as it is stored."""
    with console.app_context():
        return agent_reads.read(admin, agent_id)


def restore(browser: Browser, agent_id: UUID, number: int, status: int = 303, **typed: str) -> Any:
    """Send the form that restores a version."""
    return browser.send(f"/agents/{agent_id}/versions/{number}/restore", status=status, **typed)


@pytest.mark.parametrize("query", ["first=0&second=1", "first=x&second=9", "first=1", "first=2&second=99999999999999"])
def test_only_the_numbers_of_versions_are_compared(query: str, browser: Browser, agent_id: UUID) -> None:
    answer = browser.client.get(f"/agents/{agent_id}/versions?{query}")

    if query == "first=1":  # the other number has its default
        assert answer.headers["Location"].endswith("/versions/4?compare=1")
        return
    assert answer.status_code == 422
    assert "Type the number of a version, from 1 to 4." in Page(answer).text


@pytest.mark.parametrize("compare", ["x", "0", "-1", "1.5", "9" * 30])
def test_a_version_is_compared_with_numbers_only(compare: str, browser: Browser, agent_id: UUID) -> None:
    browser.get(f"/agents/{agent_id}/versions/2?compare={compare}", 422)


def test_the_history_of_another_account_and_a_wrong_cursor_are_refused(
    console: Flask, browser: Browser, signed_in: SignIn, agent_id: UUID
) -> None:
    mallory = signed_in(make_user(console, name="Mallory"))

    for path in ("", "/1/restore", "/2?compare=1"):
        mallory.get(f"/agents/{agent_id}/versions{path}", 404)
    browser.get(f"/agents/{agent_id}/versions?cursor=x", 400)
    browser.get(f"/agents/{agent_id}/versions/9/restore", 404)


def test_a_viewer_sees_the_history_and_restores_nothing(
    console: Flask, admin: Actor, signed_in: SignIn, agent_id: UUID
) -> None:
    viewer = signed_in(make_user(console, "viewer", admin.account_id))

    shown = [viewer.get(f"/agents/{agent_id}/versions{path}") for path in ("", "/2")]

    assert not [link for page in shown for link in page.root.all("a") if link["href"].endswith("/restore")]
    refused = viewer.get(f"/agents/{agent_id}/versions/1/restore", 403)
    assert "Only an editor or admin can do this." in refused.text


def test_the_history_says_who_changed_what_through_which_door_and_why(
    admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    page = browser.get(f"/agents/{agent_id}/versions")

    texts = [row.text for row in rows(page)]
    assert "Version 4Current root disabled the agent “Moving.” Terminal" in texts[0]
    assert f"{admin.name}, ci changed the agent: system instructions API token" in texts[1]
    assert "changed the agent: row limit “Reports were slow” Page" in texts[2]
    assert "created the agent Page" in texts[3]
    assert [bool([a for a in row.all("a") if a["href"].endswith("/restore")]) for row in rows(page)] == [
        False,
        True,
        True,
        True,
    ]
    tabs = page.root.one("nav", aria_label="Agent").all("a")
    assert [(tab.text, tab["aria-current"]) for tab in tabs] == [("Overview", ""), ("History 4", "page")]
    assert "Reports were slow" in browser.get(f"/agents/{agent_id}/versions/2").text
    activity = browser.get("/activity").text
    assert "“Reports were slow”" in activity
    assert f"{admin.name}, ci changed the agent" in activity


def test_the_history_has_pages(console: Flask, admin: Actor, browser: Browser, agent_id: UUID) -> None:
    with console.app_context():
        for number in range(20):
            agents.update(admin, agent_id, {"description": str(number)})

    first = browser.get(f"/agents/{agent_id}/versions")
    second = browser.get(first.root.one("a", rel="next")["href"])

    assert [len(rows(page)) for page in (first, second)] == [20, 4]
    assert "Versions 1 to 4 of 24" in second.text


def test_any_two_versions_are_compared(browser: Browser, agent_id: UUID) -> None:
    answer = browser.client.get(f"/agents/{agent_id}/versions?first=4&second=1")
    page = browser.get(answer.headers["Location"])

    assert page.title.startswith("Version 4 compared with version 1")
    assert [(one.text) for one in page.root.one("table").all("th", scope="row")] == [
        "Row limit",
        "Status",
        "Reason for disabling",
    ]
    assert page.root.one("del").text == "[removed: One end of removed text]"
    same = browser.get(f"/agents/{agent_id}/versions/2?compare=2")
    assert "The two versions have the same values." in same.text


def test_the_history_of_a_deleted_agent_is_shown_and_not_restored(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    browser.send(f"/agents/{agent_id}/delete", note="Replaced by Orders")

    page = browser.get(f"/agents/{agent_id}/versions")

    assert "This agent is deleted. Its versions are still stored." in page.text
    assert "deleted the agent “Replaced by Orders”" in rows(page)[0].text
    assert "Restore" not in rows(page)[1].text
    assert "This agent was deleted" in browser.get(f"/agents/{agent_id}/versions/1/restore", 404).text


def test_a_restore_says_what_changes_and_keeps_status_and_secrets(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    page = browser.get(f"/agents/{agent_id}/versions/1/restore")
    assert [one.text for one in page.root.one("table").all("th", scope="row")] == ["Row limit"]
    assert "The status stays disabled." in page.text
    assert "Stored secrets stay: Password." in page.text

    answer = restore(browser, agent_id, 1, note="It was better")

    agent = read(console, admin, agent_id)
    assert (agent["version"], agent["status"], agent["system_instructions"]) == (5, "disabled", "One.")
    assert list(agent["secrets_set"]) == [f"/{CONFIG}/password"]
    shown = browser.get(answer.headers["Location"])
    assert "Version 1 was restored as version 5." in shown.text
    message = shown.root.one(class_="flash")
    assert message.one("a")["href"] == f"/agents/{agent_id}/versions/5"
    history = rows(browser.get(f"/agents/{agent_id}/versions"))[0].text
    assert "restored version 1 of the agent: system instructions, row limit “It was better”" in history


def test_a_secret_with_another_destination_is_typed_again_or_removed(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    with console.app_context():
        moved = {"host": "new.example.org", "password": "another-password-1"}
        agents.update(admin, agent_id, {CONFIG: moved})

    page = browser.get(f"/agents/{agent_id}/versions/1/restore")
    assert page.root.all(id="DB-password-replace")
    assert not page.root.all(id="DB-password-keep")
    refused = restore(browser, agent_id, 1, 422, note="Back")
    assert "Set it now, or remove it." in refused.root.one(id="DB-password-error").text
    assert refused.root.one(id="note")["value"] == "Back"
    assert read(console, admin, agent_id)["version"] == 5

    restore(browser, agent_id, 1, **{"DB-password": PASSWORD})
    assert read(console, admin, agent_id)[CONFIG]["host"] == "db.example.org"
    restore(browser, agent_id, 5, **{"DB-password-act": "remove"})
    agent = read(console, admin, agent_id)
    assert (agent[CONFIG]["host"], agent["secrets_set"]) == ("new.example.org", {})
    assert PASSWORD not in browser.seen
    assert "another-password-1" not in browser.seen


def test_a_restore_of_another_connection_type_says_which_secret_is_removed_and_takes_new_ones(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    with console.app_context():
        agents.update(
            admin,
            agent_id,
            {"connection_type": "POWERBI", CONFIG: {**POWER_BI, "client_secret": "value~of~it~1234567"}},
        )

    page = browser.get(f"/agents/{agent_id}/versions/1/restore")

    assert "Removed." in page.root.one("table").text
    assert "You can type them here, or later." in page.text
    restore(browser, agent_id, 1, **{"DB-password": PASSWORD})
    assert list(read(console, admin, agent_id)["secrets_set"]) == [f"/{CONFIG}/password"]


def test_a_change_by_others_while_the_page_is_open_is_said_and_nothing_is_restored(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    path = f"/agents/{agent_id}/versions/1/restore"
    page = browser.get(path)
    with console.app_context():
        agents.update(admin, agent_id, {"owner": "Grace"})

    stale = browser.send(page, path, 412, note="Back")

    assert "It is now at version 5, and nothing was restored." in stale.root.one(class_="problems").text
    assert "Owner" in stale.root.one("table").text
    assert read(console, admin, agent_id)["version"] == 5
    browser.send(stale, path)
    assert read(console, admin, agent_id)["owner"] is None


def test_a_version_with_the_same_values_is_not_restored(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    page = browser.get(f"/agents/{agent_id}/versions/3/restore")
    assert "There is nothing to restore." in page.text

    values = {"csrf_token": browser.token(), "version": "4", "note": "Why not"}
    browser.post(f"/agents/{agent_id}/versions/3/restore", values)

    assert (
        "Nothing was changed: the agent already has the values of version 3." in browser.get(f"/agents/{agent_id}").text
    )
    assert read(console, admin, agent_id)["version"] == 4


@pytest.mark.parametrize("page", ["edit", "delete", "versions/1/restore"])
@pytest.mark.parametrize(
    ("note", "sentence"), [(LONG, "Use at most 500 characters."), ("-----BEGIN PRIVATE KEY-----\nx", "")]
)
def test_a_note_that_is_refused_is_said_at_its_input(
    page: str, note: str, sentence: str, console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    refused = browser.send(
        f"/agents/{agent_id}/{page}", status=422, note=note, **({"name": "Orders"} if page == "edit" else {})
    )

    assert isinstance(refused, Page)
    assert (
        sentence in refused.error_at("note")
        if sentence
        else refused.root.all(class_="problems") or refused.root.one(id="warnings")
    )
    assert read(console, admin, agent_id)["version"] == 4


def test_a_note_is_kept_with_its_change_and_alone_is_no_change(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    path = f"/agents/{agent_id}/edit"
    answer = browser.send(path, note="Only a note")
    assert "Nothing was changed, so the note was not stored." in browser.get(answer.headers["Location"]).text

    browser.send(path, name="Orders", note="The team was renamed")

    with console.app_context():
        change = agent_history.listing(admin, agent_id).items[0]
    assert (change.version, change.note) == (5, "The team was renamed")


def test_a_conflict_keeps_the_note_and_shows_that_of_the_other_change(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    path = f"/agents/{agent_id}/edit"
    page = browser.get(path)
    with console.app_context():
        agents.update(admin, agent_id, {"name": "Stock", "note": "New wording"})

    conflict = browser.send(page, path, 412, name="Orders", note="My reason")

    assert isinstance(conflict, Page)
    assert conflict.root.one(id="note")["value"] == "My reason"
    assert "“New wording”" in conflict.root.one(class_="changes").text
    assert conflict.root.one(class_="changes").one("a")["href"] == f"/agents/{agent_id}/versions/5"


def test_a_new_agent_a_clone_and_an_enabled_agent_have_the_note_that_was_typed(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    for path, values in (("/agents/new", NEW), (f"/agents/{agent_id}/clone", {}), (f"/agents/{agent_id}/enable", {})):
        refused = browser.send(path, status=422, **values, note=LONG)
        assert refused.error_at("note")
        warned = browser.send(refused, path, status=422, note=f"{TOKEN_LIKE} is the key")
        assert "what looks like a secret" in warned.text
        made = browser.send(warned, path, note="For the trial").headers["Location"].partition("?")[0].partition("#")[0]

        assert "“For the trial”" in rows(browser.get(f"{made}/versions"))[0].text, path
    assert read(console, admin, agent_id)["version"] == 5


def test_the_reason_for_disabling_is_the_note_and_an_undo_of_many_has_its_own(
    console: Flask, admin: Actor, browser: Browser, agent_id: UUID
) -> None:
    with console.app_context():
        done = bulk_agents.act(admin, {"act": "set_owner", "ids": [agent_id], "owner": "Ada"})
    refused = browser.send(f"/agents/bulk/{done.id}", f"/agents/bulk/{done.id}/undo", 422, note=LONG)
    assert refused.error_at("note")
    browser.send(refused, f"/agents/bulk/{done.id}/undo", note="She has left")

    notes = [row.text for row in rows(browser.get(f"/agents/{agent_id}/versions"))]
    assert "“She has left”" in notes[0]
    assert "“Moving.”" in notes[2]
    activity = browser.get("/activity").text
    assert "“She has left”" in activity
    assert "“Moving.”" in activity
