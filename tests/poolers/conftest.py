"""The console's database through PgBouncer, in either mode."""

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
# Those with a dot are an extension's, which are there once it is used.
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name <> 'application_name' AND name !~ '[.]' ORDER BY 1"
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


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


def connect(url: str) -> Any:
    """A plain connection of the driver, which sets nothing."""
    return psycopg2.connect(**libpq_parameters(parse_url(url))[0])


def answer_of(url: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, asked by another client."""
    with closing(connect(url)) as other, other.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def with_options(url: str, options: str) -> str:
    """The URL with `options`, escaped as in a browser's address."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(options)}"
