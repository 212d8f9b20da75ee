"""Facts of the database and of the backups: what they count, and what is shown where they cannot be read."""

from collections.abc import Callable

import pytest

from agents_app.metrics.folder import folder
from tests.metrics.conftest import Watched

Watch = Callable[..., Watched]


@pytest.fixture(autouse=True)
def _nothing_was_read() -> None:
    (folder() / "facts").unlink(missing_ok=True)
