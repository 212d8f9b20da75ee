"""A request takes one connection from the pool. A read on one that is dead is done again, and a write never is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from agents_app.database import pool
from agents_app.db import db
from agents_app.errors import Unavailable
from tests.api.conftest import Client
from tests.conftest import OpenConsole
from tests.make import agent_values, make_agent, make_token, make_user
from tests.security.conftest import Caller

READ = sa.text("SELECT 1")
END_OTHERS = sa.text(
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
    + "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def app(postgres_schema_url: str, open_console: OpenConsole) -> Flask:
    """A console on PostgreSQL."""
    return open_console(postgres_schema_url)


@pytest.fixture
def end_sessions(postgres_schema_url: str, app: Flask) -> Iterator[Callable[[], None]]:
    """Ends the database sessions of the console, which does not know it."""
    engine = sa.create_engine(app.config["SQLALCHEMY_DATABASE_URI"])

    def end() -> None:
        with engine.connect() as connection:
            connection.execute(END_OTHERS)

    yield end
    engine.dispose()


@contextmanager
def taken(app: Flask) -> Iterator[list[object]]:
    """Lists the connections that are taken from the pool."""
    found: list[object] = []
    with app.app_context():
        engine = db.engine

    def take(_driver: object, record: object, _proxy: object) -> None:
        found.append(record)

    event.listen(engine, "checkout", take)
    yield found
    event.remove(engine, "checkout", take)


def test_a_write_on_a_connection_that_dies_is_refused_and_not_done_again(
    app: Flask, end_sessions: Callable[[], None]
) -> None:
    def write() -> None:
        with db.transaction() as session:
            session.execute(READ)
            end_sessions()
            session.execute(READ)

    with app.app_context():
        with pytest.raises(Unavailable):
            write()

        with db.transaction() as session:
            session.execute(READ)


def test_a_connection_that_is_taken_for_a_write_works(app: Flask, end_sessions: Callable[[], None]) -> None:
    with app.app_context():
        with db.reading() as connection:
            connection.execute(READ)
        end_sessions()

        with db.transaction() as session:
            assert session.scalar(READ) == 1


def test_a_read_within_a_block_is_done_again_on_a_new_connection(app: Flask, end_sessions: Callable[[], None]) -> None:
    with app.app_context(), db.reading() as connection:
        for read in (connection.execute, connection.scalar, connection.scalars):
            assert connection.scalar(READ) == 1
            end_sessions()
            assert read(READ)
            # The new one is not in a transaction either.
            assert connection.connection.dbapi_connection.autocommit  # type: ignore[union-attr]


def test_requests_do_not_notice_that_their_connection_was_ended(app: Flask, end_sessions: Callable[[], None]) -> None:
    admin = make_user(app)
    api, page = Client(app, make_token(app, admin, "read", "write")), Caller(app, admin)
    for ask in (
        lambda: api.get("/agents"),
        lambda: api.post("/agents", agent_values()),
        lambda: page.ask("GET", "/agents"),
    ):
        ask()
        end_sessions()
        assert ask().status_code in (200, 201)


def test_a_connection_that_was_idle_is_pinged(
    app: Flask, end_sessions: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        with db.reading() as connection:
            connection.execute(READ)
        end_sessions()
        monkeypatch.setattr(pool, "IDLE_S", -1)

        with db.transaction() as session:
            assert session.scalar(READ) == 1


def test_a_request_takes_one_connection_and_returns_it(console: Flask) -> None:
    admin = make_user(console)
    agent_id = make_agent(console, admin)
    api, page = Client(console, make_token(console, admin, "read", "write")), Caller(console, admin)
    page.ask("GET", "/agents")

    for ask in (
        lambda: api.get("/agents"),
        lambda: api.get(f"/agents/{agent_id}"),
        lambda: api.post("/agents", agent_values()),
        lambda: api.patch(f"/agents/{agent_id}", {"description": "New."}),
        lambda: api.get(f"/agents/{admin.user_id}"),
        lambda: page.ask("GET", "/agents"),
        lambda: page.ask("GET", f"/agents/{agent_id}"),
        lambda: page.ask("GET", "/agents/export.csv"),
    ):
        with taken(console) as connections:
            assert ask().data
        assert len(connections) == 1
        with console.app_context():
            assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
