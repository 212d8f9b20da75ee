"""`flask events export`: every event of the account once, in the order of time, as lines of JSON or as CSV."""

import csv
import io
import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

from agents_app.db import db
from agents_app.models import Event
from agents_app.operations import event_exports
from agents_app.operations.permissions import Actor
from agents_app.schemas.events import ENDS_BEFORE_IT_BEGINS, parse_query
from tests.cli.conftest import Terminal
from tests.conftest import OpenConsole
from tests.make import make_account, make_agent, make_user
from tests.many_events import START, add_events, break_after_a_batch


def lines(result: Result) -> list[dict[str, Any]]:
    """The objects that the command printed."""
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--since", "yesterday"), "  since: Write a day as YYYY-MM-DD, or a time with its zone"),
        (("--since", "2026-03-01T12:00"), "  since: Write a day as YYYY-MM-DD, or a time with its zone"),
        (("--until", "2026-02-30"), "  until: There is no such day or time."),
        (("--until", "2026-02-03T25:00Z"), "  until: There is no such day or time."),
        (("--since", "0001-01-01T00:00:00+09:00"), "  since: There is no such day or time."),
        (("--since", "2026-11-28", "--until", "2026-11-27"), f"  until: {ENDS_BEFORE_IT_BEGINS}"),
        (("--since", "2026-11-28T00:00Z", "--until", "2026-11-27"), f"  until: {ENDS_BEFORE_IT_BEGINS}"),
        (("--since", "2026-11-28", "--until", "2026-11-28T01:00+02:00"), f"  until: {ENDS_BEFORE_IT_BEGINS}"),
        (("--since", "2026-11-28", "--until", "2026-11-27", "--door", "window"), f"  until: {ENDS_BEFORE_IT_BEGINS}"),
        (("--door", "window"), "  door: "),
    ],
    ids=" ".join,
)
def test_an_invalid_query_of_an_export_is_refused(terminal: Terminal, words: tuple[str, ...], sentence: str) -> None:
    result = terminal("events", "export", *words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert any(line.startswith(sentence) for line in result.stderr.splitlines())


def test_a_file_that_cannot_be_written_is_refused_with_its_name(terminal: Terminal, tmp_path: Path) -> None:
    for file, cause in ((tmp_path / "missing" / "a.csv", "No such file or directory"), (tmp_path, "Is a directory")):
        result = terminal("events", "export", "--output", file)

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"Error: {file} cannot be written: {cause}.\n"
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_file_as_it_was(
    open_console: OpenConsole, schema_url: str, tmp_path: Path
) -> None:
    app = open_console(schema_url)
    terminal = Terminal(app, make_account(app))
    break_after_a_batch(app, terminal.account_id)
    file = tmp_path / "export" / "events.jsonl"
    file.parent.mkdir()
    file.write_text("the export of yesterday")

    to_file, printed = terminal("events", "export", "--output", file), terminal("events", "export")

    assert (to_file.exit_code, printed.exit_code) == (1, 1)
    assert (to_file.stdout, len(printed.stdout.splitlines())) == ("", event_exports.BATCH)
    assert "Exported" not in to_file.stderr + printed.stderr
    assert (file.read_text(), list(file.parent.iterdir())) == ("the export of yesterday", [file])


def test_an_export_has_no_events_of_other_accounts_and_none_without_account(terminal: Terminal) -> None:
    make_agent(terminal.app, make_user(terminal.app, name="Mallory"), name="Foreign")
    add_events(terminal.app, make_account(terminal.app), 3)

    assert lines(terminal("events", "export")) == []
    assert terminal("events", "export").stderr == "Exported 0 events.\n"
    headings = terminal("events", "export", "--format", "csv").stdout
    assert headings.startswith('"id","created_at","actor_name","user_id","token_id","door","address","request_id"')


def test_each_line_says_who_did_what_when_and_from_where(terminal: Terminal, tmp_path: Path) -> None:
    person = make_user(terminal.app, account_id=terminal.account_id, name="Grace")
    agent_id = make_agent(terminal.app, person, name="Salés", api_key="sk-canary-0123456789")
    token_id, name = uuid.uuid4(), "=cmd|' /C calc'!A0"
    by_token = {"door": "token", "token_id": token_id, "address": "192.0.2.7", "request_id": "f" * 32}
    refusal = {"action": "access.denied", "details": {"asked": "DELETE", "detail": "-1+1", "count": 7}}
    add_events(terminal.app, terminal.account_id, 1, actor_name=name, **by_token, **refusal)

    denied, made = lines(terminal("events", "export"))

    assert set(denied) == set(made)
    assert denied == {**denied, "actor_name": name, "token_id": str(token_id), "user_id": None, "door": "token"}
    assert (denied["address"], denied["request_id"]) == ("192.0.2.7", "f" * 32)
    assert (denied["created_at"], denied["details"]["count"]) == ("2026-03-01T12:00:00+00:00", 7)
    assert made == {**made, "action": "agent.created", "user_id": str(person.user_id), "actor_name": "Grace"}
    assert (made["target_kind"], made["target_id"], made["target_name"]) == ("agent", str(agent_id), "Salés")
    assert made["changes"]["secrets"] == {"/api_key": "set"}
    file = tmp_path / "events.csv"
    assert terminal("events", "export", "--format", "csv", "--output", file).stderr == "Exported 2 events.\n"
    cells = rows(file.read_text(encoding="utf-8"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert "canary" not in file.read_text(encoding="utf-8")
    assert (cells[0]["actor_name"], cells[1]["target_name"]) == (f"'{name}", "Salés")
    assert json.loads(cells[0]["details"]) == denied["details"]
    assert list(cells[0]) == list(denied)


def test_the_times_and_filters_of_an_export_are_those_of_the_list(terminal: Terminal) -> None:
    first, *others = add_events(terminal.app, terminal.account_id, 1)
    later = add_events(terminal.app, terminal.account_id, 1, created_at=START + timedelta(hours=1))
    late = add_events(terminal.app, terminal.account_id, 1, created_at=START + timedelta(days=1), actor_name="Éclair")

    def ids(*words: str) -> list[str]:
        return [item["id"] for item in lines(terminal("events", "export", *words))]

    assert ids("--since", "2026-03-01", "--until", "2026-03-01") == [first, *others, *later]
    assert ids("--until", "2026-03-01T13:00:00Z") == [first]
    assert ids("--since", "2026-03-01T14:00:00+01:00") == [*later, *late]
    assert ids("--q", "eclair") == late
    assert ids("--about", "agent") == []
    assert terminal.json("events", "list", "--since", "2026-03-02T00:00:00Z")["items"][0]["id"] == late[0]


def test_the_former_name_of_the_commands_still_works(terminal: Terminal) -> None:
    found = add_events(terminal.app, terminal.account_id, 1)

    assert [item["id"] for item in lines(terminal("activity", "export"))] == found
    assert "activity" not in terminal.app.test_cli_runner().invoke(args=["--help"]).stdout


@pytest.mark.long
def test_twenty_five_thousand_events_are_exported_once_each_in_the_order_of_time(terminal: Terminal) -> None:
    stored = add_events(terminal.app, terminal.account_id, 25_000)

    result = terminal("events", "export")

    assert [item["id"] for item in lines(result)] == stored
    assert result.stderr == "Exported 25,000 events.\n"


@pytest.mark.parametrize("newest_first", [False, True])
def test_events_and_purges_during_an_export_neither_duplicate_nor_lose_events(
    newest_first: bool, console: Flask, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_exports, "BATCH", 4)
    stored = add_events(console, admin.account_id, 21)
    expected = stored[::-1] if newest_first else stored

    with console.app_context():
        found = event_exports.export(admin, parse_query({}), newest_first=newest_first)
        seen = [str(next(found)["id"])]
        for seconds in (-1, 1):
            add_events(console, admin.account_id, 9, created_at=START + timedelta(seconds=seconds))
        with db.transaction() as session:
            session.execute(sa.delete(Event).where(Event.id == uuid.UUID(seen[0])))
        seen += [str(item["id"]) for item in found]

    assert len(seen) == len(set(seen))
    assert [event for event in seen if event in stored] == expected
