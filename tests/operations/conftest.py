"""Tests call operations as a door does: within the app context, but without a request."""

from collections.abc import Iterator

import pytest
from flask import Flask


@pytest.fixture
def app(console: Flask) -> Iterator[Flask]:
    """The app, with its context."""
    with console.app_context():
        yield console
