"""Databases that stop, fill up or are busy, and killed workers: errors are clean, and nothing is half done."""

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen
from uuid import UUID

import psycopg2
import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event
from werkzeug.test import TestResponse

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.errors import Unavailable
from agents_app.models import Agent, AgentVersion, Event
from agents_app.operations import agent_reads
from agents_app.schemas import listing
from tests import postgres
from tests.api.conftest import Client
from tests.cli.conftest import Checkout, Server, checkout, free_port, serve, wait_for
from tests.conftest import OpenConsole
from tests.make import KEYS, agent_values, make_agent, make_token, make_user
from tests.security.conftest import Caller

__all__ = ["checkout", "serve"]
WRITERS = 4


def check_nothing_is_half_done(app: Flask, acknowledged: set[UUID]) -> None:
    """Check that every acknowledged agent is stored with its version and its event."""
    with app.app_context(), db.reading() as connection:
        stored = set(connection.scalars(sa.select(Agent.id)))
        versions = set(connection.scalars(sa.select(AgentVersion.agent_id).where(AgentVersion.version == 1)))
        events = set(connection.scalars(sa.select(Event.target_id).where(Event.action == "agent.created")))
    assert acknowledged <= stored
    assert stored == versions == events


def refused(answer: TestResponse, code: str) -> bool:
    """Whether the response says what failed and when to try again."""
    said = (answer.status_code, answer.json["code"], answer.headers["Retry-After"])
    return said == (503, code, "2")


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server for this test, with durable commits."""
    with postgres.cluster(synchronous_commit="on") as made:
        yield made


def test_a_killed_database_is_reported_and_works_again_with_the_next_request(
    cluster: postgres.Cluster, open_console: OpenConsole
) -> None:
    with postgres.database(cluster.url) as url:
        dbtools.upgrade_to_head(parse_url(url))
        app = open_console(url)
        admin = make_user(app)
        api, page = Client(app, make_token(app, admin, "write")), Caller(app, admin)
        done: set[UUID] = set()
        statuses: set[int] = set()
        is_over = threading.Event()

        def write() -> None:
            mine = Client(app, api.token)
            while not is_over.is_set():
                answer = mine.post("/agents", agent_values())
                statuses.add(answer.status_code)
                if answer.status_code == 201:
                    done.add(UUID(answer.json["id"]))

        with ThreadPoolExecutor(WRITERS) as pool:
            [pool.submit(write) for _ in range(WRITERS)]
            wait_for(lambda: len(done) > 10)
            cluster.kill()
            away = [api.get("/agents"), api.post("/agents", agent_values())]
            pages = [page.ask("GET", path).status_code for path in ("/agents", "/readyz", "/healthz", "/sign-in")]
            cluster.start()
            back = [api.get("/agents").status_code, page.ask("GET", "/agents").status_code]
            before = len(done)
            wait_for(lambda: len(done) > before + 10)
            is_over.set()

        assert all(refused(answer, "database_unavailable") for answer in away)
        assert pages == [503, 503, 200, 503]
        assert back == [200, 200]
        assert statuses == {201, 503}
        check_nothing_is_half_done(app, done)


def hold_sqlite(url: str) -> Callable[[], None]:
    """Start a write that does not end, and return a function that ends it."""
    connection = sqlite3.connect(parse_url(url).database or "", isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    return connection.close


def hold_postgresql(url: str) -> Callable[[], None]:
    """Lock a table, and return a function that releases it."""
    known = parse_url(url)
    connection = psycopg2.connect(
        host=known.query.get("host", known.host),
        port=known.port,
        user=known.username,
        password=known.password,
        dbname=known.database,
    )
    connection.cursor().execute("LOCK TABLE agents IN EXCLUSIVE MODE")
    end: Callable[[], None] = connection.close
    return end


@pytest.mark.long
def test_a_blocked_writer_blocks_others_only_until_the_lock_timeout(schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(schema_url)
    admin = make_user(app)
    api = Client(app, make_token(app, admin, "write"))
    first = make_agent(app, admin)
    release = (hold_sqlite if schema_url.startswith("sqlite") else hold_postgresql)(schema_url)

    waited = api.post("/agents", agent_values())
    read = api.get(f"/agents/{first}").status_code
    release()

    assert refused(waited, "database_busy")
    assert read == 200
    assert api.post("/agents", agent_values()).status_code == 201
    check_nothing_is_half_done(app, {first})


@pytest.mark.long
def test_a_long_statement_is_cancelled(postgres_schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(postgres_schema_url)

    with app.app_context(), pytest.raises(Unavailable) as refusal, db.reading() as connection:
        connection.execute(sa.text("SELECT pg_sleep(60)"))

    assert refusal.value.code == "database_busy"


def test_all_writers_of_one_sqlite_file_succeed(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    apps = [open_console(sqlite_schema_url) for _ in range(WRITERS)]
    admin = make_user(apps[0])
    token = make_token(apps[0], admin, "write")

    def write(app: Flask) -> list[tuple[int, Any]]:
        api = Client(app, token)
        answers = [api.post("/agents", agent_values()) for _ in range(10)]
        return [(answer.status_code, answer.json) for answer in answers]

    with ThreadPoolExecutor(WRITERS) as pool:
        answers = [answer for found in pool.map(write, apps) for answer in found]

    done = {UUID(body["id"]) for status, body in answers if status == 201}
    assert {status for status, _ in answers} == {201}
    check_nothing_is_half_done(apps[0], done)


def test_a_full_disk_is_reported_and_nothing_else_is_lost(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(sqlite_schema_url)
    admin = make_user(app)
    api, page = Client(app, make_token(app, admin, "write")), Caller(app, admin)
    first = make_agent(app, admin)
    room = {"pages": 250}

    with app.app_context():
        db.engine.dispose()

        @event.listens_for(db.engine, "checkout")
        def _leave_little_room(connection: Any, _record: object, _proxy: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {room['pages']}")

    large = agent_values(system_instructions="x" * 30_000)
    answers = [api.post("/agents", large) for _ in range(30)]
    full = [answer for answer in answers if answer.status_code != 201]
    done = {first} | {UUID(answer.json["id"]) for answer in answers if answer.status_code == 201}
    read = [api.get(f"/agents/{first}").status_code, page.ask("GET", "/agents").status_code]

    assert {(answer.status_code, answer.json["code"]) for answer in full} == {(507, "storage_full")}
    assert read == [200, 200]
    check_nothing_is_half_done(app, done)
    room["pages"] = 100_000
    assert api.post("/agents", large).status_code == 201
    with app.app_context():
        assert len(agent_reads.listing(admin, listing.parse({"limit": 200})).items) == len(done) + 1


@pytest.mark.long
def test_killed_workers_lose_nothing_that_was_answered(
    checkout: Checkout, serve: Callable[..., Server], schema_url: str, open_console: OpenConsole
) -> None:
    app = open_console(schema_url)
    token = make_token(app, make_user(app), "write")
    bind = f"127.0.0.1:{free_port()}"
    checkout.settings.update(KEYS, DATABASE_URL=schema_url, BIND=bind, WORKERS="2", LOG_LEVEL="error")
    server = serve(checkout)
    address, body = f"{server.url}/api/v1/agents", json.dumps(agent_values()).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    done: set[UUID] = set()
    is_over = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            # A killed worker sends nothing, and for a moment no process may be listening.
            with suppress(OSError, HTTPException), urlopen(Request(address, body, headers), timeout=30) as answer:
                done.add(UUID(json.load(answer)["id"]))

    with ThreadPoolExecutor(WRITERS) as pool:
        running = [pool.submit(write) for _ in range(WRITERS)]
        for _ in range(5):
            before = len(done)
            wait_for(lambda before=before: len(done) > before + 10)
            victims = server.workers()
            os.kill(victims[0], 9)
            wait_for(lambda victims=victims: len(set(server.workers()) - set(victims)) > 0)
        is_over.set()

    assert [one.exception() for one in running] == [None] * WRITERS
    check_nothing_is_half_done(app, done)


def test_broken_connections_are_replaced_and_do_not_exhaust_the_pool(
    postgres_schema_url: str, open_console: OpenConsole
) -> None:
    app, other = open_console(postgres_schema_url, POOL_SIZE="2"), open_console(postgres_schema_url)

    def kill(pid: int | None) -> None:
        with other.app_context(), db.reading() as connection:
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})

    def ask_again() -> None:
        with db.transaction() as session:
            kill(session.scalar(sa.text("SELECT pg_backend_pid()")))
            session.execute(sa.text("SELECT 1"))

    with app.app_context():
        for _ in range(5):
            with db.reading() as connection:
                kill(connection.scalar(sa.text("SELECT pg_backend_pid()")))
            with pytest.raises(Unavailable):
                ask_again()

        with db.reading() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
