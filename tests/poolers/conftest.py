"""The console's database through PgBouncer, in either mode."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from tests import pgbouncer
from tests.pgbouncer import Pooler

MODES = ("session", "transaction")
StartPooler = Callable[..., Pooler]


@pytest.fixture
def start_pooler(postgres_server: str) -> Iterator[StartPooler]:
    """Starts a PgBouncer in a mode, with settings; it is stopped when the test ends."""
    with ExitStack() as stack:
        yield lambda mode, **settings: stack.enter_context(pgbouncer.pooler(postgres_server, mode, **settings))


@pytest.fixture(params=MODES)
def pooler(request: pytest.FixtureRequest, start_pooler: StartPooler) -> Pooler:
    """A PgBouncer as installed; the test runs with session mode and with transaction mode."""
    return start_pooler(request.param)


@pytest.fixture(params=["direct", *MODES])
def served_url(request: pytest.FixtureRequest, postgres_schema_url: str, start_pooler: StartPooler) -> str:
    """The URL of a PostgreSQL database with every table: the server's own address, and through PgBouncer."""
    if request.param == "direct":
        return postgres_schema_url
    return start_pooler(request.param).url(postgres_schema_url)


def with_options(url: str, options: str) -> str:
    """The URL with `options`, escaped as in a browser's address."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(options)}"
