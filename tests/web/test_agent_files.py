"""The page Export and import: files without secrets, a plan before anything changes, and exactly that plan."""

import io
import json
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from agents_app.operations import agent_files, agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.agent_files import TOO_MUCH, to_text
from agents_app.schemas.listing import AgentQuery
from agents_app.values import limits
from agents_app.values.choices import FileFormat
from agents_app.values.limits import BODY_BYTES, FILE_BODY_BYTES
from tests.api.conftest import Client
from tests.make import make_agent, make_token, make_user
from tests.web.conftest import Browser, Page, SignIn, fields_of

FILES = "/agents/import"
CANARY = "canary-of-the-secret-0123456789"
CONFIG = {"dialect": "postgresql", "host": "db.example.org", "database": "sales", "username": "reader"}
AGENT = {"name": "Sales", "connection_type": "DB", "connection_config": CONFIG}


def file_of(*given: dict[str, Any]) -> str:
    """The text of a file with these agents."""
    return json.dumps({"format": "agent-console-agents/1", "agents": [{**AGENT, **one} for one in given]}, indent=1)


def names(console: Flask, actor: Actor) -> list[str]:
    """The names of the agents of the account."""
    with console.app_context():
        return sorted(item["name"] for item in agent_reads.listing(actor, AgentQuery()).items)


def problems(page: Page) -> list[str]:
    """The problems at the top of the page."""
    return [item.text for item in page.root.one("div", class_="problems").all("li")]


def plan(browser: Browser, text: str, status: int = 200, **typed: Any) -> Page:
    """Paste a text, and show its plan."""
    page = browser.send(FILES, status=status, text=text, **typed)
    assert isinstance(page, Page)
    return page


def apply(browser: Browser, planned: Page, status: int = 303, **typed: Any) -> Page:
    """Send the form of a plan, and follow the redirect of one that is applied."""
    answer = browser.send(planned, FILES, status, **typed)
    return answer if isinstance(answer, Page) else browser.get(answer.headers["Location"])


def message(page: Page) -> str:
    """The message that the page shows once."""
    return page.root.one("div", class_="flashes").text


def upload(browser: Browser, content: bytes, status: int, text: str = "") -> Page:
    """Send a file as a browser does, together with a text."""
    answer = send_parts(browser, text=text, upload=FileStorage(io.BytesIO(content), "agents.yaml", "upload"))
    assert answer.status_code == status
    return Page(answer)


def send_parts(browser: Browser, **values: Any) -> TestResponse:
    """Send a form with a file. The client itself would keep a large body in a file that it does not close."""
    boundary, body = encode_multipart({"csrf_token": browser.token(), **values})
    media_type = f'multipart/form-data; boundary="{boundary}"'
    return browser.client.post(FILES, data=body, content_type=media_type, environ_base=browser.environ)


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_only_admins_import_and_everyone_exports(role: str, console: Flask, admin: Actor, signed_in: SignIn) -> None:
    make_agent(console, admin)
    browser = signed_in(make_user(console, role, admin.account_id))
    page = browser.get(FILES)

    refused = browser.post(FILES, {"csrf_token": browser.token(), "text": file_of({"name": "New"})}, 403)

    assert (page.root.all("form", enctype="multipart/form-data"), "An admin can import a file." in page.text) == (
        [],
        True,
    )
    assert browser.client.get("/agents/export.yaml", environ_base=browser.environ).status_code == 200
    assert isinstance(refused, Page)
    assert names(console, admin) == ["Sales"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b" \n ", "The file is empty."),
        (b"format: \xff\xfe", "UTF-8"),
        (b"[1, 2]", "object"),
        (b"name: [unfinished", "line"),
        (b"just words", "Write an object with the members format and agents"),
        (b"format: other/1\nagents: []", "Write format: agent-console-agents/1"),
        (b"format: agent-console-agents/7\nagents: []", "A console of another release wrote this file."),
        (b'{"format": "agent-console-agents/1", "agents": {}}', "Write the agents as a list."),
        (b'{"a": 1, "a": 2}', "a"),
        (b"\x00\x01", ""),
        (b"[" * 5000, ""),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else "",
)
def test_a_file_that_cannot_be_read_is_refused_at_its_field(
    content: bytes, problem: str, console: Flask, admin: Actor, browser: Browser
) -> None:
    found = problems(upload(browser, content, 422))

    assert len(found) == 1
    assert problem in found[0]
    assert names(console, admin) == []


