"""The page Activity: search, what changed, days, kinds of events, and the file of its events."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import InvalidInput
from agents_app.models import Event
from agents_app.operations import agents, event_search, events, tokens
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.events import EventQuery
from agents_app.values.csv_text import quoted_cell
from agents_app.values.text import fold_for_search
from agents_app.web.activity_sentences import MARKS, SENTENCES, changed_fields, event_mark
from agents_app.web.csv_files import csv_response
from agents_app.web.list_error import UNKNOWN_PAGE, list_error_page
from tests.make import POWER_BI, make_agent, make_user
from tests.web.conftest import Browser, SignIn
from tests.web.test_events import chips, sentences_on

# What is done with the events that were read is the same on both databases.
ONE_DATABASE = pytest.mark.parametrize("console", ["sqlite"], indirect=True)
SECRETS = {"api_key": "sk-0123456789-canary", CONFIG: {"password": "canary-of-the-database"}}


def add_events(console: Flask, admin: Actor, *given: dict[str, Any]) -> None:
    """Store events of the account: the later in the list, the older."""
    start = now()
    with console.app_context(), db.transaction() as session:
        for number, values in enumerate(given):
            event = {"action": "agent.updated", "actor_name": "Ada", "door": "page", "details": {}, **values}
            at = event.pop("created_at", start - timedelta(seconds=number))
            session.add(Event(account_id=admin.account_id, created_at=at, **event))


def rows_of(browser: Browser, address: str) -> list[dict[str, str]]:
    """The rows of the file at this address."""
    answer = browser.client.get(address, environ_base=browser.environ)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("path", ["/activity", "/activity/export"])
@ONE_DATABASE
def test_a_parameter_of_other_lists_is_ignored(path: str, browser: Browser) -> None:
    assert browser.client.get(f"{path}?before=x", environ_base=browser.environ).status_code == 200


@ONE_DATABASE
def test_a_refusal_of_an_unknown_field_has_its_sentence(console: Flask) -> None:
    with console.test_request_context():
        html, status = list_error_page(InvalidInput([("/before", "Odd."), ("/a/b", "Strange.")]), "x", "/", EventQuery)

    assert status == 422
    assert UNKNOWN_PAGE in html
    assert "Strange." in html


@pytest.mark.parametrize("query", ["about=weather", "since=2026-11-28&until=2026-11-27", "q=%00", f"q={'x' * 201}"])
@ONE_DATABASE
def test_a_file_of_a_refused_query_is_a_page_that_says_why(query: str, browser: Browser) -> None:
    browser.get(f"/activity/export?{query}", 422)


def test_search_and_file_never_show_another_account(console: Flask, browser: Browser) -> None:
    make_agent(console, make_user(console, name="Mallory"), name="Foreign")

    assert sentences_on(browser.get("/activity?q=foreign")) == []
    assert "Mallory" not in str(rows_of(browser, "/activity/export"))


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("éclair", ["Eclair 7"]),
        ("ECLAIR 7", ["Eclair 7"]),
        ("straße", ["STRASSE"]),
        ("ada eclair", ["Eclair 7"]),
        ("grace eclair", []),
        ("eclairs", []),
        ("%", []),
        ("_", []),
    ],
)
def test_search_finds_the_words_of_names_without_case_and_accents(
    search: str, found: list[str], console: Flask, admin: Actor, browser: Browser
) -> None:
    record = {"target_kind": "token", "target_id": uuid4()}
    add_events(
        console,
        admin,
        {"action": "token.created", "target_name": "Eclair 7", **record},
        {"action": "token.created", "actor_name": "Grace", "target_name": "STRASSE", **record},
        {"action": "user.signed_in", "actor_name": "Grace"},
    )

    page = (
        browser.get("/activity", 200)
        if not search
        else browser.get(f"/activity?about=token&q={search}".replace("%", "%25"))
    )

    assert sentences_on(page) == [f"created the API token {name}" for name in found]
    assert f"Remove the filter: Search is {search}" in chips(page)


def test_a_search_reads_a_limited_number_of_events_and_says_how_to_continue(
    console: Flask, admin: Actor, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_search, "EVENTS_MAX", 6)
    monkeypatch.setattr(events, "SEARCH_BATCH", 2)
    others = [{"action": "user.signed_in"}] * 7
    add_events(console, admin, {"action": "user.signed_out", "actor_name": "Grace"}, *others, {"actor_name": "Grace"})

    page = browser.get("/activity?q=grace&since=2020-01-01")

    assert sentences_on(page) == ["signed out"]
    assert "The search has read 6 events, back to" in page.text
    older = page.root.one("a", rel="next")
    assert older.text == "Search older events"
    assert sentences_on(browser.get(older["href"])) == ["changed the agent something"]
    empty = browser.get("/activity?q=zoe")
    assert "Nothing found yet" in empty.text
    assert empty.root.one("a", rel="next")["href"]


@ONE_DATABASE
def test_a_search_ends_when_its_time_is_spent_and_continues_on_the_next_page(
    console: Flask, admin: Actor, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_search, "PROCESSOR_S", 0)
    add_events(console, admin, {"target_name": "Grace"}, {"target_name": "Grace 2"}, {"actor_name": "Ada"})

    first = browser.get("/activity?q=grace&about=agent")
    second = browser.get(first.root.one("a", rel="next")["href"])

    assert [sentences_on(first), sentences_on(second)] == [
        [f"changed the agent {name}"] for name in ("Grace", "Grace 2")
    ]
    assert "The search has read 1 event, back to" in first.text
    assert [row["Record"] for row in rows_of(browser, "/activity/export?q=grace&about=agent")] == ["Grace", "Grace 2"]


def test_a_search_folds_each_name_once_and_plain_names_cheaply(monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[str] = []
    monkeypatch.setattr(event_search, "fold_for_search", lambda name: folded.append(name) or fold_for_search(name))
    search = event_search.NameSearch(["grace"])

    found = [search.finds("Grâce", target) for target in ("x", "x", "y", "Grâce")]

    assert (found, folded, search.events) == ([True] * 4, ["Grâce", "x", "y"], 4)


def test_the_pages_of_a_search_list_each_event_once(console: Flask, admin: Actor, browser: Browser) -> None:
    names = [f"Agent {number}" for number in range(5)]
    add_events(console, admin, *({"target_name": name} for name in names), {"target_name": "Other"})

    page, seen = browser.get("/activity?q=agent&limit=2"), []
    while True:
        seen += sentences_on(page)
        older = page.root.all("a", rel="next")
        if not older:
            break
        page = browser.get(older[0]["href"])

    assert seen == [f"changed the agent {name}" for name in names]


def test_a_change_of_an_agent_names_its_fields_and_never_values(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, name="Sales", **SECRETS)
    with console.app_context():
        agents.update(
            admin,
            agent_id,
            {"name": "Orders", "connection_config": {"row_limit": 7, "password": "another-canary-1"}},
        )
        agents.update(admin, agent_id, {"connection_type": "POWERBI", "connection_config": POWER_BI})

    page = browser.get("/activity?about=agent")

    assert sentences_on(page)[:2] == [
        "changed the agent Orders: connection type, password removed See the changes",
        "changed the agent Orders: name, row limit, password replaced See the changes",
    ]
    assert "canary" not in page.html
    links = [link["href"] for link in page.root.all("a", class_="version")]
    assert links == [f"/agents/{agent_id}/versions/{number}" for number in (3, 2, 1)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (None, []),
        ({}, []),
        ({"fields": 7, "secrets": "x"}, []),
        ({"fields": ["name", CONFIG], "secrets": {}}, ["name", "connection settings"]),
        ({"fields": [CONFIG], CONFIG: ["host", "flavour_of_it"]}, ["host", "flavour of it"]),
        (
            {"fields": [], "secrets": {"/api_key": "replaced", "/gone_key": "lost"}},
            ["API key replaced", "gone key lost"],
        ),
        ({"fields": list("abcdefgh")}, [*"abcdef", "and 2 more"]),
        ({"fields": list("abcdefg")}, [*"abcdefg"]),
    ],
)
def test_what_another_release_recorded_of_a_change_is_shown_as_far_as_it_is_known(
    changes: Any, words: list[str]
) -> None:
    event = {"action": "agent.updated", "changes": changes, "connection_type": "DB"}

    assert changed_fields(event) == words
    assert changed_fields({**event, "action": "agent.deleted"}) == []


@ONE_DATABASE
def test_events_are_below_the_headings_of_their_days(console: Flask, admin: Actor, browser: Browser) -> None:
    noon = now().replace(hour=12, minute=5)
    days = [noon, noon - timedelta(days=1), datetime(2026, 3, 9, 23, 59, tzinfo=UTC)]
    add_events(console, admin, *({"action": "user.signed_out", "created_at": day} for day in days))

    page = browser.get("/activity?until=2099-01-01")

    headings = [heading.text for heading in page.root.one("main").all("h2")]
    assert headings[0] == f"Today, {noon:%A %-d %b %Y}"
    assert headings[1:] == [f"Yesterday, {days[1]:%A %-d %b %Y}", "Monday 9 Mar 2026"]
    times = [time.text for time in page.root.all("p", class_="c-when")]
    assert times[-1].startswith("23:59")
    assert "Days and times are in UTC." in page.text


def test_every_kind_of_event_has_an_icon_and_refusals_and_deletions_have_their_own() -> None:
    marks = {action: event_mark({"action": action}) for action in SENTENCES}
    red = {action for action, (_, colour) in marks.items() if colour == "red"}

    assert red >= {"access.denied", "user.sign_in_failed", "token.refused", "agent.deleted", "user.deleted"}
    assert {marks[action][0] for action in red}.isdisjoint(
        marks[action][0] for action in set(marks) - red - {"user.deactivated"}
    )
    assert len({MARKS[kind] for kind in ("agent", "user", "token", "account", "secrets", "access")}) == 6
    assert event_mark({"action": "robot.danced"})


@ONE_DATABASE
def test_the_chips_of_ids_show_names_also_of_deleted_agents(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, name="Sales")
    with console.app_context():
        agents.delete(admin, agent_id)
        token_id = tokens.create(admin, {"name": "ci", "scopes": ["read"], "agent_ids": []})[0]
    foreign = make_user(console, name="Mallory")

    shown = [
        chips(browser.get(f"/activity?{name}={record_id}&about=secrets"))[1].partition("filter: ")[2]
        for name, record_id in (
            ("target", agent_id),
            ("target", token_id),
            ("target", admin.user_id),
            ("target", foreign.user_id),
            ("person", admin.user_id),
            ("person", foreign.user_id),
        )
    ]

    assert shown == [
        "Record Sales",
        "Record ci",
        f"Record {admin.name}",
        "Record unknown",
        f"By {admin.name}",
        "By someone who is not here",
    ]


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
def test_the_file_has_the_events_of_the_filters(role: str, console: Flask, admin: Actor, signed_in: SignIn) -> None:
    agent_id = make_agent(console, admin, name="=1+1", **SECRETS)
    make_agent(console, admin, name="Other")
    with console.app_context():
        agents.update(admin, agent_id, {"description": "New"})
    browser = signed_in(make_user(console, role, admin.account_id))
    page = browser.get(f"/activity?target={agent_id}&limit=1")
    address = page.root.one("div", class_="page-head").one("a")["href"]

    answer = browser.client.get(address, environ_base=browser.environ)
    rows = rows_of(browser, address)

    assert answer.headers["Content-Disposition"] == f"attachment; filename=activity-{now():%Y-%m-%d}.csv"
    assert [row["What"] for row in rows] == ["changed the agent =1+1: description", "created the agent =1+1"]
    assert {row["Record"] for row in rows} == {"'=1+1"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", rows[0]["Time (UTC)"])
    assert [rows[0][name] for name in ("Who", "Interface", "Record type", "Version", "Action")] == [
        admin.name,
        "Page",
        "Agents",
        "2",
        "agent.updated",
    ]
    assert b"canary" not in answer.data


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_cell_that_a_program_would_take_for_a_formula_is_quoted(start: str) -> None:
    assert quoted_cell(f"{start}1") == f"'{start}1"
    assert quoted_cell(f"a{start}") == f"a{start}"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("a;=1+1;b", "a;'=1+1;b"),
        ('a; "=1+1"', 'a; "\'=1+1"'),
        ("a;\uff1d1;-1", "a;'\uff1d1;'-1"),
        ("a\t@b", "a\t'@b"),
        ("a; b = c, d-e", "a; b = c, d-e"),
    ],
)
def test_a_cell_is_no_formula_where_a_program_separates_cells_by_another_character(name: str, cell: str) -> None:
    assert quoted_cell(name) == cell


def test_every_cell_of_a_file_is_in_quotes() -> None:
    answer = csv_response("a.csv", ["Name"], [["a;b", None, 7]])

    assert answer.data.decode("utf-8-sig") == '"Name"\r\n"a;b","","7"\r\n'


@ONE_DATABASE
def test_the_terminal_searches_the_same_events(console: Flask, admin: Actor) -> None:
    add_events(console, admin, {"target_name": "Éclair"}, {"target_name": "Other"})
    command = ["events", "list", "--account", str(admin.account_id), "--q", "eclair"]

    shown = console.test_cli_runner().invoke(args=command)

    assert shown.exit_code == 0
    assert ("Éclair" in shown.stdout, "Other" in shown.stdout) == (True, False)


def test_a_search_has_the_words_of_its_query() -> None:
    assert EventQuery(q=" Ünique  \u200b word ").words == ["unique", "word"]
