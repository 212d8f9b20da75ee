"""Agents that tests of connections test, the servers that they connect to, and what is stored of the tests."""

import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Flask

from agents_app.db import db, now
from agents_app.models import StartedTest
from agents_app.operations import agent_reads, connection_tests
from agents_app.operations.permissions import Actor
from tests.make import make_agent

PASSWORD = "canary-password-7Qm2"
KEY = "sk-canary-key-9Xy8Tt1Lw6"


class SilentServer:
    """A server on loopback that accepts connections and sends nothing, until it is closed."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def accept(self) -> socket.socket:
        """The next connection, once it is there."""
        return self.socket.accept()[0]


def make_tested(console: Flask, actor: Actor, port: int, **changes: Any) -> UUID:
    """Make an agent whose database is at this port of loopback."""
    config = {"host": "127.0.0.1", "port": port, "password": PASSWORD}
    return make_agent(console, actor, connection_config=config, **changes)


def start(console: Flask, actor: Actor, agent_id: UUID) -> Callable[[], Any]:
    """Start a test of an agent. The returned function waits for its result."""
    results: list[Any] = []

    def run() -> None:
        with console.app_context():
            results.append(connection_tests.run(actor, agent_id))

    thread = threading.Thread(target=run)
    thread.start()

    def wait() -> Any:
        thread.join()
        return results[0]

    return wait


def last_test(actor: Actor, agent_id: UUID) -> Any:
    """The last test of an agent."""
    return agent_reads.read(actor, agent_id)["last_test"]


def add_started(actor: Actor, number: int, age: float, *, is_running: bool = False) -> None:
    """Store tests that this person started some seconds ago."""
    started = now() - timedelta(seconds=age)
    with db.transaction() as session:
        for _ in range(number):
            row = StartedTest(account_id=actor.account_id, person=actor.user_id, started_at=started)
            row.ended_at = None if is_running else started
            session.add(row)
