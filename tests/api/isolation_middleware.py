"""Stands before a console with two accounts and tries each request across the wall between them as well."""

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

from agents_app.db import Base, db
from tests.make import make_account, make_agent, make_token, make_user

AGENTS = "/api/v1/agents"
ONE = re.compile(rf"(?<={AGENTS}/)[0-9a-f]{{8}}-[0-9a-f-]{{27}}(?=/|$)")
Changes = dict[str, str]
Answer = tuple[str, list[tuple[str, str]], bytes]


@dataclass(frozen=True)
class Tenant:
    """One account with an admin, an agent and a token, and the words that stand in no answer but its own."""

    account_id: UUID
    user_id: UUID
    agent_id: UUID
    token: str
    marks: tuple[str, ...]


def make_tenant(app: Flask, name: str) -> Tenant:
    """An account in which every name and every secret begins with `name`."""
    account_id = make_account(app, f"{name} account")
    admin = make_user(app, account_id=account_id, name=f"{name} admin")
    password = {"password": f"{name}-password"}
    agent_id = make_agent(app, admin, name=f"{name} agent", api_key=f"{name}-api-key", connection_config=password)
    assert admin.user_id is not None
    ids = (account_id, admin.user_id, agent_id)
    return Tenant(*ids, make_token(app, admin, "write", "runtime"), (name, *map(str, ids)))


@dataclass
class Wall:
    """A WSGI middleware: what `mine` asks is tried about the `other` and by the `other` too, before it is answered.

    The `other` does nothing by itself, so that whatever changes there came through the wall.
    """

    app: Flask
    mine: Tenant
    other: Tenant
    tried: int = 0
    _holes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inner = self.app.wsgi_app
        self.app.wsgi_app = self  # type: ignore[method-assign]
        self._at_first = self._rows()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Try the request across the wall, then answer it."""
        body = Request(environ).get_data()
        if environ.get("HTTP_AUTHORIZATION") == _header(self.mine):
            for foreign, unknown in self._across(environ["PATH_INFO"], environ["QUERY_STRING"]):
                self._compare(environ, body, foreign, unknown)
        status, headers, content = self._send(environ, body)
        start_response(status, headers)
        return [content]

    def holes(self) -> list[str]:
        """What one account could see, tell or change of the other."""
        rows = self._rows()
        return self._holes + [
            f"{name} of the other account changed" for name in rows if rows[name] != self._at_first[name]
        ]

    def _across(self, path: str, query: str) -> Iterator[tuple[Changes, Changes]]:
        """What makes of a request one about the other account, each beside what makes it one about nothing."""
        if found := ONE.search(path):
            foreign, unknown = (ONE.sub(str(one), path) for one in (self.other.agent_id, uuid4()))
            yield _asked(self.mine, foreign), _asked(self.mine, unknown)
            if found[0] != str(self.other.agent_id):
                yield _asked(self.other, path), _asked(self.other, unknown)
        if path == AGENTS:
            for asker, maker in ((self.mine, self.other), (self.other, self.mine)):
                foreign, unknown = (f"{query}&created_by={one}".lstrip("&") for one in (maker.user_id, uuid4()))
                yield _asked(asker, path, foreign), _asked(asker, path, unknown)

    def _compare(self, environ: dict[str, Any], body: bytes, foreign: Changes, unknown: Changes) -> None:
        first, second = (self._send(environ | changes, body) for changes in (foreign, unknown))
        self.tried += 1
        if first != second:
            self._holes.append(f"{environ['REQUEST_METHOD']} {foreign}: {first}; of what is not there: {second}")

    def _send(self, environ: dict[str, Any], body: bytes) -> Answer:
        asked = environ | {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        parts, status, headers = run_wsgi_app(self._inner, asked, buffered=True)
        told = [(name, value) for name, value in headers.items() if name != "X-Request-ID"]
        answer = status, told, b"".join(parts)
        for one in (self.mine, self.other):
            if environ.get("HTTP_AUTHORIZATION") != _header(one) and any(mark in str(answer) for mark in one.marks):
                self._holes.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} was answered {answer}")
        return answer

    def _rows(self) -> dict[str, list[Any]]:
        tables = [table for table in Base.metadata.sorted_tables if "account_id" in table.c]
        with self.app.app_context(), db.reading() as connection:
            return {table.name: connection.execute(_all(table, self.other)).all() for table in tables}


def _header(tenant: Tenant) -> str:
    return f"Bearer {tenant.token}"


def _asked(asker: Tenant, path: str, query: str = "") -> Changes:
    return {"HTTP_AUTHORIZATION": _header(asker), "PATH_INFO": path, "QUERY_STRING": query}


def _all(table: sa.Table, tenant: Tenant) -> sa.Select[*tuple[Any, ...]]:
    # When a token was used last is written by each request that it sends.
    columns = [column for column in table.c if column.name != "last_used_at"]
    return sa.select(*columns).where(table.c.account_id == tenant.account_id).order_by(*table.primary_key)
