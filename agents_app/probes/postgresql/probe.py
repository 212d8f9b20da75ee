"""The probe of PostgreSQL: connects, signs in, proves that the role can only read, and checks the allow lists."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from socket import socket
from typing import Any

from agents_app.probes.network import tcp, tls
from agents_app.probes.network.addresses import AddressRules, resolve
from agents_app.probes.postgresql import rights
from agents_app.probes.postgresql.session import Session, sign_in
from agents_app.probes.postgresql.statements import allow_connection
from agents_app.probes.recorder import ProbeFailed, Recorder

DEFAULT_PORT = 5432
ANSWER_SECONDS = 4
# The parent ends the probe after ten seconds in all. This is shorter, so that the cause is still reported.
TOTAL_SECONDS = 9
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
# Refusals that a server sends after it accepted the password.
OF_THE_DATABASE = {"postgresql_database", "postgresql_database_closed", "postgresql_connect_right"}
# `SET LOCAL` in place of the start-up option, which poolers refuse.
BEGIN = "BEGIN READ ONLY; SET LOCAL statement_timeout = 4000; SET LOCAL search_path = pg_catalog"


def run(values: Mapping[str, Any], rules: AddressRules, recorder: Recorder) -> None:
    """Test one connection, step by step."""
    target = _Target(values)
    deadline = time.monotonic() + TOTAL_SECONDS
    with recorder.step("resolve"):
        addresses = resolve(target.host, target.port, rules)
    with recorder.step("connect"):
        connection = tcp.connect(addresses, target.host, target.port, target.seconds)
        address = connection.getpeername()[0]
    with connection:
        if target.mode != "disable":
            with recorder.step("tls"):
                target.check_tls(connection)
                tls.warn_about_mode(recorder, target.mode, target.host)
    with closing(_open(target, address, deadline, recorder)) as session:
        rights.check(session, values, recorder)


@dataclass(frozen=True)
class _Target:
    values: Mapping[str, Any]

    @property
    def host(self) -> str:
        # The certificate has the name without the dot of the root zone.
        return str(self.values["host"]).removesuffix(".")

    @property
    def port(self) -> int:
        return int(self.values.get("port") or DEFAULT_PORT)

    @property
    def mode(self) -> str:
        return str(self.values["sslmode"])

    @property
    def seconds(self) -> float:
        """How long to wait for each answer before the sign-in."""
        return float(min(ANSWER_SECONDS, self.values.get("connect_timeout_s") or ANSWER_SECONDS))

    def facts(self) -> dict[str, Any]:
        """The values for the sentences of causes."""
        names = {"username": self.values["username"], "database": self.values["database"]}
        return {"host": self.host, "port": self.port, "sslmode": self.mode, **names}

    def check_tls(self, connection: socket) -> None:
        """Check the certificate of the server, and end the connection."""
        if not self.offers_tls(connection):
            raise ProbeFailed("tls_missing", **self.facts())
        root = self.values.get("ssl_root_cert")
        tls.start(connection, tls.trust(self.mode, root), self.host, self.port).close()

    def offers_tls(self, connection: socket) -> bool:
        """Ask the server whether it offers TLS. This is the first message of every client that wants TLS."""
        try:
            connection.sendall(SSL_REQUEST)
            answer = connection.recv(1)
        except TimeoutError:
            raise ProbeFailed("timed_out", **self.facts()) from None
        except OSError:
            answer = b""
        if answer not in (b"S", b"N"):
            raise ProbeFailed("postgresql_not_understood" if answer else "connection_lost", **self.facts())
        return answer == b"S"


def _open(target: _Target, address: str, deadline: float, recorder: Recorder) -> Session:
    refusal = session = None
    with recorder.step("sign_in"):
        if not target.values.get("password"):
            raise ProbeFailed("password_missing", **target.facts())
        if target.mode == "disable":
            tls.warn_about_mode(recorder, target.mode, target.host)
        try:
            session = _sign_in(target, address, min(deadline, time.monotonic() + target.seconds))
        except ProbeFailed as failure:
            refusal = failure
            if failure.code not in OF_THE_DATABASE:
                raise _explain(failure, target, address) from None
    with recorder.step("database"):
        if session is None:
            if refusal and refusal.code == "postgresql_connect_right":
                recorder.suggest(allow_connection(target.values["username"], target.values["database"]))
            raise refusal or ProbeFailed("internal_error")
        session.deadline = deadline
        session.rows(BEGIN)
        ((version,),) = session.rows("SELECT current_setting('server_version_num')::int / 10000")
        recorder.know(server=f"PostgreSQL {int(version)}")
    return session


def _sign_in(target: _Target, address: str, deadline: float) -> Session:
    values = target.values
    with tls.root_file(values.get("ssl_root_cert")) as root:
        checked = {"sslrootcert": root} if target.mode.startswith("verify") else {}
        settings = {"host": target.host, "hostaddr": address, "port": target.port, "sslmode": target.mode, **checked}
        login = {"dbname": values["database"], "user": values["username"], "password": values["password"]}
        return sign_in(settings | login, deadline)


def _explain(failure: ProbeFailed, target: _Target, address: str) -> ProbeFailed:
    """A server that requires TLS answers a client without TLS as if no rule permitted the user at all."""
    if failure.code == "postgresql_host_rule" and target.mode == "disable":
        with tcp.connect([address], target.host, target.port, target.seconds) as connection:
            if target.offers_tls(connection):
                return ProbeFailed("postgresql_tls_required", **target.facts())
    return failure
