"""A real PostgreSQL server with TLS on loopback, and what the tests of the probe need on it."""

import os
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2

from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.postgresql import probe as postgresql
from agents_app.probes.results import Result
from tests import postgres
from tests.authority import Authority, Issued
from tests.probes.trying import LOOPBACK, try_probe

PASSWORD = "canary of the probes"
HBA = """
local all all trust
hostnossl tls_only all all reject
host nobody all all reject
host old_method all all md5
host clear_text all all password
host without_password all all trust
host all all all scram-sha-256
"""
TEMPLATE = (
    "CREATE SCHEMA sales",
    "CREATE TABLE sales.orders (id int, note text)",
    "CREATE TABLE sales.items (id int)",
    "CREATE TABLE public.customers (id int)",
    "CREATE VIEW sales.open_orders AS SELECT * FROM sales.orders",
    "CREATE SEQUENCE sales.numbers",
    "GRANT USAGE ON SCHEMA sales TO reader",
    "GRANT SELECT ON ALL TABLES IN SCHEMA sales, public TO reader",
)


@dataclass(frozen=True)
class TlsServer:
    """The server. Its certificate is for the name localhost, so that the name 127.0.0.1 is a wrong one."""

    cluster: postgres.Cluster
    port: int
    authority: Authority

    def execute(self, *statements: str, database: str = "postgres", user: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements through the Unix socket, and return the rows of the last one."""
        connection = psycopg2.connect(host=self.cluster.folder, port=self.port, user=user, dbname=database)
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    def values(self, **changed: Any) -> dict[str, Any]:
        """The values of a valid connection of the role reader."""
        return {
            "host": "localhost",
            "port": self.port,
            "database": "shop",
            "username": "reader",
            "password": PASSWORD,
            "sslmode": "verify-full",
            "ssl_root_cert": self.authority.certificate,
            **changed,
        }

    def create_role(self, name: str, options: str = "") -> None:
        """Create a role with the usual password."""
        self.execute(f"CREATE ROLE {name} LOGIN {options} PASSWORD '{PASSWORD}'")

    @contextmanager
    def database(self) -> Iterator[str]:
        """A copy of the database shop, dropped at the end."""
        name = f"shop_{uuid.uuid4().hex[:8]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE shop")
        yield name
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def setting(self, **texts: str) -> Iterator[None]:
        """Change settings of the running server, and reset them at the end."""
        before = {name: str(self.execute(f"SHOW {name}")[0][0]) for name in texts}
        self._set(texts)
        yield
        self._set(before)

    def write_certificate(self, name: str, issued: Issued) -> None:
        """Write a certificate and its key into the folder of the server."""
        for ending, text in (("crt", issued.certificate), ("key", issued.key)):
            self.write(f"{name}.{ending}", text)

    def write(self, name: str, text: str) -> None:
        """Write a file into the folder of the server, as the server's user."""
        data = self.cluster.folder / "data"
        file = data / name
        file.write_text(text)
        file.chmod(0o600)
        os.chown(file, data.stat().st_uid, -1)

    def _set(self, texts: Mapping[str, str]) -> None:
        for name, text in texts.items():
            self.execute(f"ALTER SYSTEM SET {name} = '{text}'")
        self.execute("SELECT pg_reload_conf()")
        # A new session has the settings with which the server accepts the next connection.
        while any(self.execute(f"SHOW {name}") != [(text,)] for name, text in texts.items()):
            pass


@contextmanager
def tls_server() -> Iterator[TlsServer]:
    """Start the server, with the database shop and the role reader."""
    authority = Authority()
    with postgres.cluster() as cluster:
        cluster.kill("fast")
        server = TlsServer(cluster, free_port(), authority)
        server.write_certificate("server", authority.issue("localhost"))
        server.write("pg_hba.conf", HBA)
        # TLS is not in the command line, so that tests can change it while the server runs.
        server.write("postgresql.auto.conf", "ssl = on\n")
        cluster.settings.update(listen_addresses="127.0.0.1", port=str(server.port))
        cluster.start()
        server.create_role("reader")
        server.execute("CREATE DATABASE shop")
        server.execute(*TEMPLATE, database="shop")
        yield server


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def probe(values: Mapping[str, Any], rules: AddressRules = LOOPBACK) -> Result:
    """The result of the probe."""
    return try_probe(postgresql, values, rules)
