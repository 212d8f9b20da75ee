"""The probe of MySQL and MariaDB on a real MariaDB server: each step and each cause."""

import socket
from typing import Any

import pymysql
import pytest

from agents_app.probes.mysql import probe as mysql
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.results import Outcome, Result
from agents_app.probes.runner import Request, run
from tests.authority import Authority
from tests.mariadb import MariaDb
from tests.probes.mysql.mariadb_agents import ACCOUNT, PASSWORD, agent
from tests.probes.mysql.mysql_server import Conversation, server
from tests.probes.trying import LOOPBACK, codes, try_probe


def end(result: Result) -> tuple[str, str | None]:
    """The last step, and why it failed."""
    return result.steps[-1].name, result.cause.code if result.cause else None


@pytest.mark.parametrize(
    ("values", "step", "code"),
    [
        ({"password": "wrong"}, "sign_in", "mysql_access_denied"),
        ({"password": None}, "sign_in", "password_missing"),
        ({"username": "nobody"}, "sign_in", "mysql_access_denied"),
        ({"username": "locked"}, "sign_in", "mysql_account_locked"),
        ({"username": "root", "password": "wrong"}, "sign_in", "mysql_access_denied"),
        ({"username": "secure_reader", "sslmode": "disable"}, "sign_in", "mysql_access_denied_without_tls"),
        ({"database": "missing"}, "database", "mysql_database_denied"),
        ({"database": "mysql"}, "database", "mysql_database_denied"),
        ({"host": "127.0.0.1"}, "tls", "certificate_name"),
        ({"ssl_root_cert": None}, "tls", "database_certificate_not_trusted"),
        ({"ssl_root_cert": Authority().unsupported_certificate}, "tls", "root_certificate_refused"),
        ({"ssl_root_cert": Authority().certificate, "sslmode": "verify-ca"}, "tls", "database_certificate_not_trusted"),
    ],
)
def test_a_wrong_value_has_its_cause(mariadb: MariaDb, values: dict[str, Any], step: str, code: str) -> None:
    result = try_probe(mysql, agent(mariadb, **values))

    assert end(result) == (step, code)
    assert PASSWORD not in str(result)


def test_a_missing_database_is_named_to_an_administrator(mariadb: MariaDb, new_user: str) -> None:
    mariadb.execute(f"GRANT ALL ON *.* TO {ACCOUNT}")

    assert end(try_probe(mysql, agent(mariadb, username=new_user, database="missing"))) == (
        "database",
        "mysql_database_missing",
    )


def test_an_expired_certificate_is_refused(mariadb: MariaDb) -> None:
    with mariadb.certificate(mariadb.authority.issue("localhost", is_expired=True)):
        result = try_probe(mysql, agent(mariadb))

    assert end(result) == ("tls", "database_certificate_expired")


def test_a_user_without_a_password_method_has_its_cause(mariadb: MariaDb) -> None:
    mariadb.execute("CREATE USER by_socket IDENTIFIED VIA unix_socket")

    assert end(try_probe(mysql, agent(mariadb, username="by_socket"))) == ("sign_in", "mysql_unknown_method")


def test_a_server_without_a_free_connection_says_so(mariadb: MariaDb) -> None:
    mariadb.execute(f"CREATE USER busy IDENTIFIED BY '{PASSWORD}' WITH MAX_USER_CONNECTIONS 1")
    with pymysql.connect(host="127.0.0.1", port=mariadb.port, user="busy", password=PASSWORD):
        result = try_probe(mysql, agent(mariadb, username="busy"))

    assert end(result) == ("sign_in", "mysql_too_many_connections")


def test_a_port_without_a_server_is_refused(mariadb: MariaDb) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))

        assert end(try_probe(mysql, agent(mariadb, port=unused.getsockname()[1]))) == ("connect", "port_refused")


def test_a_server_that_waits_for_the_client_to_begin_is_silent(mariadb: MariaDb) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        values = agent(mariadb, port=silent.getsockname()[1], connect_timeout_s=0.2)

        assert end(try_probe(mysql, values)) == ("connect", "server_silent")


@pytest.mark.parametrize("first", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_another_kind_of_server_is_recognised(mariadb: MariaDb, first: bytes) -> None:
    def send_first(conversation: Conversation) -> None:
        conversation.client.sendall(first)
        conversation.read()

    with server(send_first) as other:
        assert end(try_probe(mysql, agent(mariadb, port=other.port))) == ("connect", "mysql_not_a_server")


@pytest.mark.parametrize(
    ("rules", "cause"),
    [
        (AddressRules(("10.0.0.0/8",), allows_loopback=True), "network_not_allowed"),
        (AddressRules(allows_loopback=False), "address_blocked"),
    ],
)
def test_the_address_rules_hold(mariadb: MariaDb, rules: AddressRules, cause: str) -> None:
    assert end(try_probe(mysql, agent(mariadb), rules)) == ("resolve", cause)


@pytest.mark.parametrize(
    ("sslmode", "warnings"),
    [
        ("disable", ["not_encrypted"]),
        ("require", ["identity_not_checked"]),
        ("verify-ca", ["name_not_checked"]),
        ("verify-full", []),
    ],
)
def test_a_reader_passes_and_the_result_says_what_was_not_checked(
    mariadb: MariaDb, sslmode: str, warnings: list[str]
) -> None:
    result = try_probe(mysql, agent(mariadb, sslmode=sslmode))

    assert result.cause is None
    assert codes(result) == warnings
    assert result.outcome is (Outcome.WARNING if warnings else Outcome.PASSED)
    assert result.statements == ()
    assert result.facts["server"].startswith("MariaDB 1")
    assert (result.facts["read_only"], result.facts["readable_tables"]) == (True, 3)
    # The database has a view of root, as most have views of others.
    assert result.facts["not_examined"].startswith("what views do")
    names = ["resolve", "connect", "tls", "sign_in", "database", "read_only", "tables"]
    assert [step.name for step in result.steps] == [name for name in names if name != "tls" or sslmode != "disable"]


def test_the_child_process_tests_as_well_and_ends_its_session(mariadb: MariaDb) -> None:
    result = run([Request("mysql", agent(mariadb), LOOPBACK)])[0]
    sessions = mariadb.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'reader'")

    assert (result.outcome, result.cause) == (Outcome.PASSED, None)
    assert sessions == ((0,),)
