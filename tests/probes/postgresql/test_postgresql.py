"""The probe of PostgreSQL on a real server: each way in which a connection can fail has a cause of its own."""

import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.postgresql.session import sign_in
from agents_app.probes.recorder import ProbeFailed
from agents_app.probes.results import Outcome
from tests.probes.postgresql.postgres_tls import PASSWORD, TlsServer, free_port, probe

STEPS = ["resolve", "connect", "tls", "sign_in", "database", "read_only", "tables"]
WRONG = {
    "wrong password": ({"password": "not it"}, "sign_in", "postgresql_login"),
    "unknown user": ({"username": "nobody"}, "sign_in", "postgresql_login"),
    "no password": ({"password": None}, "sign_in", "password_missing"),
    "missing database": ({"database": "nothing"}, "database", "postgresql_database"),
    "database that looks like settings": ({"database": "host=192.0.2.1 dbname=x"}, "database", "postgresql_database"),
    "closed database": ({"database": "closed"}, "database", "postgresql_database_closed"),
    "no right to connect": ({"database": "private"}, "database", "postgresql_connect_right"),
    "role that may not log in": ({"username": "no_login"}, "sign_in", "postgresql_no_login"),
    "too many connections": ({"username": "one_at_a_time"}, "sign_in", "postgresql_too_many"),
    "old password method": ({"username": "old", "database": "old_method"}, "sign_in", "postgresql_old_password"),
    "clear text": ({"database": "clear_text"}, "sign_in", "postgresql_clear_password"),
    "no check of the password": ({"database": "without_password"}, "sign_in", "postgresql_no_password"),
    "wrong name in the certificate": ({"host": "127.0.0.1"}, "tls", "certificate_name"),
    "authority of the system": ({"ssl_root_cert": None}, "tls", "database_certificate_not_trusted"),
    "TLS required": ({"database": "tls_only", "sslmode": "disable"}, "sign_in", "postgresql_tls_required"),
    "no rule, without TLS": ({"database": "nobody", "sslmode": "require"}, "sign_in", "postgresql_host_rule"),
}


@pytest.fixture(scope="session")
def server(postgres_tls: TlsServer) -> TlsServer:
    """The server, with a database or role for each refusal."""
    postgres_tls.execute(
        "CREATE DATABASE closed ALLOW_CONNECTIONS false",
        "CREATE DATABASE private",
        "REVOKE CONNECT ON DATABASE private FROM PUBLIC",
        "CREATE DATABASE old_method",
        "SET password_encryption = 'md5'",
        f"CREATE ROLE old LOGIN PASSWORD '{PASSWORD}'",
    )
    postgres_tls.execute(f"CREATE ROLE no_login PASSWORD '{PASSWORD}'")
    postgres_tls.create_role("one_at_a_time", "CONNECTION LIMIT 0")
    return postgres_tls


@pytest.mark.parametrize("case", WRONG)
def test_a_refusal_has_its_own_cause(case: str, server: TlsServer) -> None:
    changed, step, code = WRONG[case]

    result = probe(server.values(**changed))

    assert result.cause
    assert (result.steps[-1].name, result.steps[-1].outcome, result.cause.code) == (step, Outcome.FAILED, code)
    assert PASSWORD not in str(result)


def test_the_statement_for_the_right_to_connect_lets_the_role_in(server: TlsServer) -> None:
    server.execute("CREATE DATABASE members", "REVOKE CONNECT ON DATABASE members FROM PUBLIC")

    server.execute(*probe(server.values(database="members")).statements)

    assert probe(server.values(database="members")).steps[4].outcome is Outcome.PASSED


def test_a_server_that_refuses_a_statement_of_the_test_has_its_own_cause(server: TlsServer) -> None:
    with server.database() as name:
        server.execute("REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC", database=name)
        result = probe(server.values(database=name))

    assert result.cause
    assert (result.steps[-1].name, result.cause.code) == ("read_only", "postgresql_statement")


def test_a_statement_that_takes_too_long_has_its_own_cause(server: TlsServer) -> None:
    settings = {"host": "127.0.0.1", "port": server.port, "dbname": "shop", "user": "reader", "password": PASSWORD}
    failures = []
    with closing(sign_in(settings, time.monotonic() + 60)) as session:
        session.rows("SET statement_timeout = 1")
        for deadline in (session.deadline, 0):
            session.deadline = deadline
            with pytest.raises(ProbeFailed) as caught:
                session.rows("SELECT pg_sleep(60)")
            failures.append(caught.value.code)

    # The server ends the first one, and the console does not wait for the second one.
    assert failures == ["postgresql_slow"] * 2


