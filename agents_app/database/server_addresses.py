"""Where a database URL leads, as libpq reads it: with the service file, the PG* variables and the defaults."""

from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache

import psycopg2
from sqlalchemy.engine import URL

from agents_app.database.session import libpq_parameters

PORT = "5432"


def server_addresses(url: URL) -> tuple[tuple[str, int], ...]:
    """The hosts of a PostgreSQL URL, each with every port. A Unix socket counts as localhost.

    If no server can be reached now, only the URL itself is read.
    """
    if url.get_backend_name() != "postgresql":
        return ()
    try:
        known = _read_by_libpq(url)
    except psycopg2.Error:
        known = {name: str(value) for name, value in libpq_parameters(url)[0].items()}
    hosts = [host for name in ("host", "hostaddr") for host in known.get(name, "").split(",") if host] or [""]
    names = ["localhost" if not host or host[0] in "/@" else host for host in hosts]
    ports = [int(port or PORT) for port in known.get("port", "").split(",")]
    return tuple(dict.fromkeys((name, port) for name in names for port in ports))


@lru_cache(maxsize=8)
def _read_by_libpq(url: URL) -> Mapping[str, str]:
    # psycopg2 has no function that only reads. This connection is closed before anything is sent.
    with closing(psycopg2.connect(**libpq_parameters(url)[0], async_=True)) as begun:
        found: dict[str, str] = begun.info.dsn_parameters
    return found
