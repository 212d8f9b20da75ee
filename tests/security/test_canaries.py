"""Sample secrets are sent through every door and then searched in every place where no secret may be."""

import io
import json
import logging
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.connections import TYPES
from agents_app.database.url import parse_url
from agents_app.db import Base, db
from agents_app.logs import JsonFormatter
from agents_app.models import AgentVersion, Event
from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.change_notes import SECRET
from tests.api.conftest import Client
from tests.conftest import OpenConsole
from tests.make import DATABASE, KEYS, POWER_BI, agent_values, make_agent, make_token, make_user
from tests.pem import private_key
from tests.postgres import client_program
from tests.security.conftest import Caller

PEM_BODY = private_key().splitlines()[1]
CANARIES = {
    "api_key": "canary-api-key-7f3a91",
    "password": "canary-password-51bd02 ü",
    "client_secret": "canary-client-secret-c40e77",
    "private_key_pem": private_key(),
    "private_key_password": "canary-key-password-9921aa",
}
PHRASE = "canary pass phrase 27"
# Parts of the sample secrets that an incomplete removal would leave.
TRACES = ["canary-api", "canary-pass", "canary-client", "canary-key", "canary pass", PEM_BODY, *KEYS.values()]
BEFORE_AGENTS = "3b1f07c5d2a9"
EXPORTS = tuple(f"/agents/export.{form}" for form in ("csv", "json", "yaml"))


@dataclass
class RecordedConsole:
    """A console of its own that records every response. `shown_once` has secrets that one response may show."""

    app: Flask
    url: str
    admin: Actor
    answers: list[str] = field(default_factory=list)
    shown_once: list[str] = field(default_factory=list)

    def note(self, text: str, *once: str) -> str:
        """Record a response without the secrets that it may show."""
        for secret in once:
            assert secret in text
            self.shown_once.append(secret)
            text = text.replace(secret, "")
        self.answers.append(text)
        return text

    def type(self, *words: str, stdin: str = "") -> str:
        """Run a command, and return its output."""
        result = self.app.test_cli_runner().invoke(args=words, input=stdin)
        return str(result.output)


