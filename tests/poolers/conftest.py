"""Fixtures for the console's database through PgBouncer, in session and in transaction mode."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from agents_app.database.session import libpq_parameters
from agents_app.database.url import parse_url
from tests import pgbouncer
from tests.pgbouncer import Pooler

MODES = ("session", "transaction")
StartPooler = Callable[..., Pooler]
# Settings with a dot belong to extensions, and exist only after the extension was used.
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name <> 'application_name' AND name !~ '[.]' ORDER BY 1"
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


@pytest.fixture
def start_pooler(postgres_server: str) -> Iterator[StartPooler]:
    """Starts a PgBouncer in a mode, with settings. It is stopped when the test ends."""
    with ExitStack() as stack:
        yield lambda mode, **settings: stack.enter_context(pgbouncer.pooler(postgres_server, mode, **settings))


@pytest.fixture(params=MODES)
def pooler(request: pytest.FixtureRequest, start_pooler: StartPooler) -> Pooler:
    """A PgBouncer with default settings. The test runs in session mode and in transaction mode."""
    return start_pooler(request.param)


@pytest.fixture(params=["direct", *MODES])
def served_url(request: pytest.FixtureRequest, postgres_schema_url: str, start_pooler: StartPooler) -> str:
    """The URL of a PostgreSQL database with every table: direct, and through PgBouncer."""
    if request.param == "direct":
        return postgres_schema_url
    return start_pooler(request.param).url(postgres_schema_url)


def connect(url: str) -> Any:
    """Open a connection of the driver without session settings."""
    return psycopg2.connect(**libpq_parameters(parse_url(url))[0])


def query_rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """Run a query from another client, and return its rows."""
    with closing(connect(url)) as other, other.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def with_options(url: str, options: str) -> str:
    """Add percent-encoded `options` to a URL."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(options)}"
