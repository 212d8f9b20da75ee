"""Many writers change the same agents at once, at every door: no change is lost, and each version has one author."""

import itertools
import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Agent, AgentVersion, Event
from agents_app.operations import agent_files
from agents_app.operations import agent_states as states
from agents_app.operations.permissions import Actor
from agents_app.schemas.agent_files import FORMAT
from tests.cli.conftest import PATIENCE_S, Checkout, Server, free_port, wait_for
from tests.conftest import OpenConsole
from tests.make import KEYS, PASSWORD, agent_values, make_agent, make_token, make_user
from tests.operations.test_killed_applies import start
from tests.web.conftest import _Parser, fields_of

AGENTS = 2
# One process applies the files, so with it fifty write at once.
PATCHES, FORMS, BULKS, IMPORTS, FILES = 18, 16, 11, 4, 5
MANY = 300
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
# What says that another was faster, or that the database is busy: then the client repeats.
AGAIN = (409, 412, 503)


@dataclass
class Writers:
    """Clients of one server. Each writes a mark of its own into every agent."""

    server: Server
    admin: Actor
    token: str
    agents: list[UUID]
    document: dict[str, Any]
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    cookies: CookieJar = field(default_factory=CookieJar)

    def sign_in(self) -> None:
        """Start the session that all forms use."""
        opener = _opener(self.cookies)
        values = {"email": self.admin.email or "", "password": PASSWORD}
        assert self._submit(opener, "/sign-in", self._send(opener, "/sign-in")[2], values) == 303

    def run(self, write: Callable[[int], None], number: int) -> None:
        """Run a writer, and note why it ended early."""
        try:
            write(number)
        except Exception as error:
            self.problems.append(f"{write.__name__} {number}: {error!r}")

    def patch(self, number: int) -> None:
        """Add a line to the instructions of each agent, over JSON with If-Match."""
        for agent_id in self._in_turn(number):
            while True:
                status, tag, body = self.api("GET", f"/agents/{agent_id}")
                if status != 200:
                    continue
                lines = f"{json.loads(body)['system_instructions'] or ''}\npatch-{number}"
                change = {"system_instructions": lines.strip()}
                if self.api("PATCH", f"/agents/{agent_id}", change, {"If-Match": tag})[0] == 200:
                    break

    def form(self, number: int) -> None:
        """Add a line to the instructions of each agent, in the form of its page."""
        jar = CookieJar()
        for cookie in self.cookies:
            jar.set_cookie(cookie)
        opener = _opener(jar)
        for agent_id in self._in_turn(number):
            path = f"/agents/{agent_id}/edit"
            while True:
                status, _, page = self._send(opener, path)
                if status != 200:
                    continue
                form = next(one for one in _Parser(page).root.all("form") if one["action"].startswith(path))
                lines = f"{fields_of(form)['system_instructions']}\nform-{number}"
                if self._submit(opener, path, page, {"system_instructions": lines.strip()}) == 303:
                    break

    def bulk(self, number: int) -> None:
        """Give every agent a label, in one act."""
        left = {str(one) for one in self.agents}
        while left:
            act = {"act": "set_labels", "ids": sorted(left), "labels": {f"bulk-{number}": "1"}}
            status, _, body = self.api("POST", "/agents/bulk", act)
            if status == 200:
                left -= {one["id"] for name in ("changed", "unchanged") for one in json.loads(body)[name]}

    def import_file(self, number: int) -> None:
        """Apply a file that gives every agent a description and nothing else, over JSON."""
        agents = [agent | {"description": f"import-{number}"} for agent in self.document["agents"]]
        while self.api("POST", "/agents/import", self.document | {"agents": agents})[0] != 200:
            pass

    def api(
        self, method: str, path: str, json_body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str, str]:
        """The status, the ETag and the body of a response of the JSON API."""
        body = None if json_body is None else json.dumps(json_body).encode()
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(f"{self.server.url}/api/v1{path}", body, sent, method=method)
        return self._open(urllib.request.build_opener(), request)

    def _send(self, opener: Any, path: str, values: Any = None) -> tuple[int, str, str]:
        body = None if values is None else urllib.parse.urlencode(values).encode()
        return self._open(
            opener, urllib.request.Request(self.server.url + path, body, {"Sec-Fetch-Site": "same-origin"})
        )

    def _submit(self, opener: Any, path: str, page: str, changes: dict[str, str]) -> int:
        form = next(one for one in _Parser(page).root.all("form") if one["action"].startswith(path))
        values = [(name, value) for name, value in fields_of(form).items(multi=True) if name not in changes]
        return self._send(opener, form["action"], [*values, *changes.items()])[0]

    def _open(self, opener: Any, request: Any) -> tuple[int, str, str]:
        try:
            with opener.open(request, timeout=PATIENCE_S) as answer:
                found = answer.status, answer.headers.get("ETag", ""), answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                found = refusal.code, "", refusal.read().decode()
            if refusal.code == 503 and not refusal.headers.get("Retry-After"):
                self.problems.append("503 without Retry-After")
        self.statuses[found[0]] += 1
        if found[0] not in (200, 303, *AGAIN):
            self.problems.append(f"{found[0]} {request.full_url} {found[2][:300]}")
            raise AssertionError(self.problems[-1])
        return found

    def _in_turn(self, number: int) -> list[UUID]:
        return [self.agents[(number + place) % len(self.agents)] for place in range(len(self.agents))]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_given: Any) -> None:
        return None


