"""Operations are called as a door calls them: with the app at hand, and no request."""

from collections.abc import Iterator

import pytest
from flask import Flask


@pytest.fixture
def app(console: Flask) -> Iterator[Flask]:
    """The app, at hand for operations."""
    with console.app_context():
        yield console
