"""A console with metrics, whose counts are read as Prometheus reads them."""

import gzip
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from flask import Flask

from agents_app import metrics
from agents_app.server.buffering import BufferingMiddleware
from agents_app.server.worker import server_config
from tests.conftest import OpenConsole
from tests.security.served import PATIENCE_S

TOKEN = "Rk7vXy2Qm9TtLw4RbNc6HsJd3GfPa8Ue"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass
class Answer:
    """What the server answers."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return (gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body).decode()


@dataclass
class Watched:
    """A running console: its port, and the one of METRICS_BIND. Values are differences since `begin`."""

    app: Flask
    port: int
    metrics_port: int
    before: Samples = field(default_factory=dict)

    def ask(self, path: str, port: int = 0, method: str = "GET", **headers: str) -> Answer:
        """The answer to one request, at the port of the console unless another one is given."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE_S)
        connection.request(method, path, headers={"Host": "localhost", **headers})
        answer = connection.getresponse()
        found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        return found

    def text(self) -> str:
        """The metrics."""
        answer = self.ask("/metrics", self.metrics_port, **BEARER)
        assert answer.status == 200
        return answer.text

    def begin(self) -> None:
        """Count from here: the processes of all tests share what is counted."""
        self.before = samples(self.text())

    def value(self, name: str, **labels: str) -> float | None:
        """The value of one series, None if it is missing."""
        key = name, frozenset(labels.items())
        now = samples(self.text())
        return None if key not in now else now[key] - self.before.get(key, 0)


def samples(text: str) -> Samples:
    """Every series of an answer, with its value."""
    # The package chooses where it counts when it is imported: after the console has made the folder.
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@contextmanager
def watched(app: Flask) -> Iterator[Watched]:
    """Serve the app on the ports of its settings, as a worker does."""
    settings: Any = app.extensions["settings"]
    metrics.before_workers(app)
    metrics.in_worker(app)
    listeners = [socket.create_server(("127.0.0.1", 0))]
    if settings.metrics_bind:
        listeners.append(socket.create_server(settings.metrics_bind))
    config = server_config(metrics.with_metrics(app, BufferingMiddleware(app, settings.pool_size)))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=(listeners,))
    thread.start()
    try:
        found = Watched(app, listeners[0].getsockname()[1], listeners[-1].getsockname()[1])
        if settings.has_metrics:
            found.begin()
        yield found
    finally:
        server.should_exit = True
        thread.join()
        for listener in listeners:
            listener.close()


@pytest.fixture
def watch(schema_url: str, open_console: OpenConsole) -> Iterator[Callable[..., Watched]]:
    """Starts a console with these settings on a database of the test."""
    open_ones = []

    def start(**texts: str) -> Watched:
        open_ones.append(watched(open_console(schema_url, **texts)))
        return open_ones[-1].__enter__()

    yield start
    for one in open_ones:
        one.__exit__(None, None, None)