@pytest.fixture
def recorded(schema_url: str, tmp_path: Path, open_console: OpenConsole) -> RecordedConsole:
    """The app on a database of its own, which is searched as a whole."""
    app = open_console(schema_url, BACKUP_FOLDER=str(tmp_path / "backups"), LOG_LEVEL="debug")
    return RecordedConsole(app, schema_url, make_user(app))


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Every log line, also the debug lines of libraries."""
    text, root, ours = io.StringIO(), logging.getLogger(), logging.getLogger("agents_app")
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonFormatter())
    before = root.level
    for logger in (root, ours):
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield text
    for logger in (root, ours):
        logger.removeHandler(handler)
    root.setLevel(before)


def of_type(kind: str) -> dict[str, Any]:
    """An agent of this type, every secret a canary."""
    names = TYPES[kind].secret_names()
    return agent_values(
        connection_type=kind,
        api_key=CANARIES["api_key"],
        connection_config={name: CANARIES[name] for name in names},
    )


def test_there_is_a_canary_for_every_secret() -> None:
    assert set(CANARIES) == {"api_key"} | {
        name for declaration in TYPES.values() for name in declaration.secret_names()
    }


def by_programs(recorded: RecordedConsole) -> None:
    """Create, change and delete two agents through the API, with errors, but without runtime responses."""
    token = make_token(recorded.app, recorded.admin, "write", "runtime")
    recorded.shown_once += [token, token.partition(".")[2][:40]]
    api = Client(recorded.app, token)
    for values in map(of_type, TYPES):
        key = {"Idempotency-Key": values["connection_type"]}
        answer = api.post("/agents", values, headers=key)
        path = f"/agents/{answer.json['id']}"
        responses = [
            answer,
            api.post("/agents", values, headers=key),
            api.post("/agents", {**values, "api_key": "sk-other"}, headers=key),
            api.post("/agents", {**values, "name": ""}),
            api.post("/agents", {**values, "color": CANARIES["password"]}),
            api.post("/agents", {**values, "connection_config": CANARIES["password"]}),
            api.post("/agents", {**values, "api_key": {"$enc": CANARIES["api_key"]}}),
            api.post("/agents", {**values, "api_key": [CANARIES["api_key"]]}),
            api.post("/agents", data=f'{{"api_key": "{CANARIES["api_key"]}"', content_type="application/json"),
            api.post("/agents", data=CANARIES["api_key"], content_type="text/plain"),
            api.patch(path, {"connection_config": {"host": "other.example.org", "tenant_id": "x.example.org"}}),
            api.patch(path, {**values, "description": "Again"}),
            api.post(f"{path}/clone"),
            api.post(f"{path}/disable", {"reason": "Moving."}),
            api.get(path),
            api.get("/agents"),
            api.get("/me"),
            api.delete(path),
            Client(recorded.app, CANARIES["api_key"]).get("/me"),
        ]
        recorded.answers += [answer.text for answer in responses]


def on_pages(recorded: RecordedConsole) -> None:
    """Do the same on pages, with people, links, passwords and tokens."""
    caller = Caller(recorded.app, recorded.admin)
    keep = [f"{kind}-{name}" for kind in TYPES for name in TYPES[kind].secret_names()]
    given: dict[str, object] = {f"DB-{name}": value for name, value in DATABASE.items()}
    given |= {f"POWERBI-{name}": value for name, value in POWER_BI.items()}
    given |= {name: CANARIES[name.partition("-")[2]] for name in keep} | {"api_key": CANARIES["api_key"]}
    given |= {f"{name}-act": "replace" for name in (*keep, "api_key")} | {"name": "By page", "version": "1"}
    for kind in TYPES:
        made = caller.ask("POST", "/agents/new", {**given, "connection_type": kind})
        path = re.sub(r"\?.*", "", made.headers["Location"])
        for step in (
            ("POST", "/agents/new", {**given, "connection_type": kind, "name": ""}),
            ("GET", path),
            ("GET", f"{path}/edit"),
            ("POST", f"{path}/edit", {**given, "connection_type": kind, "name": ""}),
            ("POST", f"{path}/edit", {**given, "connection_type": kind, "description": "Again"}),
            ("POST", f"{path}/edit", {**given, "connection_type": kind, "description": "Stale"}),
            ("POST", f"{path}/clone", {}),
            ("GET", "/agents"),
            ("GET", f"/agents?q={CANARIES['api_key'][:6]}x"),
        ):
            recorded.note(caller.ask(*step).text)
    _people(recorded, caller)
    for address in ("/activity", "/activity/export", *EXPORTS, f"{path}/versions/1", f"{path}/versions/2"):
        recorded.note(caller.ask("GET", address).text)


def _people(recorded: RecordedConsole, caller: Caller) -> None:
    made = caller.ask("POST", "/tokens/new", {"name": "ci", "scopes": "write"}).text
    token = re.findall(r"agc_\w{12}\.\w{46}", made)[0]
    recorded.note(made, token)
    invited = caller.ask("POST", "/people/invite", {"role": "viewer"}).text
    code = re.findall(r"/join\?code=([\w-]+)", invited)[0]
    recorded.note(invited, code)
    guest = Caller(recorded.app)
    joining = {"code": code, "name": "Grace", "email": "grace@example.org", "password": PHRASE}
    recorded.note(guest.ask("GET", f"/join?code={code}").text.replace(code, ""))
    recorded.note(guest.ask("POST", "/join", {**joining, "email": "grace"}).text.replace(code, ""))
    recorded.note(guest.ask("POST", "/join", joining).text)
    guess = {"email": "grace@example.org", "password": f"{PHRASE} wrong"}
    recorded.note(Caller(recorded.app).ask("POST", "/sign-in", guess).text)
    recorded.note(guest.ask("POST", "/profile", {"current_password": PHRASE, "password": PHRASE[:9]}).text)
    recorded.note(guest.ask("POST", "/profile", {"current_password": PHRASE, "password": f"{PHRASE} new"}).text)
    for page in ("/profile", "/people", "/tokens", "/account"):
        recorded.note(caller.ask("GET", page).text)


def at_the_terminal(recorded: RecordedConsole) -> None:
    """Do the same with commands."""
    account = ("--account", str(recorded.admin.account_id))
    for kind in TYPES:
        values = json.dumps(of_type(kind))
        agent_id = recorded.note(recorded.type("agents", "create", "--file", "-", *account, stdin=values)).strip()
        recorded.note(
            recorded.type("agents", "create", "--file", "-", *account, stdin=values.replace('"Sales"', '""', 1))
        )
        recorded.note(recorded.type("agents", "create", "--file", "-", *account, stdin=values[:-2]))
        secrets = json.dumps({"api_key": CANARIES["api_key"]})
        recorded.note(recorded.type("agents", "update", agent_id, "--secrets-stdin", *account, stdin=secrets))
        recorded.note(recorded.type("agents", "create", "--api-key", CANARIES["api_key"], *account))
        for words in (("agents", "show", agent_id), ("agents", "list"), ("events", "list"), ("tokens", "list")):
            recorded.note(recorded.type(*words, "--json", *account))
        for form in ("jsonl", "csv"):
            recorded.note(recorded.type("events", "export", "--format", form, *account))
    token = recorded.type("tokens", "create", "--name", "ops", "--scope", "runtime", *account)
    recorded.note(token, re.findall(r"agc_\w{12}\.\w{46}", token)[0])
    link = recorded.type("users", "reset-password", recorded.admin.email, *account)
    recorded.note(link, re.findall(r"code=([\w-]+)", link)[0])
    for words in (("users", "list", *account), ("secrets", "status"), ("secrets", "verify"), ("secrets", "rotate")):
        recorded.note(recorded.type(*words))


def in_notes(recorded: RecordedConsole) -> None:
    """Repeat each secret in the note of the change that sets it, at every door. Every one is refused."""
    api = Client(recorded.app, make_token(recorded.app, recorded.admin, "write"))
    caller = Caller(recorded.app, recorded.admin)
    account = ("--account", str(recorded.admin.account_id))
    for kind in TYPES:
        values, agent_id = of_type(kind), str(make_agent(recorded.app, recorded.admin, connection_type=kind))
        config = {name: values[CONFIG][name] for name in TYPES[kind].secret_names()}
        secrets = {"api_key": values["api_key"], CONFIG: config}
        form: dict[str, object] = {f"{kind}-{name}": value for name, value in values[CONFIG].items()}
        form |= {f"{kind}-{name}-act": "replace" for name in config} | {"api_key-act": "replace", "version": "1"}
        form |= {"name": "Renamed", "connection_type": kind, "api_key": values["api_key"]}
        for name, secret in {"api_key": values["api_key"], **config}.items():
            note = {"note": f"It was {PEM_BODY if PEM_BODY in secret else secret}."}
            # The form has the secrets of one way to sign in.
            form["POWERBI-auth_method"] = "certificate" if name.startswith("private_key") else "client_secret"
            file = json.dumps(values | note)
            answers = [
                api.post("/agents", values | note),
                api.patch(f"/agents/{agent_id}", values | note),
                api.post(f"/agents/{agent_id}/versions/1/restore", secrets | note),
                caller.ask("POST", "/agents/new", form | note),
                caller.ask("POST", f"/agents/{agent_id}/edit", form | note),
            ]
            assert {answer.status_code for answer in answers} == {422}
            typed = [
                recorded.type("agents", *words, "--file", "-", *account, stdin=file)
                for words in (("create",), ("update", agent_id))
            ]
            for text in (*(answer.text for answer in answers), *typed):
                assert SECRET in recorded.note(text)
        api.delete(f"/agents/{agent_id}")


def while_it_breaks(recorded: RecordedConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cause errors of each kind while secrets are processed."""
    api = Client(recorded.app, make_token(recorded.app, recorded.admin, "write"))
    caller = Caller(recorded.app, recorded.admin)
    values = of_type("DB")
    form = {**{f"DB-{name}": text for name, text in values["connection_config"].items()}, "connection_type": "DB"}
    form |= {"name": "Sales", "api_key": CANARIES["api_key"]}

    def broken(*_given: Any, **_more: Any) -> None:
        raise RuntimeError("nobody knows why")

    for failure in (broken, lambda session, *_given, **_more: session.execute(sa.text("SELECT nothing"))):
        monkeypatch.setattr(agents, "write", failure)
        for answer in (api.post("/agents", values), caller.ask("POST", "/agents/new", form)):
            assert answer.status_code in (500, 503)
            recorded.note(answer.text)
        recorded.note(
            recorded.type(
                "agents", "create", "--file", "-", "--account", str(recorded.admin.account_id), stdin=json.dumps(values)
            )
        )
    monkeypatch.undo()


