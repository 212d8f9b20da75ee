"""Tests of agents with a rogue server, a killed process, or changes and deletions at the same time."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import NotFound, Throttled
from agents_app.models import ConnectionTest, Event, StartedTest
from agents_app.operations import agent_reads, agents, connection_tests
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.conftest import OpenConsole
from tests.make import PASSWORD as PASSWORD_OF_USERS
from tests.make import agent_values, make_agent, make_token, make_user
from tests.operations.tested_agents import KEY, SilentServer, add_started, last_test, make_tested, start
from tests.probes.local_server import Reply, running
from tests.project import shared_copy
from tests.web.conftest import Browser

SERVER = """
import sys
from uuid import UUID
from agents_app.operations import connection_tests
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door, Role
from tests import make
url, account_id, user_id, agent_id = sys.argv[1:]
with make.make_app(url).app_context():
    actor = Actor(UUID(account_id), "Admin", Door.PAGE, user_id=UUID(user_id), role=Role.ADMIN)
    connection_tests.run(actor, UUID(agent_id))
"""


def events(action: str, agent_id: UUID) -> int:
    """The number of events of an agent with this action."""
    query = sa.select(sa.func.count()).where(Event.action == action, Event.target_id == agent_id)
    with db.reading() as connection:
        return connection.scalar(query) or 0


def test_a_secret_that_a_server_sends_back_is_shown_nowhere(
    console: Flask,
    admin: Actor,
    closed_port: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = {"host": "127.0.0.1", "port": closed_port}
    values: dict[str, Any] = {
        "connection_config": config,
        "model_provider": "openai_compatible",
        "model_type": KEY[:-1],
    }
    api, browser = Client(console, make_token(console, admin, "write")), Browser(console)
    browser.send("/sign-in", email=admin.email, password=PASSWORD_OF_USERS)

    with running(None, tmp_path) as server:
        # A result shows names in the list of models.
        server.answer = lambda _: Reply(body={"data": [{"id": KEY}]})
        values |= {"model_base_url": f"http://127.0.0.1:{server.port}/v1", "api_key": KEY}
        agent_id = make_agent(console, admin, **values)
        with console.app_context():
            result = connection_tests.run(admin, agent_id)
            unsaved = connection_tests.run_unsaved(admin, agent_values(**values))
            with db.reading() as connection:
                mine = sa.select(Event.details).where(Event.account_id == admin.account_id)
                stored = [*connection.scalars(mine), *connection.scalars(sa.select(ConnectionTest.result))]
        answers = [api.post(f"/agents/{agent_id}/test"), api.get(f"/agents/{agent_id}"), api.get("/agents")]
    pages = [browser.get(path).text for path in (f"/agents/{agent_id}", "/agents", "/activity")]

    assert [one["parts"][1]["cause"]["code"] for one in (result, unsaved)] == ["model_unknown"] * 2
    seen = [result, unsaved, stored, caplog.text, capfd.readouterr(), *(answer.text for answer in answers), *pages]
    assert [text for text in map(str, seen) if KEY in text] == []
    shown = [str(result), str(unsaved), answers[0].text, answers[1].text, pages[0]]
    assert [text for text in shown if "Similar names: [secret]." not in text] == []


def test_a_test_of_an_agent_that_is_deleted_while_it_runs_is_not_stored(
    console: Flask, admin: Actor, silent: SilentServer
) -> None:
    agent_id = make_tested(console, admin, silent.port)
    wait = start(console, admin, agent_id)
    client = silent.accept()

    with console.app_context():
        agents.delete(admin, agent_id)
        client.close()

        assert wait()["outcome"] == "failed"
        with pytest.raises(NotFound):
            agent_reads.read(admin, agent_id)
        agents.restore_deleted(admin, agent_id)
        assert last_test(admin, agent_id) is None
        assert events("agent.tested", agent_id) == 1


def test_two_tests_of_one_agent_at_the_same_time_leave_one_result(
    console: Flask, admin: Actor, silent: SilentServer
) -> None:
    agent_id = make_tested(console, admin, silent.port)
    waits = [start(console, admin, agent_id) for _ in range(2)]
    for client in [silent.accept() for _ in waits]:
        client.close()
    results = [wait() for wait in waits]

    with console.app_context():
        stored = last_test(admin, agent_id)
        assert stored["tested_at"] <= max(result["tested_at"] for result in results)
        assert [result["is_saved"] for result in results] == [True, True]
        assert (stored["version"], stored["is_out_of_date"], events("agent.tested", agent_id)) == (1, False, 2)


def test_the_result_of_an_earlier_version_does_not_replace_that_of_a_later_one(
    console: Flask, admin: Actor, silent: SilentServer
) -> None:
    agent_id = make_tested(console, admin, silent.port)
    waits_for_first, first = start(console, admin, agent_id), silent.accept()
    with console.app_context():
        agents.update(admin, agent_id, {"connection_config": {"row_limit": 7}})
    waits_for_second, second = start(console, admin, agent_id), silent.accept()
    second.close()
    waits_for_second()
    first.close()
    waits_for_first()

    with console.app_context():
        stored = last_test(admin, agent_id)
    assert (stored["version"], stored["is_out_of_date"]) == (2, False)


@pytest.mark.long
def test_nothing_remains_of_a_test_whose_server_process_is_killed(
    schema_url: str, open_console: OpenConsole, silent: SilentServer
) -> None:
    console = open_console(schema_url)
    admin = make_user(console)
    agent_id = make_tested(console, admin, silent.port)
    words = [sys.executable, "-c", SERVER, schema_url, str(admin.account_id), str(admin.user_id), str(agent_id)]
    server = subprocess.Popen(words, cwd=shared_copy())
    with silent.accept() as client:
        server.kill()
        server.wait()
        client.settimeout(60)
        while client.recv(1_000):
            pass  # the connection ends when the child process ends

    with console.app_context():
        # No lock: the agent can be changed and tested. The killed test has a place of its account for ten seconds only.
        agents.update(admin, agent_id, {"name": "Other", "connection_config": {"password": None}})
        agents.update(admin, agent_id, {"connection_config": {"password": "other"}})
        add_started(make_user(console, "editor", admin.account_id), 1, 1, is_running=True)
        with pytest.raises(Throttled):
            connection_tests.run(admin, agent_id)
        with db.transaction() as session:
            mine = sa.update(StartedTest).where(StartedTest.person == admin.user_id)
            session.execute(mine.values(started_at=now() - timedelta(seconds=10.1)))
        wait = start(console, admin, agent_id)
        silent.accept().close()

        assert wait()["is_saved"]
