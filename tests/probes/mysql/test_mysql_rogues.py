"""No server gets the password of a MySQL agent, unless its certificate and its name were checked.

The rogue servers ask for it in every way that PyMySQL knows, with TLS and without.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest

from agents_app.probes.mysql import probe as mysql
from tests.authority import Authority
from tests.probes.mysql.mysql_server import Conversation, Key, server, tls
from tests.probes.trying import try_probe

PASSWORD = "correct horse battery"
KEY = Key()
AUTHORITY = Authority()
CACHING, NATIVE = "caching_sha2_password", "mysql_native_password"
FULL = b"\x04"
SSL_REQUEST_SIZE = struct.calcsize("<IIB23s")
MODES = ("disable", "require", "verify-ca", "verify-full")


def decrypt(conversation: Conversation, answer: bytes) -> None:
    """Keep what a client encrypted with the key that this server sent."""
    if len(answer) == 256:
        conversation.received += KEY.read(answer)


def clear(conversation: Conversation) -> None:
    conversation.greet(NATIVE)
    conversation.switch("mysql_clear_password")


def clear_in_greeting(conversation: Conversation) -> None:
    conversation.greet("mysql_clear_password")
    conversation.ask(b"")


def dialog(conversation: Conversation) -> None:
    conversation.greet(NATIVE)
    conversation.switch("dialog", b"\x04Password: ")


def dialog_in_greeting(conversation: Conversation) -> None:
    conversation.greet("dialog")
    conversation.ask(b"\x04Password: ")


def old_password(conversation: Conversation) -> None:
    conversation.greet(NATIVE)
    conversation.switch("mysql_old_password")


def oldest_switch(conversation: Conversation) -> None:
    conversation.greet(NATIVE)
    conversation.send(b"\xfe")
    conversation.read()


def sha256(conversation: Conversation) -> None:
    conversation.greet(NATIVE)
    if conversation.switch("sha256_password") == b"\x01":
        decrypt(conversation, conversation.ask(KEY.public))


def sha256_in_greeting(conversation: Conversation) -> None:
    if conversation.greet("sha256_password"):
        decrypt(conversation, conversation.ask(KEY.public))


def full_caching_sha2(conversation: Conversation) -> None:
    conversation.greet(NATIVE)
    conversation.switch(CACHING)
    if conversation.ask(FULL) == b"\x02":
        decrypt(conversation, conversation.ask(KEY.public))


def full_caching_sha2_in_greeting(conversation: Conversation) -> None:
    conversation.greet(CACHING)
    if conversation.ask(FULL) == b"\x02":
        decrypt(conversation, conversation.ask(KEY.public))


def full_and_then_clear(conversation: Conversation) -> None:
    conversation.greet(CACHING)
    conversation.switch("mysql_clear_password")


def ed25519(conversation: Conversation) -> None:
    conversation.greet(NATIVE)
    conversation.switch("client_ed25519", bytes(32))


def unknown_state(conversation: Conversation) -> None:
    conversation.greet(CACHING)
    conversation.ask(b"\x09")


WAYS = [
    *(clear, clear_in_greeting, dialog, dialog_in_greeting, old_password, oldest_switch, sha256, sha256_in_greeting),
    *(full_caching_sha2, full_caching_sha2_in_greeting, full_and_then_clear, ed25519, unknown_state),
]
Act = Callable[[Conversation], None]


def agent(port: int, sslmode: str, **values: Any) -> dict[str, Any]:
    """An agent that trusts the authority of the tests."""
    login = {"host": "localhost", "port": port, "database": "sales", "username": "reader", "password": PASSWORD}
    limits: dict[str, Any] = {"read_only": True, "schema_allow_list": [], "table_allow_list": []}
    return login | limits | {"sslmode": sslmode, "ssl_root_cert": AUTHORITY.certificate} | values


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("sslmode", MODES)
def test_a_server_that_was_not_verified_never_gets_the_password(way: Act, sslmode: str, tmp_path: Path) -> None:
    # The certificate is of the same authority, but for another name.
    context = None if sslmode == "disable" else tls(AUTHORITY.issue("other.example.org"), tmp_path)

    with server(way, context) as rogue:
        result = try_probe(mysql, agent(rogue.port, sslmode))

    assert result.cause is not None
    assert PASSWORD.encode() not in rogue.received
    if sslmode == "verify-full":
        assert result.cause.code == "certificate_name"
        # The request for TLS has neither the user name nor an answer to the challenge.
        assert len(rogue.received) == SSL_REQUEST_SIZE


@pytest.mark.parametrize("sslmode", MODES[1:])
def test_a_server_without_tls_gets_nothing_in_a_mode_that_requires_tls(sslmode: str) -> None:
    with server(clear) as rogue:
        result = try_probe(mysql, agent(rogue.port, sslmode))

    assert result.cause is not None
    assert result.cause.code == "tls_missing"
    assert rogue.received == b""


@pytest.mark.parametrize("way", [clear, clear_in_greeting, dialog, dialog_in_greeting, old_password])
def test_a_verified_server_does_not_get_the_password_by_an_unsafe_method(way: Act, tmp_path: Path) -> None:
    with server(way, tls(AUTHORITY.issue("localhost"), tmp_path)) as rogue:
        result = try_probe(mysql, agent(rogue.port, "verify-full"))

    assert result.cause is not None
    assert result.cause.code == "mysql_unsafe_method"
    assert PASSWORD.encode() not in rogue.received


@pytest.mark.parametrize("way", [sha256, sha256_in_greeting, full_caching_sha2, full_caching_sha2_in_greeting])
@pytest.mark.parametrize("sslmode", MODES[:3])
def test_a_method_that_needs_a_verified_server_says_so(way: Act, sslmode: str, tmp_path: Path) -> None:
    context = None if sslmode == "disable" else tls(AUTHORITY.issue("localhost"), tmp_path)

    with server(way, context) as real:
        result = try_probe(mysql, agent(real.port, sslmode))

    assert result.cause is not None
    assert result.cause.code == "mysql_needs_verify_full"
    assert result.steps[-1].name == "sign_in"


@pytest.mark.parametrize("password", ["p", "reader", "sales", "naïve €", "x" * 200])
def test_every_password_is_kept_from_a_server_that_greets_with_sha256(password: str, tmp_path: Path) -> None:
    with server(sha256_in_greeting, tls(AUTHORITY.issue("localhost"), tmp_path)) as rogue:
        result = try_probe(mysql, agent(rogue.port, "require", password=password))

    assert result.cause is not None
    assert result.cause.code == "mysql_needs_verify_full"
    assert len(rogue.received) == SSL_REQUEST_SIZE


def test_a_file_that_a_server_asks_for_is_not_sent(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("content of a file")

    def ask_for_a_file(conversation: Conversation) -> None:
        conversation.greet(NATIVE)
        conversation.send(b"\0\0\0\2\0\0\0")
        # The answer to SET NAMES is read by another function of the driver than those of later statements.
        conversation.read()
        conversation.send(b"\0\0\0\2\0\0\0")
        conversation.read()
        conversation.send(b"\xfb" + str(secret).encode())
        conversation.read()

    with server(ask_for_a_file) as rogue:
        result = try_probe(mysql, agent(rogue.port, "disable"))

    assert result.cause is not None
    assert b"content of a file" not in rogue.received


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x0a",
        b"\x0a8.0.36\0",
        b"\x0a8.0.36\0" + bytes(40),
        b"\x0ax\0" + bytes(44) + b"\xff\xff\0",
        b"\xff",
        b"\xff\x15\x04" + b"#28000" + PASSWORD.encode(),
        b"\xfe\xff\xff",
        b"\x09" + bytes(20),
    ],
)
def test_a_malformed_greeting_is_a_cause_and_no_fault_of_ours(packet: bytes) -> None:
    def send(conversation: Conversation) -> None:
        conversation.send(packet)
        conversation.read()

    with server(send) as rogue:
        result = try_probe(mysql, agent(rogue.port, "disable"))

    assert result.cause is not None
    assert PASSWORD not in str(result)
    assert PASSWORD.encode() not in rogue.received


OK = b"\0\0\0\2\0\0\0"
COLUMN = b"\3def\0\0\0\4name\0\x0c" + struct.pack("<HIBHB", 33, 255, 0xFD, 0, 0) + b"\0\0"
END_OF_COLUMNS = b"\xfe\0\0\2\0"


@pytest.mark.parametrize(
    ("packets", "step"),
    [
        # Most statements of the probe have rows.
        ([OK], "read_only"),
        ([b"\xfc\xff"], "database"),
        ([b"\x01", b"\xff\xff\xff"], "database"),
        ([b"\x01", COLUMN, b"\x05"], "database"),
        ([b"\x01", COLUMN, END_OF_COLUMNS, b"\xfa\xff"], "database"),
        ([b"\x01", COLUMN, END_OF_COLUMNS, b"\1\xff"], "database"),
        ([b""], "database"),
    ],
)
def test_an_answer_that_mysql_does_not_give_is_a_cause_and_no_fault_of_ours(packets: list[bytes], step: str) -> None:
    def answer(conversation: Conversation) -> None:
        conversation.greet(NATIVE)
        conversation.send(OK)
        # The driver sets the character set, the mode of SQL and autocommit.
        for _ in range(10):
            statement = conversation.read()
            for packet in [OK] if b"SET NAMES" in statement or b"sql_mode" in statement else packets:
                conversation.send(packet)
            conversation.sequence = 0

    with server(answer) as rogue:
        result = try_probe(mysql, agent(rogue.port, "disable"))

    assert result.cause is not None
    assert (result.steps[-1].name, result.cause.code) == (step, "mysql_protocol")


def test_a_server_that_ends_the_session_has_lost_the_connection() -> None:
    def leave(conversation: Conversation) -> None:
        conversation.greet(NATIVE)
        conversation.send(OK)
        while b"SET SESSION" not in conversation.read():
            conversation.send(OK)

    with server(leave) as rogue:
        result = try_probe(mysql, agent(rogue.port, "disable"))

    assert result.cause is not None
    assert (result.steps[-1].name, result.cause.code) == ("database", "connection_lost")


@pytest.mark.parametrize("way", [clear, dialog, sha256, full_caching_sha2, full_caching_sha2_in_greeting])
@pytest.mark.parametrize("has_tls", [False, True])
def test_the_rogue_servers_get_the_password_from_a_driver_without_protection(
    way: Act, has_tls: bool, tmp_path: Path
) -> None:
    context = tls(AUTHORITY.issue("localhost"), tmp_path) if has_tls else None

    with server(way, context) as rogue, pytest.raises(pymysql.MySQLError):
        pymysql.connect(host="127.0.0.1", port=rogue.port, user="reader", password=PASSWORD)

    assert PASSWORD.encode() in rogue.received