def test_no_file_two_files_and_a_large_file_are_refused_with_a_sentence(browser: Browser) -> None:
    assert problems(plan(browser, "  ", 422)) == ["Choose a file, or paste its text below."]
    assert problems(upload(browser, b"format: x", 422, text="agents: []")) == [
        "Choose a file or paste a text, not both."
    ]
    assert upload(browser, file_of({"description": "x"}).encode() + b" " * BODY_BYTES, 200)
    answer = send_parts(browser, text="x" * FILE_BODY_BYTES)
    assert answer.status_code == 413
    assert "The request body is too large. Send at most 16,000 kB." in answer.text


def test_all_problems_are_shown_at_once_with_their_lines_and_the_text_is_kept(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    wrong = [{"name": ""}, {"name": "A", "connection_config": {**CONFIG, "port": 0}}, {"name": "B", "port": None}]
    text = file_of(*wrong, *({"name": f"C{number}", "status": "gone"} for number in range(20)))

    page = plan(browser, text, 422)

    found = problems(page)
    assert len(found) == 23
    lines = [int(one.removeprefix("Line ").partition(",")[0]) for one in found]
    assert lines == sorted(lines)
    line = text.splitlines().index('    "port": 0') + 1
    assert f"Line {line}, /agents/1/connection_config/port: Port must be between 1 and 65,535." in found
    assert json.loads(fields_of(page.form(FILES))["text"]) == json.loads(text)
    assert names(console, admin) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": CANARY},
        {"secrets": {"password": CANARY}},
        {"secrets": {"password": "env:HOME"}},
        {"connection_config": {**CONFIG, "password": CANARY}},
        {"description": f"-----BEGIN PRIVATE KEY-----{CANARY}", "status": "gone"},
    ],
    ids=str,
)
def test_a_file_with_a_secret_is_refused_and_the_secret_is_never_shown(
    wrong: dict[str, Any], console: Flask, admin: Actor, browser: Browser
) -> None:
    for text in (file_of(wrong), file_of(wrong) + "}"):
        page = plan(browser, text, 422)

        assert page.root.one("div", class_="problems")
        assert CANARY not in page.html
    assert names(console, admin) == []


def test_a_plan_changes_nothing_and_says_everything(console: Flask, admin: Actor, browser: Browser) -> None:
    kept = make_agent(console, admin, name="Kept", api_key=CANARY)
    make_agent(console, admin, name="Sales", description="The old words of it", connection_config={"password": CANARY})
    new = {"name": "New <b>", "external_id": "ü-1", "secrets": {"api_key": "stored"}}
    text = file_of({"description": "The new words of it", "connection_config": {**CONFIG, "row_limit": 7}}, new)

    page = plan(browser, text)

    assert [fact.text for fact in page.root.one("main").one("dl", class_="facts").all("dd")] == [
        "1",
        "1",
        "0",
        "1, kept",
    ]
    change = page.root.one("details", class_="group")
    row = change.one("tbody").one("tr")
    assert [row.one("th").text, *(cell.text for cell in row.all("td"))] == ["Row limit", "1000", "7"]
    assert [part.text for part in change.all("ins")] == ["[added: new end of added text]"]
    assert "New <b> ü-1: Password, API key" in page.root.one("section", aria_labelledby="secrets").text
    assert "PostgreSQL · db.example.org" in page.root.one("section", aria_labelledby="new").text
    assert page.root.one("a", href=f"/agents/{kept}").text == "Kept"
    assert [button.text for button in page.form(FILES).all("button")] == ["Apply 2 changes"]
    assert CANARY not in page.html
    assert names(console, admin) == ["Kept", "Sales"]


