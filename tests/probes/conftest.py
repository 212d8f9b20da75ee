"""Fixtures for the tests of probes: servers, one for each process of pytest."""

from collections.abc import Iterator

import pytest

from tests import mariadb as mariadb_server
from tests.mariadb import MariaDb
from tests.probes.mysql.mariadb_agents import ACCOUNT, NEW_USER, PASSWORD, ROLES_AND_USERS, SET_UP
from tests.probes.postgresql.postgres_tls import TlsServer, tls_server


@pytest.fixture(scope="session")
def postgres_tls() -> Iterator[TlsServer]:
    """A PostgreSQL server with TLS, one for each process of pytest."""
    with tls_server() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A real MariaDB server with databases and users, started when the first test asks for it."""
    with mariadb_server.server() as running:
        running.execute(*SET_UP, *ROLES_AND_USERS)
        yield running


@pytest.fixture
def new_user(mariadb: MariaDb) -> Iterator[str]:
    """A user of MariaDB without any right."""
    mariadb.execute(f"CREATE USER {ACCOUNT} IDENTIFIED BY '{PASSWORD}'")
    yield NEW_USER
    mariadb.execute(f"DROP USER {ACCOUNT}")
