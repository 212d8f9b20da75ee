"""The number of SQL statements of a response does not grow with the number of rows."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.engine import Engine

from agents_app.database.prepared import PREPARED_FROM_USE
from agents_app.db import db
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import Sort
from tests.api.conftest import Client
from tests.make import make_agent, make_token


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """The statements that are sent within the block, without the PREPARE of each, which is sent once a connection."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("PREPARE"):
            sent.append(statement)

    with app.app_context():
        engine: Engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("rows", [1, 20])
def test_a_list_executes_two_statements(console: Flask, admin: Actor, rows: int) -> None:
    api = Client(console, make_token(console, admin))
    for number in range(rows):
        make_agent(console, admin, name=f"Agent {number}")
    api.get("/me")

    with counted(console) as statements:
        answer = api.get("/agents?limit=20&sort=name&status=active")

    assert len(answer.json["items"]) == rows
    assert len(statements) == 2


@pytest.mark.parametrize("headers", [{}, {"If-None-Match": '"1"'}])
def test_reading_an_agent_executes_two_statements(console: Flask, admin: Actor, headers: dict[str, str]) -> None:
    api = Client(console, make_token(console, admin))
    agent_id = make_agent(console, admin)
    api.get("/me")

    with counted(console) as statements:
        api.get(f"/agents/{agent_id}", headers=headers)

    assert len(statements) == 2


def test_a_fetch_whose_bookkeeping_is_fresh_executes_two_statements(console: Flask, admin: Actor) -> None:
    api = Client(console, make_token(console, admin, "runtime"))
    agent_id = make_agent(console, admin)
    tag = api.get(f"/agents/{agent_id}/runtime").headers["ETag"]

    # Within a minute nothing is written, with secrets or without.
    for headers, status in (({"If-None-Match": tag}, 304), ({}, 200)):
        with counted(console) as statements:
            answer = api.get(f"/agents/{agent_id}/runtime", headers=headers)

        assert (answer.status_code, len(statements)) == (status, 2)


def test_a_check_executes_two_statements_and_a_third_one_once_a_minute(console: Flask, admin: Actor) -> None:
    api = Client(console, make_token(console, admin, "runtime"))
    new = dict.fromkeys(str(make_agent(console, admin)) for _ in range(20))
    found = api.post("/runtime/check", {"agents": new}).json["agents"]
    agents = {agent_id: one["etag"] for agent_id, one in found.items()}
    body = {"agents": agents | {f"unknown-{number}": None for number in range(480)}}

    for number in (3, 2):
        with counted(console) as statements:
            answer = api.post("/runtime/check", body)

        assert (len(answer.json["agents"]), len([one for one in statements if "BEGIN" not in one])) == (500, number)


@pytest.mark.parametrize("change", ["x", "wrong checksum", "no dot", "other alphabet"])
def test_a_malformed_token_executes_no_statement(console: Flask, admin: Actor, change: str) -> None:
    text = make_token(console, admin)
    damaged = {
        "x": text + "x",
        "wrong checksum": text[:-1] + ("a" if text[-1] != "a" else "b"),
        "no dot": text.replace(".", ""),
        "other alphabet": text[:-1] + "_",
    }[change]

    with counted(console) as statements:
        answer = Client(console, damaged).get("/agents")

    assert (answer.status_code, statements) == (401, [])


def test_documents_and_anonymous_requests_execute_no_statement(console: Flask) -> None:
    with counted(console) as statements:
        console.test_client().get("/openapi.json")
        console.test_client().get("/gibberish-xyz-123")
        Client(console, None).get("/agents")

    assert statements == []


@pytest.mark.parametrize("sort", list(Sort))
def test_every_page_of_a_list_has_its_own_agents_however_often_it_was_read(
    console: Flask, admin: Actor, sort: Sort
) -> None:
    api, names = Client(console, make_token(console, admin)), [f"Agent {number}" for number in range(5)]
    for name in names:
        make_agent(console, admin, name=name)
    expected = sorted(names, reverse=sort.startswith("-"))

    for _ in range(PREPARED_FROM_USE + 1):
        found, cursor = [], ""
        while len(found) < len(names):
            page = api.get(f"/agents?limit=2&sort={sort}&cursor={cursor}").json
            found += [agent["name"] for agent in page["items"]]
            cursor = page["next_cursor"]
        assert (found, cursor) == (expected, None)
