"""Words that stand in for secrets are looked for wherever a secret must not be."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import Base, db, parse_url
from agents_app.logs import JsonLines
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.make import KEYS, agent_values, make_app, make_token, make_user

PEM_BODY = "Q0FOQVJZ" * 8
CANARIES = {
    "api_key": "canary-api-key-7f3a91",
    "password": "canary-password-51bd02 ü",
    "client_secret": "canary-client-secret-c40e77",
    "private_key_pem": f"-----BEGIN PRIVATE KEY-----\n{PEM_BODY}\n-----END PRIVATE KEY-----\n",
    "private_key_password": "canary-key-password-9921aa",
}
# What a careless copy of them would still have.
TRACES = ["canary-api", "canary-pass", "canary-client", "canary-key", PEM_BODY, *KEYS.values()]


@pytest.fixture
def app(schema_url: str) -> Iterator[Flask]:
    """The app on a database of its own, which is searched as a whole."""
    made = make_app(schema_url)
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Every log line, debugging lines of the libraries too."""
    text, root, ours = io.StringIO(), logging.getLogger(), logging.getLogger("agents_app")
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    before = root.level
    for logger in (root, ours):
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield text
    for logger in (root, ours):
        logger.removeHandler(handler)
    root.setLevel(before)


def agents_with_canaries() -> list[dict[str, Any]]:
    """An agent of each type, every secret a canary."""
    secrets = {name: text for name, text in CANARIES.items() if name not in ("api_key", "password")}
    return [
        agent_values(api_key=CANARIES["api_key"], connection_config={"password": CANARIES["password"]}),
        agent_values(connection_type="POWERBI", api_key=CANARIES["api_key"], connection_config=secrets),
    ]


def live_through_everything(api: Client) -> Iterator[bytes]:
    """Each answer of a life of two agents, refusals too, but no runtime's."""
    for values in agents_with_canaries():
        answer = api.post("/agents", values, headers={"Idempotency-Key": values["connection_type"]})
        path = f"/agents/{answer.json['id']}"
        yield answer.data
        yield api.post("/agents", values, headers={"Idempotency-Key": values["connection_type"]}).data
        yield api.post("/agents", {**values, "name": ""}).data
        yield api.post("/agents", {**values, "color": CANARIES["password"]}).data
        yield api.post("/agents", {**values, "api_key": {"$enc": CANARIES["api_key"]}}).data
        yield api.post("/agents", data=f'{{"api_key": "{CANARIES["api_key"]}"', content_type="application/json").data
        yield api.post("/agents", data=CANARIES["api_key"], content_type="text/plain").data
        yield api.patch(path, {"connection_config": {"host": "other.example.org", "tenant_id": "x.example.org"}}).data
        yield api.patch(path, {**values, "description": "Again"}).data
        yield api.post(f"{path}/clone").data
        yield api.post(f"{path}/disable", {"reason": "Moving."}).data
        yield api.get(path).data
        yield api.get("/agents").data
        yield api.delete(path).data


def everything_stored(app: Flask, url: str) -> bytes:
    """Every text of every table, and on SQLite every byte of its files."""
    with app.app_context(), db.reading() as connection:
        rows = [
            str(row).encode() for table in Base.metadata.tables.values() for row in connection.execute(sa.select(table))
        ]
    file = Path(parse_url(url).database or "")
    beside = file.parent.glob(f"{file.name}*") if url.startswith("sqlite") else []
    return b"\n".join([*rows, *(one.read_bytes() for one in beside)])


def traces_in(content: bytes, *more: str) -> list[str]:
    """The canaries that are found."""
    return [trace for trace in (*TRACES, *more) if trace.encode() in content]


def test_no_secret_is_answered_logged_or_stored(app: Flask, schema_url: str, lines: io.StringIO) -> None:
    admin = make_user(app)
    token = make_token(app, admin, "write", "runtime")
    api = Client(app, token)

    answers = b"\n".join(live_through_everything(api))
    left = api.get("/agents").json["items"]
    clear = [api.get(f"/agents/{agent['id']}/runtime").json for agent in left]

    secret_half = token.partition(".")[2][:40]
    assert [one["api_key"] for one in clear] == [CANARIES["api_key"]] * 2
    assert traces_in(answers, token, secret_half) == []
    assert traces_in(lines.getvalue().encode(), token, secret_half) == []
    assert "/api/v1/agents" in lines.getvalue()
    stored = everything_stored(app, schema_url)
    assert traces_in(stored, token, secret_half) == []
    assert b"agent.fetched" in stored


def test_a_search_for_canaries_finds_them_where_they_are(app: Flask, schema_url: str) -> None:
    admin: Actor = make_user(app)
    api = Client(app, make_token(app, admin, "write"))

    api.post("/agents", agent_values(description=CANARIES["client_secret"]))

    assert traces_in(everything_stored(app, schema_url)) == ["canary-client"]
