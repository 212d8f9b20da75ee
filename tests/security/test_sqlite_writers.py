"""Many writers of one SQLite file wait for each other in a row, and readers wait for none of them."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from agents_app.database.pool import ConsoleConnection
from agents_app.database.sqlite_connections import WRITE, WriterRow
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.errors import Unavailable
from agents_app.models import ApiToken, UserSession
from tests.api.conftest import Client
from tests.cli.conftest import Checkout, Server, checkout, free_port, serve
from tests.conftest import OpenConsole
from tests.make import KEYS, agent_values, make_agent, make_token, make_user
from tests.security.conftest import Caller
from tests.security.test_faults import check_nothing_is_half_done

__all__ = ["checkout", "serve"]
PROCESSES, WRITERS, TIMES = 4, 200, 2
PATIENCE_S = 300
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def app(sqlite_schema_url: str, open_console: OpenConsole) -> Flask:
    """A console on an SQLite file of its own."""
    return open_console(sqlite_schema_url)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another program writes to the file, and does not end."""
    with closing(sqlite3.connect(parse_url(url).database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def traced(app: Flask) -> Iterator[list[str]]:
    """What SQLite is asked within the block, each try for the lock too."""
    sent: list[str] = []
    with app.app_context():
        engine = db.engine
        engine.dispose()

    def trace(driver: sqlite3.Connection, _record: object) -> None:
        driver.set_trace_callback(sent.append)

    event.listen(engine, "connect", trace)
    yield sent
    event.remove(engine, "connect", trace)


def test_who_waits_too_long_to_write_gets_the_time_to_come_back(app: Flask, sqlite_schema_url: str) -> None:
    api = Client(app, make_token(app, make_user(app), "write"))

    with locked(sqlite_schema_url):
        answer = api.post("/agents", agent_values())

    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "database_busy", "2")
    assert "locked" not in answer.text


def test_who_waited_in_the_row_has_no_second_limit_for_the_lock(app: Flask, sqlite_schema_url: str) -> None:
    row = WriterRow()

    with (
        traced(app) as sent,
        locked(sqlite_schema_url),
        app.app_context(),
        row.turn(0.0) as until,
        ConsoleConnection(db.engine) as connection,
    ):
        connection.start_block(WRITE, until)
        with pytest.raises(OperationalError):
            connection.scalar(sa.select(ApiToken.id))

    assert 1 <= sum(text.startswith(WRITE) for text in sent) <= 2


def test_what_need_not_be_stored_at_once_does_not_wait_for_a_thread_that_writes(app: Flask) -> None:
    refused: list[str] = []

    def write() -> None:
        with app.app_context(), pytest.raises(Unavailable) as refusal, db.transaction(waits=False):
            pass
        refused.append(refusal.value.code)

    with app.app_context(), db.transaction():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()

    assert refused == ["database_busy"]


def test_reads_are_answered_while_another_program_writes_and_ask_for_its_lock_once(
    app: Flask, sqlite_schema_url: str
) -> None:
    admin = make_user(app)
    agent_id = make_agent(app, admin)
    api, runtime = Client(app, make_token(app, admin)), Client(app, make_token(app, admin, "runtime"))
    page = Caller(app, admin)
    tag = runtime.get(f"/agents/{agent_id}/runtime").headers["ETag"]
    page.ask("GET", "/agents")
    with app.app_context(), db.transaction() as session:
        session.execute(sa.update(ApiToken).values(last_used_at=LONG_AGO))
        session.execute(sa.update(UserSession).values(last_seen_at=UserSession.created_at))

    with traced(app) as sent, locked(sqlite_schema_url):
        answers = [
            api.get("/agents"),
            api.get(f"/agents/{agent_id}"),
            runtime.get(f"/agents/{agent_id}/runtime"),
            runtime.get(f"/agents/{agent_id}/runtime", headers={"If-None-Match": tag}),
            page.ask("GET", "/agents"),
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 304, 200]
    # Each request with a token would have stored when it was used last.
    assert 4 <= sum(text.startswith("BEGIN IMMEDIATE") for text in sent) <= len(answers)
    with app.app_context(), db.reading() as connection:
        assert set(connection.scalars(sa.select(ApiToken.last_used_at))) == {LONG_AGO}


@pytest.mark.long
def test_many_writers_in_several_processes_all_succeed(
    checkout: Checkout, serve: Any, sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    app = open_console(sqlite_schema_url)
    token = make_token(app, make_user(app), "write")
    settings = {"DATABASE_URL": sqlite_schema_url, "WORKERS": str(PROCESSES), "API_RATE_LIMIT": "0"}
    checkout.settings.update(KEYS, BIND=f"127.0.0.1:{free_port()}", **settings)
    server: Server = serve(checkout)
    # A full pipe would stop the server.
    threading.Thread(target=server.process.stdout.read, daemon=True).start()
    start = threading.Barrier(WRITERS)

    def write(number: int) -> list[tuple[int, Any]]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answers = []
        start.wait()
        for _ in range(TIMES):
            with closing(HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_S)) as client:
                client.request("POST", "/api/v1/agents", json.dumps(agent_values(name=f"Of {number}")), headers)
                answer = client.getresponse()
                answers.append((answer.status, json.loads(answer.read())))
        return answers

    with ThreadPoolExecutor(WRITERS) as pool:
        answers = [answer for found in pool.map(write, range(WRITERS)) for answer in found]

    assert [body for status, body in answers if status != 201] == []
    done = {UUID(body["id"]) for _, body in answers}
    assert len(done) == WRITERS * TIMES
    check_nothing_is_half_done(app, done)
