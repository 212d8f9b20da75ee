"""The probe of SQL Server with its real driver, against a server that answers as the document MS-TDS says.

No SQL Server can run here. What is shown is the pre-login, TLS, the sign-in and its refusals, and that the queries are
sent and their rows read. What the queries find on a real server is not shown.
"""

import ctypes
import os
import platform
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents_app.paths import ROOT
from agents_app.probes.causes import CAUSES
from agents_app.probes.mssql import probe as mssql
from agents_app.probes.mssql.driver import is_installed
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.results import Finding, Outcome, Result
from agents_app.probes.runner import Request, run
from tests.authority import Authority
from tests.probes.mssql.mssql_server import (
    ENCRYPT_NOT_SUPPORTED,
    ENCRYPT_ON,
    Conversation,
    Rows,
    Server,
    server,
    stored_password,
)
from tests.probes.trying import LOOPBACK, codes, form, form_of_sample, sentence, try_probe

PASSWORD = "a;b}c{d wörd"
AUTHORITY = Authority()


def missing() -> str | None:
    """The cause with which the driver cannot be loaded here, if any."""
    if not is_installed():
        return "mssql_not_installed"
    try:
        ctypes.CDLL("libltdl.so.7")
    except OSError:
        return "mssql_driver_unloadable"
    return None


def require_driver() -> None:
    """Skip the test if the driver cannot be loaded; with REQUIRE_ALL=1 the test fails."""
    if cause := missing():
        reason = f"The probe of SQL Server was NOT tried. {CAUSES[cause].next_step}"
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(reason)