def test_what_was_planned_is_applied_and_applied_again_changes_nothing(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, name="Sales", connection_config={"password": CANARY})
    text = file_of({"description": "Changed"}, {"name": "New"})
    planned = plan(browser, text)

    done = apply(browser, planned, note="Release 7")

    wanted = "The file was applied: 1 created, 1 changed. 1 of them is incomplete: runtimes need what is missing."
    assert wanted in message(done)
    assert [row.one("th").one("a").text for row in done.root.one("tbody").all("tr")] == ["New"]
    with console.app_context():
        agent = agent_reads.read(admin, agent_id)
    assert (agent["description"], agent["version"], list(agent["secrets_set"])) == (
        "Changed",
        2,
        ["/connection_config/password"],
    )
    assert "Release 7" in str(browser.client.get("/activity/export", environ_base=browser.environ).text)
    assert problems(apply(browser, planned, 409))
    again = plan(browser, text)
    assert "Nothing would change" in again.text
    assert again.root.all("form", enctype="multipart/form-data") == []


def test_a_plan_that_others_overtook_is_not_applied_but_shown_again(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, name="Sales", owner="Ada")
    planned = plan(browser, file_of({"description": "Changed"}))
    with console.app_context():
        agents.update(admin, agent_id, {"owner": "Grace"})

    page = apply(browser, planned, 409)

    assert problems(page) == [agent_files.OTHER_PLAN]
    assert "Grace" in page.root.one("details", class_="group").text
    with console.app_context():
        assert agent_reads.read(admin, agent_id)["description"] is None
    assert "Show who changed agents" in page.text
    assert "The file was applied: 1 changed." in message(apply(browser, page))