def _opener(jar: CookieJar) -> urllib.request.OpenerDirector:
    """A browser with these cookies."""
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), _NoRedirect)


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Flask:
    return open_console(schema_url)


@pytest.fixture
def writers(app: Flask, checkout: Checkout, schema_url: str, serve: Callable[..., Server]) -> Writers:
    admin = make_user(app)
    agents = [make_agent(app, admin, name=f"Agent {n}", external_id=f"id-{n}") for n in range(AGENTS)]
    token = make_token(app, admin, "read", "write")
    with app.app_context():
        document = agent_files.export(admin)
    checkout.settings.update(KEYS, DATABASE_URL=schema_url, BIND=f"127.0.0.1:{free_port()}", WORKERS="2")
    server = serve(checkout)
    # A server whose output is read by nobody stops when the pipe is full.
    threading.Thread(target=server.process.stdout.read, daemon=True).start()
    return Writers(server, admin, token, agents, document)


def start_applies(writers: Writers, url: str, folder: Path) -> "subprocess.Popen[str]":
    """A process that applies files, one after the other. Each gives every agent a description and nothing else."""
    paths = [folder / f"file-{number}.json" for number in range(FILES)]
    for path in paths:
        agents = [agent | {"description": path.stem} for agent in writers.document["agents"]]
        path.write_text(json.dumps(writers.document | {"agents": agents}))
    return start("apply", url, writers.admin, *paths)


@pytest.mark.long
def test_fifty_writers_at_once_lose_no_change(app: Flask, writers: Writers, schema_url: str, tmp_path: Path) -> None:
    kinds = (
        (writers.patch, PATCHES),
        (writers.form, FORMS),
        (writers.bulk, BULKS),
        (writers.import_file, IMPORTS),
    )
    threads = [
        threading.Thread(target=writers.run, args=(write, one)) for write, times in kinds for one in range(times)
    ]
    writers.sign_in()
    with start_applies(writers, schema_url, tmp_path) as applies:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        printed, _ = applies.communicate()

    assert (writers.problems, applies.returncode, len(printed.split())) == ([], 0, 2 * FILES)
    assert deadlocks(app) == 0
    for agent_id in writers.agents:
        check_history(app, agent_id)


@pytest.mark.long
def test_files_with_the_same_new_agents_in_another_order_do_not_block_each_other(
    postgres_schema_url: str, open_console: OpenConsole, tmp_path: Path
) -> None:
    app = open_console(postgres_schema_url)
    admin, paths = make_user(app), [tmp_path / "file-0.json", tmp_path / "file-1.json"]
    # The first agent of a database also stores its key, for which others would wait.
    make_agent(app, admin)
    # More than one statement inserts.
    agents = [{**agent_values(name=f"Agent {number}"), "external_id": f"id-{number:04}"} for number in range(1_100)]
    for path, ordered in zip(paths, (agents, agents[::-1]), strict=True):
        path.write_text(json.dumps({"format": FORMAT, "agents": ordered}))

    with start("stepwise", postgres_schema_url, admin, paths[0]) as first:
        assert first.stdin
        assert first.stdout
        inserts = 0
        while inserts < 2:
            inserts += first.stdout.readline() == "INSERT INTO agents\n"
            first.stdin.write("\n" if inserts < 2 else "")
            first.stdin.flush()
        second = start("apply", postgres_schema_url, admin, paths[1])
        wait_for(lambda: number_of(app, WAITING) > 0)
        first.communicate("\n" * 200)
    printed, _ = second.communicate()

    # The second one finds the agents of the first.
    assert (printed, deadlocks(app)) == ("file-1 0\n", 0)


