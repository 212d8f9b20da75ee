"""Helpers that find where the console's own database is, because tests of connections must not reach it."""

from ipaddress import ip_address
from itertools import product
from typing import Any

import sqlalchemy as sa

from agents_app.config import settings
from agents_app.database.server_addresses import server_addresses
from agents_app.db import db

SERVER = sa.select(
    sa.func.host(sa.func.inet_server_addr()), sa.cast(sa.func.current_setting("port"), sa.Integer).label("port")
)


def places() -> tuple[tuple[str, int], ...]:
    """The hosts of the console's own database, each with the ports on which it can be reached.

    They are those of the URLs, and those of the server that answers there: behind a pooler it has a port of its own,
    and a service file or a variable of libpq may name the host.
    """
    known = settings()
    written = server_addresses(known.database_url) + server_addresses(known.migration_url)
    found = _found() if db.engine.dialect.name == "postgresql" else ()
    hosts, ports = ({place[at] for place in (*written, *found)} for at in (0, 1))
    return tuple(product(sorted(map(str, hosts)), sorted(map(int, ports))))


def _found() -> tuple[tuple[str, int], ...]:
    with db.reading() as connection:
        address, port = connection.execute(SERVER).one()
        driver: Any = connection.connection.driver_connection
        host, hostaddr = driver.info.host, driver.info.dsn_parameters.get("hostaddr")
        used = int(driver.info.port)
    hosts = ["localhost" if not host or host[0] in "/@" else host, *([hostaddr] if hostaddr else [])]
    # The loopback address of the server's own machine says nothing here.
    hosts += [address] if address and not ip_address(address).is_loopback else []
    return tuple((name, each) for name in hosts for each in (used, port))
