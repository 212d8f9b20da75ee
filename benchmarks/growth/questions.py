"""What is asked of a filled database: each list with each filter, the pages, and what runs in the background."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from agents_app.db import db, now
from agents_app.models import Agent, AgentVersion
from agents_app.operations import purge, server_facts
from agents_app.schemas.listing import Sort, make_cursor
from agents_app.schemas.versions import make_cursor as cursor_of_version
from benchmarks.growth.rows import Filled
from benchmarks.migrations.releases import BenchmarkError
from tests.make import PASSWORD

API = "/api/v1"
SITE = "http://127.0.0.1:8000"
NOBODY = UUID(int=7)
# Filters with a value that agents have. Of the combined ones, each part has many agents.
FILTERS = {
    "status": "status=disabled",
    "status, most agents": "status=active",
    "connection_type": "connection_type=POWERBI",
    "environment": "environment=staging",
    "model_provider": "model_provider=azure_openai",
    "model_type": "model_type=model-3",
    "owner": "owner=Owner+7",
    "external_id": "external_id=external-13",
    "label": "label=team:team-5",
    "created_by": "created_by={person}",
    "test passed": "test=passed",
    "test failed": "test=failed",
    "test out_of_date": "test=out_of_date",
    "test never": "test=never",
    "updated_since": "updated_since={recent}",
    "needs_attention": "needs_attention=true",
    "no attention": "needs_attention=false",
    "owner and model": "owner=Owner+7&model_type=model-3",
    "status and environment": "status=disabled&environment=production",
}
NOTHING = {
    "connection_type and owner": "connection_type=POWERBI&owner=Nobody",
    "environment": "environment=development",
    "model_provider": "model_provider=ollama",
    "model_type": "model_type=none",
    "owner": "owner=Nobody",
    "external_id": "external_id=none",
    "label": "label=team:none",
    "name of a label": "label=none",
    "created_by": "created_by={nobody}",
    "updated_since": "updated_since={future}",
    "owner and model, each in use": "owner=Owner+7&model_type=model-0",
    "status and model, each in use": "status=disabled&model_type=model-1",
    "environment and model, each in use": "environment=staging&model_type=model-0",
    "needs_attention and owner": "needs_attention=true&owner=Nobody",
}
ACTIVITY = {
    "all": "",
    "about agents": "about=agent",
    "about tokens": "about=token",
    "door": "door=page",
    "person": "person={person}",
    "record": "target={agent}",
    "days": "since={day}&until={day}",
    "search": "q=sales",
}
NO_ACTIVITY = {
    "about": "about=secrets",
    "door": "door=terminal",
    "person": "person={nobody}",
    "record": "target={nobody}",
    "days": "since=2001-01-01&until=2001-01-02",
    "search, bounded": "q=nothingatall",
}


@dataclass(frozen=True)
class Question:
    """Something that is asked, by its name in the table."""

    name: str
    ask: Callable[[], object]


class Asker:
    """Asks the console as a program, as a runtime and as a person who is signed in."""

    def __init__(self, app: Flask, filled: Filled) -> None:
        self.app, self.filled = app, filled
        self._client = app.test_client()
        self._sign_in(self._client)

    def api(self, path: str, *, is_runtime: bool = False, body: object = None) -> Mapping[str, object]:
        """The answer of the JSON API."""
        token = self.filled.runtime_token if is_runtime else self.filled.token
        headers = {"Authorization": f"Bearer {token}"}
        client = self.app.test_client(use_cookies=False)
        answer = client.open(API + path, SITE, method="POST" if body else "GET", headers=headers, json=body)
        found: Mapping[str, object] = json.loads(_of(answer.status_code, answer.get_data()))
        return found

    def page(self, path: str) -> bytes:
        """A page, or the beginning of a file."""
        answer = self._client.get(path, SITE, buffered=False)
        data = next(answer.iter_encoded(), b"")
        answer.close()
        return _of(answer.status_code, data)

    def inside(self, operation: Callable[[], object]) -> None:
        """Call an operation, as a command does."""
        with self.app.app_context():
            operation()

    def _sign_in(self, client: FlaskClient) -> None:
        text = client.get("/sign-in", SITE).text
        token = text.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
        form = {"csrf_token": token, "email": self.filled.admin.email, "password": PASSWORD}
        client.post("/sign-in", SITE, data=form)


def questions(asker: Asker) -> Iterator[Question]:
    """Everything that is asked."""
    yield from _lists(asker)
    yield from _pages(asker)
    yield from _others(asker)


def _lists(asker: Asker) -> Iterator[Question]:
    for sort in Sort:
        for place, cursor in _places(asker, sort).items():
            yield _api(asker, f"list by {sort}, {place}", f"/agents?limit=20&sort={sort}{cursor}")
    words = _words(asker)
    for title, filters in (("list", FILTERS), ("list, no match", NOTHING)):
        for name, text in filters.items():
            for order in ("-updated_at", "name"):
                path = f"/agents?limit=20&sort={order}&{text.format(**words)}"
                yield _api(asker, f"{title}: {name}, by {order}", path)


def _pages(asker: Asker) -> Iterator[Question]:
    words = _words(asker)
    paths = {"page of agents": "/agents"}
    paths |= {f"page of agents by {sort}, last": f"/agents?sort={sort}&before=end" for sort in Sort}
    for name in ("status", "owner", "model_type", "test failed", "test passed", "needs_attention"):
        paths[f"page of agents: {name}"] = f"/agents?{FILTERS[name]}"
    for name in ("owner", "environment", "environment and model, each in use"):
        paths[f"page of agents, no match: {name}"] = f"/agents?{NOTHING[name]}"
    for title, filters in (("Activity", ACTIVITY), ("Activity, no match", NO_ACTIVITY)):
        paths |= {f"{title}: {name}": f"/activity?{text}" for name, text in filters.items()}
    paths |= {
        "Activity, export, first batch": "/activity/export",
        "agents, CSV, first batch": "/agents/export.csv",
        "deleted agents": "/agents/deleted",
        "page of an agent": "/agents/{other}",
        "page of an agent with a tenth of the versions": "/agents/{agent}",
        "its history": "/agents/{agent}/versions",
        "a version of it": "/agents/{agent}/versions/5",
        "people": "/people",
        "tokens": "/tokens",
        "profile with sessions": "/profile",
        "system": "/system",
    }
    for name, path in paths.items():
        yield Question(name, partial(asker.page, path.format(**words)))


def _others(asker: Asker) -> Iterator[Question]:
    words = _words(asker)
    asked = {"agents": dict.fromkeys(_ids(asker, 500))}
    yield _api(asker, "read one", f"/agents/{words['other']}")
    yield _api(asker, "history, a late page", f"/agents/{words['agent']}/versions?cursor={words['version']}")
    yield _api(asker, "deleted agents, JSON", "/agents/deleted")
    yield Question("runtime, one", lambda: asker.api(f"/agents/{words['other']}/runtime", is_runtime=True))
    yield Question("runtime/check of 500", lambda: asker.api("/runtime/check", is_runtime=True, body=asked))
    yield Question("runtime/agents", lambda: asker.api("/runtime/agents", is_runtime=True))
    for name, operation in {
        "metrics: agents": server_facts.agents,
        "metrics: what expires": server_facts.expiring,
        "purge: what is due": purge.count,
    }.items():
        yield Question(name, partial(asker.inside, operation))


def _api(asker: Asker, name: str, path: str) -> Question:
    return Question(name, lambda: asker.api(path))


def _places(asker: Asker, sort: Sort) -> dict[str, str]:
    """A first page, and one in the middle."""
    name = sort.removeprefix("-")
    column = Agent.name_key if name == "name" else getattr(Agent, name)
    of_account = Agent.account_id == asker.filled.admin.account_id
    with asker.app.app_context(), db.reading() as connection:
        half = (connection.scalar(sa.select(sa.func.count()).where(of_account)) or 0) // 2
        middle = sa.select(column, Agent.id).where(of_account).order_by(column, Agent.id).offset(half).limit(1)
        value, agent_id = connection.execute(middle).one()
    return {"first page": "", "in the middle": f"&cursor={make_cursor(sort, value, agent_id)}"}


def _ids(asker: Asker, number: int) -> list[str]:
    with asker.app.app_context(), db.reading() as connection:
        account_id = asker.filled.admin.account_id
        some = sa.select(Agent.id).where(Agent.account_id == account_id).limit(number)
        return list(map(str, connection.scalars(some)))


def _words(asker: Asker) -> dict[str, str]:
    filled, moment = asker.filled, now()
    with asker.app.app_context(), db.reading() as connection:
        newest = sa.select(sa.func.max(AgentVersion.version)).where(AgentVersion.agent_id == filled.agent_id)
        version = connection.scalar(newest) or 0
    return {
        "person": str(filled.admin.user_id),
        "nobody": str(NOBODY),
        "agent": str(filled.agent_id),
        "other": _ids(asker, 1)[0],
        "version": cursor_of_version(max(2, version // 2)),
        "recent": f"{moment - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "future": f"{moment + timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}",
        "day": f"{moment - timedelta(days=1):%Y-%m-%d}",
    }


def _of(status: int, data: bytes) -> bytes:
    if status >= 400:
        raise BenchmarkError(f"{status}: {data[:500]!r}")
    return data