@pytest.mark.long
def test_after_a_worker_is_killed_each_agent_of_a_bulk_act_is_changed_with_its_history_or_untouched(
    app: Flask, writers: Writers
) -> None:
    agents = [make_agent(app, writers.admin, name=f"Agent {number}") for number in range(MANY)]
    act = {"act": "set_owner", "ids": [str(one) for one in agents], "owner": "Ada"}
    # To find the workers takes longer than to change all agents.
    workers = writers.server.workers()
    changing = threading.Thread(target=writers.run, args=(lambda _number: writers.api("POST", "/agents/bulk", act), 0))
    changing.start()
    # The first batch is stored, and the others are not.
    wait_for(lambda: changed_agents(app, agents) > 0)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    changing.join()

    found = changed_agents(app, agents)
    assert 0 < found < MANY
    for agent_id in agents:
        check_numbers(app, agent_id)
    wait_for(lambda: writers.server.answers("/healthz"))
    status, _, body = writers.api("POST", "/agents/bulk", act)
    assert (status, json.loads(body)["counts"]) == (200, {"changed": MANY - found, "unchanged": found, "failed": 0})


def changed_agents(app: Flask, agents: list[UUID]) -> int:
    """How many of these agents are at version 2."""
    with app.app_context(), db.reading() as connection:
        changed = sa.select(sa.func.count()).select_from(Agent).where(Agent.id.in_(agents), Agent.version == 2)
        return connection.scalar(changed) or 0


def deadlocks(app: Flask) -> int:
    """How many deadlocks PostgreSQL has ended in this database. SQLite has none."""
    return number_of(app, DEADLOCKS)


def number_of(app: Flask, statement: str) -> int:
    """What a statement on the views of PostgreSQL finds. 0 on SQLite."""
    with app.app_context(), db.reading() as connection:
        return 0 if connection.dialect.name == "sqlite" else connection.scalar(sa.text(statement)) or 0


def check_history(app: Flask, agent_id: UUID) -> None:
    """Check that each version of an agent is the one before it with the change of its one author."""
    versions = check_numbers(app, agent_id)
    marks = [mark_of(before.snapshot, after.snapshot) for before, after in itertools.pairwise(versions)]
    assert sorted(marks) == sorted(expected_marks())


def check_numbers(app: Flask, agent_id: UUID) -> Sequence[AgentVersion]:
    """Check that an agent has every version once, each with one event of the same author, and is as the last one."""
    with app.app_context(), db.transaction() as session:
        versions = session.scalars(
            sa.select(AgentVersion).where(AgentVersion.agent_id == agent_id).order_by(AgentVersion.version)
        ).all()
        events = session.scalars(sa.select(Event).where(Event.target_id == agent_id)).all()
        agent = session.get_one(Agent, agent_id)
        now_stored, number = states.of_agent(agent).snapshot(), agent.version
    assert [one.version for one in versions] == list(range(1, number + 1))
    assert sorted((one.details["version"], one.actor_name, one.door) for one in events) == [
        (one.version, one.actor_name, one.door) for one in versions
    ]
    assert now_stored.items() <= versions[-1].snapshot.items()
    return versions


def expected_marks() -> Iterator[str]:
    """The marks that the writers leave in every agent."""
    kinds = (("patch", PATCHES), ("form", FORMS), ("bulk", BULKS), ("import", IMPORTS), ("file", FILES))
    for kind, times in kinds:
        yield from (f"{kind}-{number}" for number in range(times))


def mark_of(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The mark of the writer of a version, which must be all that the version changed."""
    changed = {name for name in after if after[name] != before.get(name)}
    if "description" in changed:
        assert (after["system_instructions"], after["labels"]) == (None, {})
        return str(after["description"])
    if changed == {"labels"}:
        assert before["labels"].items() <= after["labels"].items()
        (mark,) = after["labels"].keys() - before["labels"].keys()
        return str(mark)
    assert changed == {"system_instructions"}
    lines, old = after["system_instructions"].split("\n"), before["system_instructions"]
    assert lines[:-1] == (old.split("\n") if old else [])
    return str(lines[-1])
