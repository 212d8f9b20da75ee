"""Fixtures for all tests. A test on PostgreSQL runs on a real server and is never skipped."""

# isort: off
# First, so that modules imported later have an empty environment.
from tests import isolation

# isort: on
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import create_sqlite_file, db
from agents_app.operations.permissions import Actor
from tests import make, postgres
from tests.sign_on.loopback_provider import LoopbackProvider, loopback_provider

OpenConsole = Callable[..., Flask]


def pytest_configure() -> None:
    """Before the first test, check the server that tests use."""
    isolation.check_server()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that accessed the data of the person who runs it."""
    return isolation.judge((yield))


@pytest.fixture(scope="session", autouse=True)
def _out_of_the_checkout() -> None:
    # A program without a given folder starts here, not in the checkout.
    os.chdir(isolation.HOME)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server, one for each process of pytest, started when the first test asks for it."""
    with postgres.server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database owned by an ordinary role."""
    with postgres.database(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'console.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; the test runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    create_sqlite_file(parse_url(url))
    return url


@pytest.fixture(scope="session")
def _sqlite_at_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("head") / "console.db"
    _bring_to_head(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def _postgres_at_head(postgres_server: str) -> Iterator[str]:
    with postgres.database(postgres_server) as url:
        _bring_to_head(url)
        yield url


@pytest.fixture
def sqlite_schema_url(_sqlite_at_head: Path, sqlite_url: str) -> str:
    """The URL of an SQLite file with every table and no row."""
    shutil.copy(_sqlite_at_head, parse_url(sqlite_url).database or "")
    return sqlite_url


@pytest.fixture
def postgres_schema_url(postgres_server: str, _postgres_at_head: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with every table and no row."""
    with postgres.database(postgres_server, parse_url(_postgres_at_head).database or "") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def schema_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with every table and no row; the test runs on SQLite and on PostgreSQL."""
    return request.getfixturevalue({"sqlite": "sqlite_schema_url", "postgresql": "postgres_schema_url"}[request.param])


@pytest.fixture(scope="session")
def _sqlite_console(_sqlite_at_head: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with _console_on_sqlite(_sqlite_at_head, tmp_path_factory) as app:
        yield app


@pytest.fixture(scope="session")
def _postgres_console(postgres_server: str, _postgres_at_head: str) -> Iterator[Flask]:
    with _console_on_postgres(postgres_server, _postgres_at_head) as app:
        yield app


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def console_of_module(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _sqlite_at_head: Path,
    _postgres_at_head: str,
    postgres_server: str,
) -> Iterator[Flask]:
    """The app on a database that only the tests of one module share, for modules that read every row."""
    consoles = {
        "sqlite": _console_on_sqlite(_sqlite_at_head, tmp_path_factory),
        "postgresql": _console_on_postgres(postgres_server, _postgres_at_head),
    }
    with consoles[request.param] as app:
        yield app


@pytest.fixture(params=["sqlite", "postgresql"])
def console(request: pytest.FixtureRequest) -> Flask:
    """The app on a database that all tests of one process share: each test creates an account of its own there."""
    return request.getfixturevalue({"sqlite": "_sqlite_console", "postgresql": "_postgres_console"}[request.param])


@pytest.fixture
def admin(console: Flask) -> Actor:
    """An admin of a new account on the shared console."""
    return make.make_user(console)


@pytest.fixture
def open_console() -> Iterator[OpenConsole]:
    """Creates apps on databases of the test, and closes their connections at its end."""
    apps: list[Flask] = []

    def open_one(url: str, **texts: str) -> Flask:
        apps.append(make.make_app(url, **texts))
        return apps[-1]

    yield open_one
    for app in apps:
        with app.app_context():
            db.engine.dispose()


@contextmanager
def _console(url: str) -> Iterator[Flask]:
    app = make.make_app(url)
    yield app
    with app.app_context():
        db.engine.dispose()


@contextmanager
def _console_on_sqlite(at_head: Path, folders: pytest.TempPathFactory) -> Iterator[Flask]:
    file = shutil.copy(at_head, folders.mktemp("shared") / "console.db")
    with _console(f"sqlite:///{file}") as app:
        yield app


@contextmanager
def _console_on_postgres(server: str, at_head: str) -> Iterator[Flask]:
    with postgres.database(server, parse_url(at_head).database or "") as url, _console(url) as app:
        yield app


def _bring_to_head(url: str) -> None:
    dbtools.upgrade_to_head(parse_url(url))


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[LoopbackProvider]:
    """An identity provider where Ann is signed in, with the role admin."""
    with loopback_provider(tmp_path) as provider:
        yield provider


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List in capitals what this machine could not test."""
    reasons = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])}
    skipped = {reason for reason in reasons if "NOT tried" in reason}
    for reason in sorted(skipped):
        terminalreporter.write_sep("!", reason.removeprefix("Skipped: "), yellow=True)
