"""Fixtures for the tests of probes."""

from collections.abc import Iterator

import pytest

from tests.probes.postgres_tls import TlsServer, tls_server


@pytest.fixture(scope="session")
def postgres_tls() -> Iterator[TlsServer]:
    """A PostgreSQL server with TLS, one for each process of pytest."""
    with tls_server() as server:
        yield server
