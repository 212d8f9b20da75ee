"""The runtimes: each with a token of its own, and with agents that only it runs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Agent
from agents_app.operations import tokens, version_marks
from agents_app.operations.permissions import Actor
from agents_app.values.choices import AgentStatus, Door, Role, Scope
from benchmarks.growth import rows
from benchmarks.growth.dialects import dialect_of, execute

# What the runtimes have fetched before. They have not asked for an hour, so the first minute is as any other.
FETCHED = """INSERT INTO runtime_reads (agent_id, token_id, account_id, version, fetched_version, fetch_count,
    first_fetched_at, last_fetched_at, seen_at)
SELECT agent_id, token_id, account_id, version, version, 1, at, at, at
FROM (SELECT a.id AS agent_id, t.id AS token_id, a.account_id, a.version, now() - interval '1 hour' AS at
    FROM api_tokens t CROSS JOIN LATERAL jsonb_array_elements_text(t.agent_ids) AS one
    JOIN agents a ON a.id = one::uuid WHERE t.name = 'fleet') fetched"""


@dataclass
class Runtime:
    """A runtime: its token, and the ETag that it has of each of its agents."""

    token: str
    tags: dict[str, str]

    def check(self) -> bytes:
        """The request that asks what has changed."""
        return self.request("POST", "/runtime/check", json.dumps({"agents": self.tags}))

    def request(self, method: str, path: str, body: str = "", *headers: str) -> bytes:
        """A request on a connection of its own."""
        lines = [
            f"{method} /api/v1{path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {self.token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *headers,
        ]
        return "\r\n".join([*lines, "", body]).encode()


def fill(app: Flask, runtimes: int, agents_of_each: int) -> tuple[list[Runtime], Runtime]:
    """Fill the empty database of this app. Returns the runtimes, and a program that changes their agents."""
    # Some agents are disabled, deleted or another account's.
    filled = rows.fill(app, max(1_000, runtimes * agents_of_each * 11 // 10))
    operator = Actor(filled.admin.account_id, "operator", Door.TERMINAL, role=Role.ADMIN)
    with app.app_context():
        agents = _agents(filled.admin.account_id)
        fleet = [_runtime(operator, [next(agents) for _ in range(agents_of_each)]) for _ in range(runtimes)]
        values = {"name": "changes", "scopes": [Scope.READ, Scope.WRITE]}
        writer = Runtime(tokens.create(operator, values, filled.admin.email)[1], {})
        execute(db.engine, *dialect_of(db.engine).before, FETCHED, "VACUUM ANALYZE")
    return fleet, writer


def _agents(account_id: UUID) -> Iterator[tuple[str, str]]:
    """The ids of active agents, each with its ETag."""
    query = sa.select(Agent.id, Agent.version, Agent.updated_at)
    query = query.where(Agent.account_id == account_id, Agent.status == AgentStatus.ACTIVE)
    with db.reading() as connection:
        for row in connection.execute(query).all():
            yield str(row.id), f'"{version_marks.runtime_marked(row.id, row.version, row.updated_at)}"'


def _runtime(operator: Actor, agents: list[tuple[str, str]]) -> Runtime:
    values = {"name": "fleet", "scopes": [Scope.RUNTIME], "agent_ids": [agent_id for agent_id, _ in agents]}
    return Runtime(tokens.create(operator, values)[1], dict(agents))
