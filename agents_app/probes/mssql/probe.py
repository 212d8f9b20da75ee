"""The probe of SQL Server and Azure SQL. Its driver is an optional package, `mssql-python`.

SQL Server gets the password itself, inside TLS. So the probe signs in only with verify-full, after it has checked the
certificate and the name of the server.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from agents_app.probes.faults import UNREADABLE, own_fault
from agents_app.probes.mssql import rights
from agents_app.probes.mssql.driver import is_installed
from agents_app.probes.mssql.handshake import check_tls
from agents_app.probes.network import tls
from agents_app.probes.network.addresses import AddressRules, resolve
from agents_app.probes.network.databases import WAIT_S, DatabaseServer
from agents_app.probes.network.guard import Guard
from agents_app.probes.recorder import ProbeFailed, Recorder

DEFAULT_PORT, MASTER = 1433, "master"
# Azure finds the server by the name that the client connects to, so an address cannot take its place.
ROUTED_BY_NAME = (
    ".database.windows.net",
    ".database.chinacloudapi.cn",
    ".database.usgovcloudapi.net",
    ".fabric.microsoft.com",
)
# What a message of the server begins with or contains, if its language is English. The first one that fits counts.
MESSAGES = {
    r"is not allowed to access the server": "mssql_azure_firewall",
    r"Cannot open database": "mssql_database",
    r"Cannot open server": "mssql_azure_server",
    r"is not currently available|limit .* (has been|was) reached": "mssql_busy",
    r"untrusted domain|Windows Authentication only": "mssql_other_sign_in",
    r"account is disabled|currently locked out": "mssql_login_disabled",
    r"password of the account (has expired|must be changed)": "mssql_password_expired",
    r"Login failed for user": "mssql_login_failed",
}
# What the driver calls the classes of SQLSTATE, in every language of the server.
ACCESS_VIOLATION = "Syntax error or access violation"
CLASSES = {
    "Invalid authorization specification": "mssql_login_failed",
    # The server has answered the connection before that of the driver.
    "Timeout expired": "server_slow",
    "Connection timeout expired": "server_slow",
    "Client unable to establish connection": "connection_lost",
    "Communication link failure": "connection_lost",
}
# What the driver says, and what Python raises, if a server answers with something else than the rows of a query.
NOT_TDS = r"Protocol error in TDS stream|Unknown token received"
TEXT_READ = 10_000
NOT_LOADED = r"libltdl|Failed to load|cannot open shared object"


def run(values: Mapping[str, Any], rules: AddressRules, recorder: Recorder) -> None:
    """Test one connection, step by step."""
    if not is_installed():
        raise ProbeFailed("mssql_not_installed")
    server = DatabaseServer.of(values, DEFAULT_PORT)
    facts = server.facts
    addresses = server.resolve(rules, recorder)
    with recorder.step("connect"):
        client = server.connect(addresses)
        address = server.address_of(client)
    with client, recorder.step("tls"):
        if values["sslmode"] == "disable":
            raise ProbeFailed("mssql_needs_verify_full", **facts)
        recorder.know(server=check_tls(client, tls.trust(values["sslmode"], values.get("ssl_root_cert")), facts))
        tls.warn_about_mode(recorder, values["sslmode"], server.host)
    with _ended(_open(server, address, rules, recorder)) as connection:
        rights.check(connection, values, recorder, partial(failures, facts))


def _open(server: DatabaseServer, address: str, rules: AddressRules, recorder: Recorder) -> Any:
    values, facts = server.values, server.facts
    refusal = connection = None
    with recorder.step("sign_in"):
        if values["sslmode"] != "verify-full":
            raise ProbeFailed("mssql_needs_verify_full", **facts)
        if not values.get("password"):
            raise ProbeFailed("password_missing", **facts)
        with _trusting(values.get("ssl_root_cert")), _guarded(rules, facts):
            try:
                connection = _connect(values, address, facts)
            except ProbeFailed as failure:
                refusal = _explain(failure, values, address, facts)
    with recorder.step("database"):
        if refusal:
            raise refusal
        if server.host.endswith(ROUTED_BY_NAME):
            # The driver has resolved the name itself.
            resolve(server.host, server.port, rules)
    return connection


@contextmanager
def _ended(connection: Any) -> Iterator[Any]:
    """End the session after the block. An error at its end changes nothing in the result."""
    try:
        yield connection
    finally:
        with suppress(Exception):
            connection.close()


@contextmanager
def _guarded(rules: AddressRules, facts: Mapping[str, Any]) -> Iterator[None]:
    """Keep the driver from every address that tests may not use. A server can send it to another one (MS-TDS)."""
    guard = Guard(rules)
    try:
        guard.start()
    except OSError:
        raise ProbeFailed("mssql_not_limited", **facts) from None
    try:
        yield
    except ProbeFailed:
        if guard.has_refused:
            raise ProbeFailed("mssql_sent_away", **facts) from None
        raise


def _explain(failure: ProbeFailed, values: Mapping[str, Any], address: str, facts: Mapping[str, Any]) -> ProbeFailed:
    """A refusal that is about the database only. Any other one is raised.

    The driver shows the last error of the server, "login failed", for a database as well. So the probe signs in once
    more, to the database that every login may open.
    """
    if failure.code == "mssql_database":
        return failure
    if failure.code != "mssql_login_failed":
        raise failure
    try:
        with _ended(_connect({**values, "database": MASTER}, address, facts)):
            return ProbeFailed("mssql_database", **facts)
    except ProbeFailed:
        raise failure from None


def _connect(values: Mapping[str, Any], address: str, facts: Mapping[str, Any]) -> Any:
    settings = {
        "Server": f"tcp:{facts['host'] if facts['host'].endswith(ROUTED_BY_NAME) else address},{facts['port']}",
        "HostnameInCertificate": facts["host"],
        "Database": values["database"],
        "UID": values["username"],
        "PWD": values["password"],
        "Encrypt": "yes",
        "TrustServerCertificate": "no",
        "ConnectRetryCount": "0",
        "ApplicationIntent": "ReadOnly",
    }
    text = ";".join(f"{name}={_braced(value)}" for name, value in settings.items())
    with failures(facts, access="mssql_database"):
        import mssql_python

        mssql_python.pooling(enabled=False)
        connection = mssql_python.connect(text, autocommit=True, timeout=int(WAIT_S))
        connection.timeout = int(WAIT_S)
    return connection


def _braced(value: str) -> str:
    return "{" + value.replace("}", "}}") + "}"


@contextmanager
def _trusting(root_certificate: str | None) -> Iterator[None]:
    """Let OpenSSL, which the driver uses, trust this authority and no other. It reads the variables of this process."""
    if not root_certificate:
        yield
        return
    before = dict(os.environ)
    with tls.root_file(root_certificate) as path:
        os.environ.update(SSL_CERT_FILE=path, SSL_CERT_DIR="/nonexistent")
        try:
            yield
        finally:
            # The number of the file will be that of another one.
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def failures(facts: Mapping[str, Any], access: str = "mssql_refused") -> Iterator[None]:
    """Turn every exception of the driver into a ProbeFailed. Its text is read, but never shown.

    `access` is the cause of an access violation, which before the sign-in is about the database.
    """
    try:
        yield
    except (MemoryError, ProbeFailed):
        raise
    except Exception as error:
        raise ProbeFailed(_code(error, access), **facts, **own_fault(error)) from None


def _code(error: Exception, access: str) -> str:
    text = str(error)[:TEXT_READ]
    if isinstance(error, ImportError) or re.search(NOT_LOADED, text):
        return "mssql_driver_unloadable"
    if isinstance(error, UNREADABLE) or re.search(NOT_TDS, text):
        return "mssql_unreadable"
    if "SSL Provider" in text:
        return "database_certificate_not_trusted"
    found = (code for pattern, code in MESSAGES.items() if re.search(pattern, text))
    classes = {**CLASSES, ACCESS_VIOLATION: access}
    return next(found, classes.get(getattr(error, "driver_error", ""), "mssql_refused"))