def test_a_port_on_which_nothing_listens_is_refused(server: TlsServer) -> None:
    result = probe(server.values(port=free_port()))

    assert result.cause
    assert (result.steps[-1].name, result.cause.code) == ("connect", "port_refused")


@pytest.mark.parametrize("sslmode", ["disable", "verify-full"])
def test_a_server_that_accepts_the_connection_and_sends_nothing_is_silent(sslmode: str, server: TlsServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = probe(server.values(port=silent.getsockname()[1], sslmode=sslmode, connect_timeout_s=0.2))

    assert result.cause
    assert result.cause.code == "server_silent"


@pytest.mark.parametrize("sslmode", ["verify-ca", "verify-full"])
def test_an_expired_certificate_is_refused(sslmode: str, server: TlsServer) -> None:
    server.write_certificate("expired", server.authority.issue("localhost", is_expired=True))

    with server.setting(ssl_cert_file="expired.crt", ssl_key_file="expired.key"):
        result = probe(server.values(sslmode=sslmode))

    assert result.cause
    assert (result.steps[-1].name, result.cause.code) == ("tls", "database_certificate_expired")


@pytest.mark.parametrize("sslmode", ["verify-ca", "verify-full"])
def test_a_root_certificate_that_openssl_refuses_is_a_cause(sslmode: str, server: TlsServer) -> None:
    result = probe(server.values(sslmode=sslmode, ssl_root_cert=server.authority.unsupported_certificate))

    assert result.cause
    assert (result.steps[-1].name, result.cause.code) == ("tls", "root_certificate_refused")


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_a_server_without_tls_is_refused_where_tls_is_required(sslmode: str, server: TlsServer) -> None:
    with server.setting(ssl="off"):
        result = probe(server.values(sslmode=sslmode))

    assert result.cause
    assert (result.steps[-1].name, result.cause.code) == ("tls", "tls_missing")


def test_a_blocked_address_ends_the_test_before_it_connects(server: TlsServer) -> None:
    result = probe(server.values(), AddressRules())

    assert [step.name for step in result.steps] == ["resolve"]
    assert result.cause
    assert result.cause.code == "address_blocked"


def test_variables_of_libpq_and_files_of_the_person_are_not_used(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The child process has none of these variables. This is what remains if they are there.
    (tmp_path / "pass").write_text(f"*:*:*:*:{PASSWORD}\n")
    (tmp_path / "pass").chmod(0o600)
    for name, text in {"PGPASSFILE": str(tmp_path / "pass"), "PGPASSWORD": PASSWORD, "PGHOSTADDR": "192.0.2.1"}.items():
        monkeypatch.setenv(name, text)

    assert getattr(probe(server.values(password=None)).cause, "code", "") == "password_missing"
    assert probe(server.values()).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({}, []),
        ({"host": "127.0.0.1", "sslmode": "verify-ca"}, ["name_not_checked"]),
        ({"sslmode": "require"}, ["identity_not_checked"]),
        ({"sslmode": "disable"}, ["not_encrypted"]),
        ({"host": "LOCALHOST."}, []),
    ],
)
def test_a_reader_passes_with_what_its_tls_mode_leaves_open(
    changed: dict[str, Any], codes: list[str], server: TlsServer
) -> None:
    result = probe(server.values(**changed))

    assert result.cause is None
    assert [warning.code for warning in result.warnings] == codes
    assert [step.name for step in result.steps] == [
        step for step in STEPS if step != "tls" or "not_encrypted" not in codes
    ]
    assert result.facts.items() >= {"readable_tables": 4, "read_only": True}.items()
    assert result.statements == ()


def test_a_second_answer_of_dns_changes_nothing(server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    real, answers = socket.getaddrinfo, iter(["127.0.0.1"])

    def name_server(host: str, *more: Any, **named: Any) -> Any:
        # The first answer is the server. Another question for the name has no answer at all.
        return real(next(answers) if host == "rebinding.example.org" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", name_server)

    result = probe(server.values(host="rebinding.example.org", sslmode="require"))

    assert result.cause is None
    assert next(answers, None) is None


def test_no_session_and_no_file_remains(server: TlsServer) -> None:
    descriptors = sorted(path.name for path in Path("/proc/self/fd").iterdir())

    probe(server.values())
    probe(server.values(password="not it"))

    assert sorted(path.name for path in Path("/proc/self/fd").iterdir()) == descriptors
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'"
    while server.execute(count) != [(0,)]:
        pass