def everything_stored(recorded: RecordedConsole) -> bytes:
    """Every text of every table, and on SQLite every byte of its files."""
    with recorded.app.app_context(), db.reading() as connection:
        tables = Base.metadata.tables.values()
        # As tuples, because a row is shortened in its text.
        rows = [str(tuple(row)).encode() for table in tables for row in connection.execute(sa.select(table))]
    file = Path(parse_url(recorded.url).database or "")
    database_files = file.parent.glob(f"{file.name}*") if recorded.url.startswith("sqlite") else []
    return b"\n".join([*rows, *(one.read_bytes() for one in database_files)])


def everything_backed_up(recorded: RecordedConsole, folder: Path) -> bytes:
    """A backup, a dump in plain text, and the rows that a migration saves before it drops their table."""
    backup = folder / "whole.dump"
    recorded.note(recorded.type("db", "backup", str(backup)))
    assert backup.is_file()
    plain = b""
    if recorded.url.startswith("postgresql"):
        plain = subprocess.run(
            [client_program("pg_restore"), "--file=-", backup], check=True, capture_output=True
        ).stdout
        assert b"COPY public.agents" in plain
    recorded.note(recorded.type("db", "downgrade", BEFORE_AGENTS))
    saved = [path for path in (folder / "backups").rglob("*") if path.is_file()]
    assert any("agents" in path.read_text() for path in saved)
    return b"\n".join([backup.read_bytes(), plain, *(path.read_bytes() for path in saved)])