@pytest.fixture
def _driver() -> None:
    require_driver()


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Fail a test whose probe changes the environment of its process."""
    before = os.environ.get("SSL_CERT_FILE")
    yield
    assert os.environ.get("SSL_CERT_FILE") == before


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """TLS with a certificate for localhost, as SQL Server offers it in TDS 7."""
    return tls_for("localhost", tmp_path)


def tls_for(name: str, folder: Path, *, is_expired: bool = False) -> ssl.SSLContext:
    """TLS with a certificate of the authority for this name."""
    issued = AUTHORITY.issue(name, is_expired=is_expired)
    file = folder / f"{name}.pem"
    file.write_text(issued.certificate + issued.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(file)
    return context


def agent(port: int, **values: Any) -> dict[str, Any]:
    """An agent that trusts the authority of the tests."""
    login = {"host": "localhost", "port": port, "database": "sales", "username": "reader", "password": PASSWORD}
    limits: dict[str, Any] = {"read_only": True, "schema_allow_list": [], "table_allow_list": []}
    return login | limits | {"sslmode": "verify-full", "ssl_root_cert": AUTHORITY.certificate} | values


def refusing(tls: ssl.SSLContext, *numbers: int, is_english: bool = True) -> Callable[[Conversation], None]:
    """A server that refuses each sign-in with these errors."""

    def act(conversation: Conversation) -> None:
        conversation.prelogin(ENCRYPT_ON)
        inside = conversation.start_tls(tls)
        inside.read_login()
        inside.refuse(*numbers, is_english=is_english)

    return act


def try_in_child(running: Server, **values: Any) -> Result:
    """Run the probe in a child process: the driver reads variables and keeps its threads."""
    return run([Request("mssql", agent(running.port, **values), LOOPBACK)])[0]


def end(result: Result) -> tuple[str, str | None]:
    """The last step, and why it failed."""
    return result.steps[-1].name, result.cause.code if result.cause else None


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize("sslmode", ["disable", "require", "verify-ca"])
def test_no_server_gets_the_password_without_verify_full(tls: ssl.SSLContext, sslmode: str) -> None:
    with server(refusing(tls, 18456)) as rogue:
        result = try_probe(mssql, agent(rogue.port, sslmode=sslmode))

    assert result.cause is not None
    assert result.cause.code == "mssql_needs_verify_full"
    assert rogue.received == b""


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize(
    ("name", "is_expired", "values", "code"),
    [
        ("other.example.org", False, {}, "certificate_name"),
        ("localhost", True, {}, "database_certificate_expired"),
        ("localhost", False, {"ssl_root_cert": None}, "database_certificate_not_trusted"),
        ("localhost", False, {"ssl_root_cert": Authority().certificate}, "database_certificate_not_trusted"),
        ("localhost", False, {"ssl_root_cert": AUTHORITY.unsupported_certificate}, "root_certificate_refused"),
    ],
)
def test_a_server_whose_certificate_is_refused_gets_nothing(
    tmp_path: Path, name: str, is_expired: bool, values: dict[str, Any], code: str
) -> None:
    with server(refusing(tls_for(name, tmp_path, is_expired=is_expired), 18456)) as rogue:
        result = try_probe(mssql, agent(rogue.port, **values))

    assert end(result) == ("tls", code)
    assert rogue.received == b""


@pytest.mark.usefixtures("_driver")
def test_a_server_without_tls_gets_nothing() -> None:
    def act(conversation: Conversation) -> None:
        conversation.prelogin(ENCRYPT_NOT_SUPPORTED)
        conversation.read_login()

    with server(act) as rogue:
        result = try_probe(mssql, agent(rogue.port))

    assert end(result) == ("tls", "tls_missing")
    assert rogue.received == b""


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "mssql_not_a_server"),
        (b"\x04\x01\x00\x09\x00\x00\x01\x00\xff", "mssql_not_a_server"),
        (b"\x04\x01\x00\x0d\x00\x00\x01\x00\x00\xff\xff\xff\xff", "mssql_not_a_server"),
        (b"", "connection_lost"),
    ],
)
def test_another_kind_of_server_is_recognised(answer: bytes, code: str) -> None:
    def act(conversation: Conversation) -> None:
        conversation.read()
        conversation.client.sendall(answer)

    with server(act) as other:
        assert end(try_probe(mssql, agent(other.port))) == ("tls", code)


@pytest.mark.usefixtures("_driver")
def test_a_server_that_waits_for_the_client_to_begin_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = try_probe(mssql, agent(silent.getsockname()[1], connect_timeout_s=0.2))

    assert end(result) == ("tls", "server_silent")


def test_a_console_without_the_driver_first_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # Python's way to say that a package is not there.
    monkeypatch.setitem(sys.modules, "mssql_python", None)

    # A test of an address that is refused, without a password: all of that can wait.
    result = try_probe(mssql, agent(1, password=None), AddressRules())

    assert not is_installed()
    assert (result.cause, result.steps) == (Finding("mssql_not_installed"), ())
    # The command is the one of the documentation, which a shell runs in the folder of the console.
    command = CAUSES["mssql_not_installed"].next_step.partition(": ")[2]
    assert f"\n{command}\n" in (ROOT / "docs" / "connections.md").read_text()


def test_a_driver_that_lacks_a_library_of_the_system_says_what_to_install(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mssql_python.py").write_text('raise ImportError("libltdl.so.7: cannot open shared object file")\n')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with server(refusing(tls, 18456)) as real:
        result = try_in_child(real)

    assert end(result) == ("sign_in", "mssql_driver_unloadable")
    assert result.cause is not None
    assert "apt-get install libltdl7" in sentence(result.cause)


def test_asking_for_the_driver_does_not_import_it() -> None:
    is_installed()

    assert "mssql_python" not in sys.modules


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize(
    ("numbers", "step", "code"),
    [
        ([18456], "sign_in", "mssql_login_failed"),
        ([18452], "sign_in", "mssql_other_sign_in"),
        ([18487], "sign_in", "mssql_password_expired"),
        ([18470], "sign_in", "mssql_login_disabled"),
        ([40615], "sign_in", "mssql_azure_firewall"),
        ([40532], "sign_in", "mssql_azure_server"),
        ([40613], "sign_in", "mssql_busy"),
        ([4060], "database", "mssql_database"),
    ],
)
def test_a_refusal_is_a_cause_without_the_text_of_the_server(
    tls: ssl.SSLContext, numbers: list[int], step: str, code: str
) -> None:
    with server(refusing(tls, *numbers)) as real:
        result = try_in_child(real)

    assert end(result) == (step, code)
    assert PASSWORD not in str(result)
    assert "requested by the login" not in str(result)
    assert result.facts == {"server": "SQL Server 16.0"}
    # The verified server is sent the password, as it is.
    assert stored_password(PASSWORD) in real.received


@pytest.mark.usefixtures("_driver")
def test_a_refusal_in_another_language_is_understood_by_its_class(tls: ssl.SSLContext) -> None:
    with server(refusing(tls, 18456, is_english=False)) as real:
        assert end(try_in_child(real)) == ("sign_in", "mssql_login_failed")


@pytest.mark.usefixtures("_driver")
def test_a_database_that_the_login_may_not_open_is_not_a_wrong_password(tls: ssl.SSLContext) -> None:
    # SQL Server sends both errors, and the driver shows the second one.
    def act(conversation: Conversation) -> None:
        conversation.prelogin(ENCRYPT_ON)
        inside = conversation.start_tls(tls)
        inside.read_login()
        if "sales".encode("utf-16-le") in conversation.received:
            conversation.received.clear()
            inside.refuse(4060, 18456)
        else:
            inside.accept()
            inside.read()

    with server(act) as real:
        assert end(try_in_child(real)) == ("database", "mssql_database")


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_server_sends_the_driver_only_to_addresses_that_tests_may_use(
    tls: ssl.SSLContext, *, is_allowed: bool
) -> None:
    with server(lambda conversation: conversation.prelogin(ENCRYPT_ON)) as other:

        def act(conversation: Conversation) -> None:
            conversation.prelogin(ENCRYPT_ON)
            inside = conversation.start_tls(tls)
            inside.read_login()
            inside.accept(other.port)
            inside.read()

        rules = AddressRules(allows_loopback=True, blocked=(("localhost", other.port + is_allowed),))
        with server(act) as real:
            (result,) = run([Request("mssql", agent(real.port), rules)])

    assert bool(other.conversations) is is_allowed
    assert end(result) == ("sign_in", "connection_lost" if is_allowed else "mssql_sent_away")


@pytest.mark.usefixtures("_driver")
def test_nothing_is_sent_where_the_driver_cannot_be_limited(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of another processor the numbers of the system calls are not known.
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")

    with server(refusing(tls, 18456)) as real:
        result = try_probe(mssql, agent(real.port))

    assert end(result) == ("sign_in", "mssql_not_limited")
    assert real.received == b""


READER: dict[str, Rows | int | bytes] = {
    "IS_SRVROLEMEMBER": [],
    "IS_ROLEMEMBER": [],
    "(NULL, 'DATABASE')": [["CONNECT"], ["SELECT"], ["VIEW ANY COLUMN MASTER KEY DEFINITION"]],
    "'SCHEMA')": [],
    "sys.objects o": [["dbo", "orders", 1], ["dbo", "items", 0]],
}


def answering(tls: ssl.SSLContext, answers: dict[str, Rows | int | bytes]) -> Callable[[Conversation], None]:
    """A server that answers each query by a part of its text."""

    def act(conversation: Conversation) -> None:
        conversation.prelogin(ENCRYPT_ON)
        inside = conversation.start_tls(tls)
        inside.read_login()
        inside.accept()
        inside.answer_queries(lambda query: next(rows for part, rows in answers.items() if part in query))

    return act


@pytest.fixture
def reader(tls: ssl.SSLContext) -> Iterator[Server]:
    """A server where the user can only read."""
    with server(answering(tls, READER)) as running:
        yield running


@pytest.mark.usefixtures("_driver")
def test_a_refused_query_is_a_cause_without_the_text_of_the_server(tls: ssl.SSLContext) -> None:
    with server(answering(tls, READER | {"'SCHEMA')": 229})) as real:
        result = try_in_child(real)

    assert end(result) == ("read_only", "mssql_refused")
    assert "permission was denied" not in str(result)


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize(
    ("answers", "step"),
    [
        ({"IS_SRVROLEMEMBER": b"\x99garbage"}, "read_only"),
        ({"IS_SRVROLEMEMBER": b"\x81\xff\x00"}, "read_only"),
        ({"'SCHEMA')": [["OBJECT", "[dbo].[pay]"]]}, "read_only"),
        ({"sys.objects o": [[1, 2, 3]]}, "tables"),
    ],
)
def test_an_answer_that_sql_server_does_not_give_is_a_cause_and_no_fault_of_ours(
    tls: ssl.SSLContext, answers: dict[str, Rows | int | bytes], step: str
) -> None:
    with server(answering(tls, READER | answers)) as rogue:
        assert end(try_in_child(rogue)) == (step, "mssql_unreadable")


@pytest.mark.usefixtures("_driver")
def test_a_reader_passes(reader: Server) -> None:
    result = try_in_child(reader)

    assert (result.outcome, result.cause) == (Outcome.PASSED, None)
    assert result.facts == {"server": "SQL Server 16.0", "read_only": True, "readable_tables": 1}
    assert result.statements == ()
    # Nobody asked whether an agent that writes can only read.
    assert try_in_child(reader, read_only=False).facts == {"server": "SQL Server 16.0", "readable_tables": 1}


@pytest.mark.usefixtures("_driver")
def test_a_sample_of_the_demo_has_the_form_of_a_real_result(tls: ssl.SSLContext) -> None:
    rights = [["OBJECT", "[dbo].[sales]", right] for right in ("INSERT", "UPDATE")]
    sampled = {"connection_type": "DB", "connection_config": agent(1) | {"dialect": "mssql"}}

    with server(answering(tls, READER | {"'SCHEMA')": rights})) as real:
        result = try_in_child(real)

    assert form(result) == form_of_sample(2, **sampled)


@pytest.mark.usefixtures("_driver")
def test_rights_beyond_reading_are_warnings_with_statements_that_were_not_run(tls: ssl.SSLContext) -> None:
    answers = READER | {
        "IS_SRVROLEMEMBER": [["bulkadmin"]],
        "IS_ROLEMEMBER": [["db_datawriter"]],
        "(NULL, 'DATABASE')": [["CONNECT"], ["SELECT"], ["INSERT"], ["CREATE TABLE"]],
        "'SCHEMA')": [["OBJECT", "[dbo].[pay]", "EXECUTE"], ["OBJECT", "[dbo].[items]", "INSERT"]],
    }
    with server(answering(tls, answers)) as real:
        result = try_in_child(real, table_allow_list=["orders", "items"])
        wrong = try_in_child(real, table_allow_list=["orders", "items", "no.one"], schema_allow_list=["gone"])

    assert wrong.statements == ()
    assert codes(wrong) == [
        "mssql_administers",
        "role_writes",
        "role_runs",
        "schemas_missing",
        "tables_missing",
        "tables_unreadable",
    ]
    assert result.statements == (
        "-- The tests of Agent Console did not run these statements. Read them before you run them.",
        "GRANT SELECT ON OBJECT::[dbo].[orders] TO [reader];",
        "GRANT SELECT ON OBJECT::[dbo].[items] TO [reader];",
        "ALTER SERVER ROLE [bulkadmin] DROP MEMBER [reader];",
        "ALTER ROLE [db_datawriter] DROP MEMBER [reader];",
        "REVOKE CREATE TABLE FROM [reader];",
        "REVOKE INSERT FROM [reader];",
        "REVOKE EXECUTE ON OBJECT::[dbo].[pay] FROM [reader];",
    )


@pytest.mark.usefixtures("_driver")
def test_what_is_no_answer_of_sql_server_is_in_no_statement(tls: ssl.SSLContext) -> None:
    answers = READER | {
        "(NULL, 'DATABASE')": [["CONNECT"], ["SELECT"], ["CREATE TABLE; DROP TABLE x; --"]],
        "'SCHEMA')": [
            ["SCHEMA", "[dbo]; DROP TABLE x; --", "EXECUTE"],
            ["SCHEMA::[dbo]; DROP TABLE x; --", "[dbo]", "INSERT"],
            ["OBJECT", "[dbo].[a]]; DROP]", "INSERT"],
        ],
    }
    with server(answering(tls, answers)) as real:
        result = try_in_child(real, table_allow_list=["orders"])

    assert codes(result) == ["mssql_administers", "role_runs", "role_writes"]
    assert result.statements[1:] == (
        "GRANT SELECT ON OBJECT::[dbo].[orders] TO [reader];",
        # This one is the name of an object, in brackets.
        "REVOKE INSERT ON OBJECT::[dbo].[a]]; DROP] FROM [reader];",
    )
