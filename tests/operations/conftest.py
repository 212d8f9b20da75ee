"""Tests call operations as a door does: within the app context, but without a request."""

import socket
from collections.abc import Iterator

import pytest
from flask import Flask

from tests.operations.tested_agents import SilentServer


@pytest.fixture
def app(console: Flask) -> Iterator[Flask]:
    """The app, with its context."""
    with console.app_context():
        yield console


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    """A server that accepts connections and sends nothing."""
    server = SilentServer()
    yield server
    server.socket.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of loopback that refuses connections, and is not used while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
