"""WSGI middleware that sends each request of one account for the data of another account too."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask import Flask
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request
from werkzeug.wsgi import ClosingIterator

from agents_app.db import Base, db
from tests.make import make_account, make_agent, make_token, make_user

AGENTS = "/api/v1/agents"
ONE = re.compile(rf"(?<={AGENTS}/)[0-9a-f]{{8}}-[0-9a-f-]{{27}}(?=/|$)")
Changes = dict[str, str]
Answer = tuple[str, list[tuple[str, str]], bytes]


@dataclass(frozen=True)
class MarkedAccount:
    """An account with an admin, an agent and a token, and words that only its own responses may contain."""

    account_id: UUID
    user_id: UUID
    agent_id: UUID
    token: str
    marks: tuple[str, ...]


def make_marked_account(app: Flask, name: str) -> MarkedAccount:
    """Create an account in which every name and every secret begins with `name`."""
    account_id = make_account(app, f"{name} account")
    admin = make_user(app, account_id=account_id, name=f"{name} admin")
    password = {"password": f"{name}-password"}
    agent_id = make_agent(app, admin, name=f"{name} agent", api_key=f"{name}-api-key", connection_config=password)
    assert admin.user_id is not None
    ids = (account_id, admin.user_id, agent_id)
    return MarkedAccount(*ids, make_token(app, admin, "write", "runtime"), (name, *map(str, ids)))


@dataclass
class IsolationMiddleware:
    """Before it answers a request of `mine`, it sends the request for data of `other`, and as `other`.

    `other` sends no requests itself, so every change of its data shows a leak.
    """

    app: Flask
    mine: MarkedAccount
    other: MarkedAccount
    requests_sent: int = 0
    _leaks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inner = self.app.wsgi_app
        self.app.wsgi_app = self  # type: ignore[method-assign]
        self._initial_rows = self._rows()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Send the changed requests, then answer the request."""
        body = Request(environ).get_data()
        if environ.get("HTTP_AUTHORIZATION") == _header(self.mine):
            for foreign, unknown in self._changed_requests(environ["PATH_INFO"], environ["QUERY_STRING"]):
                self._compare(environ, body, foreign, unknown)
        status, headers, content = self._send(environ, body)
        start_response(status, headers)
        # The server closes what it gets.
        return ClosingIterator([content])

    def leaks(self) -> list[str]:
        """What one account could see or change of the other."""
        rows = self._rows()
        return self._leaks + [
            f"{name} of the other account changed" for name in rows if rows[name] != self._initial_rows[name]
        ]

    def _changed_requests(self, path: str, query: str) -> Iterator[tuple[Changes, Changes]]:
        """The changes that ask for the other account's data, each with the changes that ask for missing data."""
        if found := ONE.search(path):
            foreign, unknown = (ONE.sub(str(one), path) for one in (self.other.agent_id, uuid4()))
            yield _changes(self.mine, foreign), _changes(self.mine, unknown)
            if found[0] != str(self.other.agent_id):
                yield _changes(self.other, path), _changes(self.other, unknown)
        if path == AGENTS:
            for asker, maker in ((self.mine, self.other), (self.other, self.mine)):
                foreign, unknown = (f"{query}&created_by={one}".lstrip("&") for one in (maker.user_id, uuid4()))
                yield _changes(asker, path, foreign), _changes(asker, path, unknown)

    def _compare(self, environ: dict[str, Any], body: bytes, foreign: Changes, unknown: Changes) -> None:
        first, second = (_without_its_id(self._send(environ | changes, body)) for changes in (foreign, unknown))
        self.requests_sent += 1
        if first != second:
            self._leaks.append(f"{environ['REQUEST_METHOD']} {foreign}: {first}; of what is not there: {second}")

    def _send(self, environ: dict[str, Any], body: bytes) -> Answer:
        asked = environ | {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        parts, status, headers = run_wsgi_app(self._inner, asked, buffered=True)
        answer = status, list(headers.items()), b"".join(parts)
        for one in (self.mine, self.other):
            if environ.get("HTTP_AUTHORIZATION") != _header(one) and any(mark in str(answer) for mark in one.marks):
                self._leaks.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} was answered {answer}")
        return answer

    def _rows(self) -> dict[str, list[Any]]:
        tables = [table for table in Base.metadata.sorted_tables if "account_id" in table.c]
        with self.app.app_context(), db.reading() as connection:
            return {table.name: connection.execute(_all(table, self.other)).all() for table in tables}


def _without_its_id(answer: Answer) -> Answer:
    """The answer without the id of its request, which no other answer has."""
    status, headers, content = answer
    own = dict(headers)["X-Request-ID"]
    return status, [(name, value) for name, value in headers if value != own], content.replace(own.encode(), b"")


def _header(account: MarkedAccount) -> str:
    return f"Bearer {account.token}"


def _changes(asker: MarkedAccount, path: str, query: str = "") -> Changes:
    return {"HTTP_AUTHORIZATION": _header(asker), "PATH_INFO": path, "QUERY_STRING": query}


def _all(table: sa.Table, account: MarkedAccount) -> sa.Select[*tuple[Any, ...]]:
    # Every request updates when its token was used last.
    columns = [column for column in table.c if column.name != "last_used_at"]
    return sa.select(*columns).where(table.c.account_id == account.account_id).order_by(*table.primary_key)
