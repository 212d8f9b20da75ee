"""The probe of PostgreSQL: connects, signs in, proves that the role can only read, and checks the allow lists."""

import time
from collections.abc import Mapping
from contextlib import closing
from socket import socket
from typing import Any

from agents_app.probes.network import tls
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.network.databases import DatabaseServer
from agents_app.probes.postgresql import rights
from agents_app.probes.postgresql.session import Session, sign_in
from agents_app.probes.postgresql.statements import allow_connection
from agents_app.probes.recorder import ProbeFailed, Recorder

DEFAULT_PORT = 5432
# The parent ends the probe after ten seconds in all. This is shorter, so that the cause is still reported.
TOTAL_SECONDS = 9
VERSION_MAX = 1_000
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
# Refusals that a server sends after it accepted the password.
OF_THE_DATABASE = {"postgresql_database", "postgresql_database_closed", "postgresql_connect_right"}
# `SET LOCAL` in place of the start-up option, which poolers refuse.
BEGIN = "BEGIN READ ONLY; SET LOCAL statement_timeout = 4000; SET LOCAL search_path = pg_catalog"


def run(values: Mapping[str, Any], rules: AddressRules, recorder: Recorder) -> None:
    """Test one connection, step by step."""
    server = _Server.of(values, DEFAULT_PORT)
    deadline = time.monotonic() + TOTAL_SECONDS
    addresses = server.resolve(rules, recorder)
    with recorder.step("connect"):
        connection = server.connect(addresses)
        address = server.address_of(connection)
    with connection:
        if server.mode != "disable":
            with recorder.step("tls"):
                server.check_tls(connection)
                tls.warn_about_mode(recorder, server.mode, server.host)
    with closing(_open(server, address, deadline, recorder)) as session:
        rights.check(session, values, recorder)


class _Server(DatabaseServer):
    @property
    def mode(self) -> str:
        return str(self.values["sslmode"])

    def check_tls(self, connection: socket) -> None:
        """Check the certificate of the server, and end the connection."""
        if not self.offers_tls(connection):
            raise ProbeFailed("tls_missing", **self.facts)
        trusted = tls.trust(self.mode, self.values.get("ssl_root_cert"))
        tls.start(connection, trusted, self.host, self.port, tls.cause_for_database).close()

    def offers_tls(self, connection: socket) -> bool:
        """Ask the server whether it offers TLS. This is the first message of every client that wants TLS."""
        try:
            connection.sendall(SSL_REQUEST)
            answer = connection.recv(1)
        except TimeoutError:
            raise ProbeFailed("server_silent", **self.facts) from None
        except OSError:
            answer = b""
        if answer not in (b"S", b"N"):
            raise ProbeFailed("postgresql_not_understood" if answer else "connection_lost", **self.facts)
        return answer == b"S"


def _open(server: _Server, address: str, deadline: float, recorder: Recorder) -> Session:
    refusal = session = None
    with recorder.step("sign_in"):
        if not server.values.get("password"):
            raise ProbeFailed("password_missing", **server.facts)
        if server.mode == "disable":
            tls.warn_about_mode(recorder, server.mode, server.host)
        try:
            session = _sign_in(server, address, min(deadline, time.monotonic() + server.seconds))
        except ProbeFailed as failure:
            refusal = failure
            if failure.code not in OF_THE_DATABASE:
                raise _explain(failure, server, address) from None
    with recorder.step("database"):
        if session is None:
            if refusal and refusal.code == "postgresql_connect_right":
                recorder.suggest(allow_connection(server.values["username"], server.values["database"]))
            raise refusal or ProbeFailed("internal_error")
        session.deadline = deadline
        session.rows(BEGIN)
        (version,) = session.row("SELECT current_setting('server_version_num')::int / 10000", int)
        if not 0 < version < VERSION_MAX:
            raise ProbeFailed("postgresql_unreadable")
        recorder.know(server=f"PostgreSQL {version}")
    return session


def _sign_in(server: _Server, address: str, deadline: float) -> Session:
    values = server.values
    with tls.root_file(values.get("ssl_root_cert")) as root:
        checked = {"sslrootcert": root} if server.mode.startswith("verify") else {}
        settings = {"host": server.host, "hostaddr": address, "port": server.port, "sslmode": server.mode, **checked}
        login = {"dbname": values["database"], "user": values["username"], "password": values["password"]}
        return sign_in(settings | login, deadline)


def _explain(failure: ProbeFailed, server: _Server, address: str) -> ProbeFailed:
    """A server that requires TLS answers a client without TLS as if no rule permitted the user at all."""
    if failure.code == "postgresql_host_rule" and server.mode == "disable":
        with server.connect([address]) as connection:
            if server.offers_tls(connection):
                return ProbeFailed("postgresql_tls_required", **server.facts)
    return failure
