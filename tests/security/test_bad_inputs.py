"""The bad inputs of `tests/bad_inputs.py` sent through the pages, and odd texts through every door."""

import json
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from agents_app.connections import TYPES
from agents_app.connections.power_bi import AuthMethod
from agents_app.operations import agent_reads, bulk_agents
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from agents_app.schemas.agents import CONFIG, NOTE, AgentValues
from agents_app.web.urls import ListUrl
from tests.api.conftest import Client
from tests.bad_inputs import BAD_AGENTS, BAD_NOTES, EMPTY_NOTES, ODD_TEXTS, WHOLE, Bad
from tests.make import agent_values, make_agent, make_token
from tests.security.conftest import Caller
from tests.web.conftest import Page

# A form has texts and check boxes only: it cannot send a number as a text, an unknown member, an object or half of a
# pair, and it sends a single value as a list of one line.
NOT_ON_A_FORM = {
    "name as a truth",
    "huge port",
    "model as a number",
    "API key as a number",
    "port as a truth",
    "read only as a number",
    "read only as a word",
    "tables as one text",
    "a day as a number",
    "day of the API key as a number",
    "external id as a number",
    "labels as a text",
    "base URL as a number",
    "too many schemas",
    "status null",
    "name as a number",
    "note as a number",
    "note that is false",
}
# The fields of the connection that a form shows only if the certificate is chosen to sign in.
WITH_CERTIFICATE = {"certificate_pem", "private_key_pem", "private_key_passphrase"}


def fields(values: dict[str, Any]) -> dict[str, Any] | None:
    """The form data for these values, or None if a form cannot express them."""
    kind, config = values.get("connection_type"), values.get(CONFIG)
    if not isinstance(kind, str) or not isinstance(config, dict):
        return None
    if kind not in TYPES:
        return _texts(values)
    unknown = set(values) - {*AgentValues.model_fields, NOTE} or set(config) - set(TYPES[kind].model_fields)
    # A form ignores what it hides: the fields of a way to sign in that is not chosen.
    chosen = {"auth_method": AuthMethod.CERTIFICATE} if WITH_CERTIFICATE & set(config) else {}
    said = _texts(values) | {f"{kind}-{name}": value for name, value in _texts(config | chosen).items()}
    return None if unknown or None in said.values() else said


def _texts(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in values.items() if name != CONFIG and value is not None}


def _text(value: object) -> str | None:
    """A value as form data, or None if a form cannot send it."""
    if isinstance(value, dict | list) or any("\ud800" <= char <= "\udfff" for char in str(value)):
        return None
    return str(value)


EMPTY_FILE = json.dumps({"format": "agent-console-agents/1", "agents": []})
ON_FORMS = [
    bad
    for bad in BAD_AGENTS
    if bad.name not in NOT_ON_A_FORM and None not in (fields(bad.values) or {0: None}).values()
    # A form splits a whole address: tests/web/test_pasted_addresses.py.
    if not any(sentence.startswith(WHOLE) for _, sentence in bad.refused)
]


def shown_errors(page: Page) -> list[tuple[str, str]]:
    """Every error on a page, as (JSON pointer of the input, sentence). The summary has the same errors."""
    links = page.root.one("div", class_="problems").all("a")
    return sorted(_shown_at(page, link["href"].removeprefix("#"), link.text) for link in links)


def _shown_at(page: Page, anchor: str, in_summary: str) -> tuple[str, str]:
    # An error of the whole connection belongs to no input.
    sentence = in_summary if anchor == "connection" else page.root.one("p", id=f"{anchor}-error").text
    assert in_summary.endswith(sentence)
    return _pointer(anchor), sentence


def _pointer(anchor: str) -> str:
    kind, found, name = anchor.partition("-")
    if found and kind in TYPES:
        return f"/{CONFIG}/{name}"
    return f"/{CONFIG}" if anchor == "connection" else f"/{anchor}"


def test_most_bad_values_can_be_sent_with_a_form() -> None:
    assert len(ON_FORMS) > 70


@pytest.mark.parametrize("bad", ON_FORMS, ids=lambda bad: bad.name)
def test_a_bad_value_on_a_form_is_refused_at_its_input_with_the_same_sentence(
    console: Flask, admin: Actor, bad: Bad
) -> None:
    answer = Caller(console, admin).ask("POST", "/agents/new", fields(bad.values))

    assert answer.status_code == 422
    assert shown_errors(Page(answer)) == sorted(bad.refused)
    with console.app_context():
        assert agent_reads.listing(admin, listing.parse({})).items == []