def test_agents_that_are_missing_are_deleted_only_after_their_number_was_typed(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    for name in ("A", "B", "Sales"):
        make_agent(console, admin, name=name)
    planned = plan(browser, file_of({}), prune="y")
    warning = "2 of 3 agents are missing in this file and would be deleted. Was it exported with a filter?"
    assert warning in planned.text
    assert "missing in this file and would" not in plan(browser, file_of({})).text
    assert "missing in this file and would" not in plan(browser, file_of({}, {"name": "A"}), prune="y").text
    assert "The list has a filter, so the files above do not have all agents." in browser.get(f"{FILES}?q=A").text
    assert "The list has a filter" not in browser.get(FILES).text

    for typed in ("", "1", "two", "22"):
        page = apply(browser, planned, 422, deletions=typed)
        assert problems(page) == ["Number of agents to delete: Type 2 to delete these agents."]
    assert names(console, admin) == ["A", "B", "Sales"]
    make_agent(console, admin, name="C")
    overtaken = apply(browser, planned, 422, deletions="2")
    done = apply(browser, overtaken, deletions="3")

    assert "The file was applied: 3 deleted." in message(done)
    changes = done.root.one("div", class_="flashes").one("a")["href"]
    events = [one.text for one in browser.get(changes).root.all("li", class_="event")]
    assert len(events) == 3
    assert all("deleted the agent" in one for one in events)
    assert names(console, admin) == ["Sales"]


def test_a_note_that_is_refused_is_shown_at_its_field_and_nothing_is_applied(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    page = apply(browser, plan(browser, file_of({})), 422, note="x" * 2_000)

    assert problems(page)[0].startswith("Why: ")
    assert names(console, admin) == []


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_an_exported_file_has_the_agents_of_the_list_and_no_secret_and_its_plan_changes_nothing(
    form: str, console: Flask, admin: Actor, browser: Browser
) -> None:
    make_agent(console, admin, name="Sales", api_key=CANARY, owner="Ada")
    make_agent(console, admin, name="Other")

    page = browser.get("/agents?owner=Ada")
    link = page.root.one("div", class_="page-head").all("a")[2]["href"]
    address = next(a["href"] for a in browser.get(link).root.one("main").all("a") if f".{form}" in a["href"])
    answer = browser.client.get(address, environ_base=browser.environ)

    assert answer.headers["Content-Disposition"].endswith(f".{form}")
    assert CANARY not in answer.text
    assert ("Sales" in answer.text, "Other" in answer.text) == (True, False)
    with console.app_context():
        document = agent_files.export(admin, AgentQuery(owner="Ada"))
    assert answer.text == to_text(document, FileFormat(form))
    assert "Nothing would change" in upload(browser, answer.data, 200).text
    # Browsers send the ends of lines of a pasted text in another form.
    assert "Nothing would change" in plan(browser, answer.text.replace("\n", "\r\n")).text


def test_an_export_that_no_import_reads_is_a_page_that_says_how_to_export_in_parts(
    console: Flask, admin: Actor, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agent(console, admin, name="Sales")
    for name, most, said in (
        ("FILE_AGENTS", 0, "More than 0 agents match."),
        ("FILE_BYTES", 9, "The agents that match need"),
    ):
        with monkeypatch.context() as smaller:
            smaller.setattr(limits, name, most)
            for form in FileFormat:
                page = browser.get(f"/agents/export.{form}", status=422)
                assert said in page.text
                assert TOO_MUCH in page.text


def test_an_export_warns_of_agents_that_share_a_name_and_its_plan_names_them(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    for name, external_id in (("Twice", None), ("Twice", None), ("One", "1"), ("One", None), ("One", "2")):
        make_agent(console, admin, name=name, external_id=external_id)
    api = Client(console, make_token(console, admin, "read"))
    words = ("agents", "export", "--account", str(admin.account_id))

    warned, other = api.get("/agents/export"), api.get("/agents/export?q=One")
    typed = console.test_cli_runner().invoke(args=words)
    said = "1 name is shared by several agents without external_id, so an import refuses them."

    notice = browser.get(FILES).root.one("div", class_="warn")
    assert [name.text for name in notice.all("bdi")] == ["Twice"]
    assert warned.headers["Export-Warning"].startswith(said)
    assert "Export-Warning" not in other.headers
    assert (said in typed.stderr, said in typed.stdout, "Twice" in typed.stderr) == (True, False, True)
    found = problems(plan(browser, warned.text, 422))
    assert sum("2 agents of this file have this name and no external_id." in one for one in found) == 2


@pytest.mark.parametrize("note", ["Key sk-proj-4f9aB27cXw81LqZt93VhYp60RkEm"])
def test_a_note_that_looks_like_a_secret_warns_once_before_the_plan_is_applied(
    note: str, console: Flask, admin: Actor, browser: Browser
) -> None:
    warned = apply(browser, plan(browser, file_of({})), 422, note=note)
    assert "looks like a secret" in warned.root.one("div", id="warnings").text
    assert names(console, admin) == []
    assert "The file was applied: 1 created." in message(apply(browser, warned))

    api, words = Client(console, make_token(console, admin, "write")), ("--account", str(admin.account_id))
    answer = api.post("/agents/import", json.loads(file_of({"owner": "Ada"})), query_string={"note": note})
    runner = console.test_cli_runner()
    typed = runner.invoke(args=["agents", "apply", "-", "--note", note, *words], input=file_of({"owner": "Grace"}))
    assert [one["pointer"] for one in answer.json["warnings"]] == ["/note"]
    assert "Warning: note: " in typed.stderr
    assert note not in typed.stderr + answer.text


def test_an_agent_of_another_account_is_not_matched_and_not_named(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    other = make_user(console)
    foreign: UUID = make_agent(console, other, name="Sales", external_id="shared")

    page = apply(browser, plan(browser, file_of({"external_id": "shared"})))

    assert str(foreign) not in page.html
    assert names(console, other) == ["Sales"]


def test_the_differences_of_another_connection_type_are_shown_as_a_whole(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    make_agent(console, admin, name="Sales", connection_type="POWERBI")

    page = plan(browser, file_of({}))

    change = page.root.one("details", class_="group")
    assert "contoso.example.org" in "".join(part.text for part in change.all("del"))
    assert "db.example.org" in "".join(part.text for part in change.all("ins"))