def traces_in(content: bytes | str, *more: str) -> list[str]:
    """The sample secrets that are found, also as escaped in JSON and URLs."""
    sought = content.encode() if isinstance(content, str) else content
    return [trace for trace in (*TRACES, *more) if trace.encode() in sought]


def test_no_secret_is_returned_logged_stored_or_backed_up(
    recorded: RecordedConsole, lines: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_programs(recorded)
    on_pages(recorded)
    at_the_terminal(recorded)
    in_notes(recorded)
    while_it_breaks(recorded, monkeypatch)
    api = Client(recorded.app, make_token(recorded.app, recorded.admin, "write", "runtime"))
    left = api.get("/agents").json["items"]
    clear = [api.get(f"/agents/{agent['id']}/runtime").json for agent in left]
    stored = everything_stored(recorded)
    backed_up = everything_backed_up(recorded, tmp_path)

    assert len(clear) == 2 * 4, "of each type one over JSON, two by pages and one by the terminal are left"
    assert {one["api_key"] for one in clear} == {CANARIES["api_key"]}
    assert traces_in("\n".join(recorded.answers), *recorded.shown_once) == []
    assert traces_in(lines.getvalue(), *recorded.shown_once) == []
    assert "/api/v1/agents" in lines.getvalue()
    assert "nobody knows why" in lines.getvalue()
    assert traces_in(stored, *recorded.shown_once) == []
    assert b"agent.fetched" in stored
    assert traces_in(backed_up, *recorded.shown_once) == []


def test_a_search_for_canaries_finds_them_where_they_are(recorded: RecordedConsole) -> None:
    api = Client(recorded.app, make_token(recorded.app, recorded.admin, "write"))

    made = api.post("/agents", agent_values(description=CANARIES["client_secret"], note=CANARIES["api_key"]))
    api("DELETE", f"/agents/{made.json['id']}", {"note": CANARIES["private_key_password"]})
    with recorded.app.app_context(), db.reading() as connection:
        notes = [str([*connection.scalars(sa.select(column))]) for column in (AgentVersion.note, Event.details)]

    assert traces_in(everything_stored(recorded)) == ["canary-api", "canary-client", "canary-key"]
    assert [traces_in(stored) for stored in notes] == [["canary-api", "canary-key"]] * 2