@pytest.mark.parametrize(("sent", "stored"), ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_an_odd_text_is_accepted_at_every_door_and_returned_unchanged(
    console: Flask, admin: Actor, sent: str, stored: str | None
) -> None:
    values = agent_values(name=sent, description=sent, system_instructions=sent, model_type=sent)
    api = Client(console, make_token(console, admin, "write"))
    caller = Caller(console, admin)
    runner = console.test_cli_runner()
    terminal = ("--account", str(admin.account_id))

    by_program = api.post("/agents", values).json["id"]
    by_page = caller.ask("POST", "/agents/new", fields(values)).headers["Location"].partition("?")[0].rpartition("/")[2]
    typed = runner.invoke(args=["agents", "create", "--file", "-", *terminal], input=json.dumps(values)).stdout.strip()

    for agent_id in (by_program, by_page, typed):
        agent = api.get(f"/agents/{agent_id}").json
        found = {agent[name] for name in ("name", "description", "system_instructions", "model_type")}
        assert found == {sent if stored is None else stored}
        assert json.loads(runner.invoke(args=["agents", "show", agent_id, "--json", *terminal]).output)["name"] in found
        page = Page(caller.ask("GET", f"/agents/{agent_id}"))
        assert page.root.one("h1").text == " ".join(agent["name"].split())
        with console.app_context():
            assert UUID(agent_id) in [one["id"] for one in agent_reads.listing(admin, listing.parse({"q": sent})).items]


@pytest.mark.parametrize("note", EMPTY_NOTES.values(), ids=EMPTY_NOTES)
def test_an_empty_note_is_accepted_at_every_door_and_not_stored(console: Flask, admin: Actor, note: str | None) -> None:
    values = agent_values(note=note)
    api = Client(console, make_token(console, admin, "write"))
    words = ["agents", "create", "--file", "-", "--account", str(admin.account_id)]

    assert api.post("/agents", values).status_code == 201
    assert Caller(console, admin).ask("POST", "/agents/new", fields(values)).status_code == 303
    assert console.test_cli_runner().invoke(args=words, input=json.dumps(values)).exit_code == 0

    for agent in api.get("/agents").json["items"]:
        assert [one["note"] for one in api.get(f"/agents/{agent['id']}/versions").json["items"]] == [None]


def test_a_bad_note_is_refused_at_every_change_of_the_pages_and_the_terminal(console: Flask, admin: Actor) -> None:
    agent_id, caller = str(make_agent(console, admin)), Caller(console, admin)
    account = ("--account", str(admin.account_id))
    ids, page = {"ids": [agent_id]}, f"/agents/{agent_id}"
    with console.app_context():
        done = bulk_agents.act(admin, {"act": "set_owner", "owner": "Grace", **ids})
    forms: dict[str, dict[str, object]] = {
        f"{page}/edit": {"version": "2", **(fields(agent_values(name="Orders")) or {})},
        f"{page}/versions/1/restore": {"version": "2"},
        **{f"{page}/{act}": {} for act in ("enable", "clone", "delete")},
        f"/agents/bulk/{done.id}/undo": {},
        "/agents/bulk": {"act": "set_owner", "owner": "Ada", "confirmed": "1", **ids},
    }
    commands = (
        *(("agents", act, agent_id) for act in ("enable", "clone", "update", "restore-deleted")),
        ("agents", "disable", agent_id, "--reason", "Moving."),
        ("agents", "delete", agent_id, "--yes"),
        ("agents", "restore-version", agent_id, "1"),
        ("agents", "bulk", "set-owner", "Ada", "--all", "--yes"),
        ("agents", "bulk", "undo", str(done.id)),
        ("agents", "apply", "-"),
    )
    for name in ("note in two lines", "note with a bell", "long note", "note with a private key"):
        note, sentence = BAD_NOTES[name]
        for path, values in forms.items():
            answer = caller.ask("POST", path, {**values, "note": note})
            assert (answer.status_code, sentence in Page(answer).text) == (422, True), path
        for words in commands:
            result = console.test_cli_runner().invoke(args=[*words, "--note", note, *account], input=EMPTY_FILE)
            assert (result.exit_code in (1, 3), sentence in result.stderr) == (True, True), (words, result.output)
    with console.app_context():
        assert agent_reads.read(admin, UUID(agent_id))["version"] == 2


ASKED = [
    "\0",
    "\ud800",
    "x" * 5_000,
    "%",
    "_",
    "\\",
    "' OR 1=1 --",
    "{{7*7}}",
    "\u202e",
    "a\r\nb",
    "😀",
    "\x7f",
    "-1",
    "NaN",
]


QUESTIONS = ListUrl.parameters
ACTIVITY_QUESTIONS = ["q", "about", "door", "person", "target", "since", "until", "limit", "cursor"]


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_query_breaks_the_list_and_pages_and_api_agree(console: Flask, admin: Actor, name: str) -> None:
    caller, api = Caller(console, admin), Client(console, make_token(console, admin))
    for text in ASKED:
        asked = {name: text.encode("utf-8", "surrogatepass").decode("latin-1") if "\ud800" in text else text}
        page = caller.ask("GET", "/agents", query_string=asked)
        program = api.get("/agents", query_string=asked)

        assert page.status_code in (200, 400, 422)
        if name != "before":
            assert program.status_code == page.status_code
            expected = [_on_a_page(name, one["detail"]) for one in program.json.get("errors", [])]
            assert all(sentence in Page(page).text for sentence in expected)


def _on_a_page(name: str, detail: str) -> str:
    """How a page says a refusal of the JSON API: with the label of the field, and without the words for programs."""
    if name == "cursor":
        return "The address leads to a page of a list that was sorted in another way, or it was changed by hand."
    label = listing.AgentQuery.model_fields[name].title
    if detail.startswith("Choose "):
        return f"The address has a value for “{label}” that this list does not have."
    return detail if " must be " in detail else f"{label}: {detail}"


@pytest.mark.parametrize("name", ACTIVITY_QUESTIONS)
def test_no_query_breaks_the_activity(console: Flask, admin: Actor, name: str) -> None:
    caller = Caller(console, admin)
    for text in ASKED:
        asked = {name: text.encode("utf-8", "replace").decode()}
        # Without parameters that are empty, a redirect leads to the same list.
        answer = caller.ask("GET", "/activity", query_string=asked, follow_redirects=True)
        assert answer.status_code in (200, 400, 422)
        # Closed, because the file is sent while it is read.
        with caller.ask("GET", "/activity/export", query_string=asked) as file:
            assert file.status_code in (answer.status_code, 200)
