"""The sign-in methods and the answers of MySQL itself, by a server that answers as MySQL's documentation says."""

from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents_app.probes import runner
from agents_app.probes.mysql import probe as mysql
from agents_app.probes.mysql.probe import STATEMENT_S
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.network.databases import WAIT_S
from agents_app.probes.results import Outcome
from agents_app.probes.runner import Request
from tests.authority import Authority
from tests.probes.mysql.mysql_server import Conversation, Rows, fast_answer, server, tls
from tests.probes.trying import codes, try_probe

PASSWORD = "correct horse battery"
AUTHORITY = Authority()
CACHING, NATIVE, SHA256 = "caching_sha2_password", "mysql_native_password", "sha256_password"
OK = b"\0\0\0\2\0\0\0"
DIRECT = "SHOW GRANTS FOR CURRENT_USER()"
COUNT = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema IN ('sales')"
READER = ["GRANT USAGE ON *.* TO `reader`@`%`", "GRANT SELECT, SHOW VIEW ON `sales`.* TO `reader`@`%`"]
Act = Callable[[Conversation], None]


def tables(*grants: str) -> dict[str, Rows | int]:
    """What MySQL answers to the queries of the probe."""
    return {
        "SELECT CURRENT_USER()": [["reader@%"]],
        "SELECT @@lower_case_table_names": [[0]],
        COUNT: [[2]],
        DIRECT: [[line] for line in grants or READER],
    }


def agent(port: int, sslmode: str = "verify-full", **values: Any) -> dict[str, Any]:
    """An agent that trusts the authority of the tests."""
    login = {"host": "localhost", "port": port, "database": "sales", "username": "reader", "password": PASSWORD}
    limits: dict[str, Any] = {"read_only": True, "schema_allow_list": [], "table_allow_list": []}
    return login | limits | {"sslmode": sslmode, "ssl_root_cert": AUTHORITY.certificate} | values


def fast(conversation: Conversation) -> bool:
    """The account is in the cache of the server, so the answer to the challenge is enough."""
    if not conversation.greet(CACHING).count(fast_answer(PASSWORD)):
        return False
    conversation.send(b"\x01\x03")
    return True


def fast_after_switch(conversation: Conversation) -> bool:
    """The server has another default method."""
    conversation.greet(NATIVE)
    if conversation.switch(CACHING) != fast_answer(PASSWORD):
        return False
    conversation.send(b"\x01\x03")
    return True


def full(conversation: Conversation) -> bool:
    """The account is not in the cache: the server asks for the password, inside TLS."""
    conversation.greet(CACHING)
    return conversation.ask(b"\x04") == PASSWORD.encode() + b"\0"


def sha256(conversation: Conversation) -> bool:
    """The server asks for the password, inside TLS."""
    conversation.greet(CACHING)
    return conversation.switch(SHA256) == PASSWORD.encode() + b"\0"


def sha256_in_greeting(conversation: Conversation) -> bool:
    """The default method of the server is sha256_password, so the first answer has the password, inside TLS."""
    return PASSWORD.encode() + b"\0" in conversation.greet(SHA256)


def signing_in(method: Callable[[Conversation], bool], answers: dict[str, Rows | int]) -> Act:
    """A server that accepts the right password, and then answers queries."""

    def act(conversation: Conversation) -> None:
        if method(conversation):
            conversation.send(OK)
            conversation.answer_queries(answers)
        else:
            conversation.refuse(1045)

    return act


@pytest.mark.parametrize("number", [1045, 1040, 1129, 1130, 1862, 3118, 3159, 1226, 1053, 1698, 1251, 1234, 2999])
def test_a_refusal_is_a_cause_without_the_text_of_the_server(number: int) -> None:
    def refuse(conversation: Conversation) -> None:
        conversation.greet(CACHING)
        conversation.refuse(number)

    with server(refuse) as real:
        result = try_probe(mysql, agent(real.port, "disable"))

    expected = {
        1045: "mysql_access_denied_without_tls",
        1040: "mysql_too_many_connections",
        1129: "mysql_host_blocked",
        1130: "mysql_host_not_allowed",
        1862: "mysql_password_expired",
        3118: "mysql_account_locked",
        3159: "mysql_tls_required",
        1226: "mysql_too_many_connections",
        1053: "mysql_unavailable",
        1698: "mysql_unknown_method",
        1251: "mysql_unknown_method",
        1234: "mysql_refused",
        2999: "mysql_protocol",
    }
    assert result.cause is not None
    assert result.cause.code == expected[number]
    assert result.steps[-1].name == "sign_in"
    assert "text of the server" not in str(result)


@pytest.mark.parametrize(("number", "code"), [(1040, "mysql_too_many_connections"), (1129, "mysql_host_blocked")])
def test_a_refusal_before_the_greeting_belongs_to_the_step_connect(number: int, code: str) -> None:
    with server(lambda conversation: conversation.refuse(number)) as real:
        result = try_probe(mysql, agent(real.port))

    assert result.cause is not None
    assert (result.steps[-1].name, result.cause.code) == ("connect", code)


@pytest.mark.parametrize("number", [1969, 3024])
def test_a_query_that_takes_too_long_has_its_own_cause(number: int) -> None:
    answers = tables() | {"SELECT @@lower_case_table_names": number}

    with server(signing_in(fast, answers)) as real:
        result = try_probe(mysql, agent(real.port, "disable"))

    assert result.cause is not None
    assert (result.steps[-1].name, result.cause.code) == ("tables", "mysql_slow")
    assert STATEMENT_S < WAIT_S
    assert f"max_execution_time = {STATEMENT_S}000".encode() in real.received


@pytest.mark.parametrize("count", [2**64, 2**40, -1, Decimal("1e999999999"), "many"], ids=str)
def test_a_number_that_no_server_counts_is_not_reported(count: int | Decimal | str) -> None:
    answers = tables() | {COUNT: [[count]]}

    with server(signing_in(fast, answers)) as rogue:
        result = try_probe(mysql, agent(rogue.port, "disable"))

    assert result.cause is not None
    assert (result.steps[-1].name, result.cause.code) == ("tables", "mysql_protocol")
    assert "readable_tables" not in result.facts


def test_no_text_of_a_server_keeps_the_console_busy() -> None:
    hostile = ["GRANT SELECT (" + "`a`" * 40 + " ON `sales`.* TO x", "GRANT SELECT ON `" + "%a" * 40 + "b`.* TO x"]
    database, rules = "a" * 64, AddressRules(allows_loopback=True)

    with ExitStack() as opened:
        rogues = [opened.enter_context(server(signing_in(fast, tables(line)))) for line in hostile]
        values = [agent(rogue.port, "disable", database=database) for rogue in rogues]
        # After its limit the runner ends a child, and the result has another cause.
        results = runner.run([Request("mysql", one, rules) for one in values])

    assert [result.cause and result.cause.code for result in results] == ["mysql_protocol"] * 2
    assert [result.steps[-1].name for result in results] == ["tables"] * 2


@pytest.mark.parametrize("method", [fast, full, sha256])
def test_a_wrong_password_is_refused_by_every_method_of_mysql(
    method: Callable[[Conversation], bool], tmp_path: Path
) -> None:
    with server(signing_in(method, {}), tls(AUTHORITY.issue("localhost"), tmp_path)) as real:
        result = try_probe(mysql, agent(real.port, password="wrong"))

    assert result.cause is not None
    assert result.cause.code == "mysql_access_denied"


@pytest.mark.parametrize("method", [fast, fast_after_switch, full, sha256, sha256_in_greeting])
def test_every_method_of_mysql_signs_in_on_a_verified_server(
    method: Callable[[Conversation], bool], tmp_path: Path
) -> None:
    with server(signing_in(method, tables()), tls(AUTHORITY.issue("localhost"), tmp_path)) as real:
        result = try_probe(mysql, agent(real.port))

    assert result.cause is None
    assert result.outcome is Outcome.PASSED
    assert result.facts == {"server": "MySQL 8.0.36", "read_only": True, "readable_tables": 2}


@pytest.mark.parametrize("method", [fast, fast_after_switch])
@pytest.mark.parametrize(
    ("sslmode", "warning"),
    [("disable", "not_encrypted"), ("require", "identity_not_checked"), ("verify-ca", "name_not_checked")],
)
def test_fast_authentication_signs_in_without_a_verified_server_and_the_result_says_so(
    method: Callable[[Conversation], bool], sslmode: str, warning: str, tmp_path: Path
) -> None:
    context = None if sslmode == "disable" else tls(AUTHORITY.issue("localhost"), tmp_path)

    with server(signing_in(method, tables()), context) as real:
        result = try_probe(mysql, agent(real.port, sslmode))

    assert result.cause is None
    assert codes(result) == [warning]


def test_roles_of_mysql_are_read_together_with_the_rights_of_the_user() -> None:
    direct = [*READER, "GRANT DELETE ON `sales`.`items` TO `reader`@`%`"]
    answers = tables(*direct, "GRANT `writers`@`%`,`readers`@`%` TO `reader`@`%`")
    with_insert = [READER[0], "GRANT SELECT, INSERT, SHOW VIEW ON `sales`.* TO `reader`@`%`", direct[2]]
    answers[f"{DIRECT} USING `writers`@`%`"] = [[line] for line in with_insert]
    answers[f"{DIRECT} USING `readers`@`%`"] = [[line] for line in direct]

    with server(signing_in(fast, answers)) as real:
        result = try_probe(mysql, agent(real.port, "disable"))

    assert codes(result) == ["not_encrypted", "role_writes"]
    assert result.warnings[1].facts["objects"] == (
        "INSERT on `sales`.* (role `writers`@`%`), DELETE on `sales`.`items`"
    )
    assert result.statements == (
        "REVOKE DELETE ON `sales`.`items` FROM `reader`@`%`;",
        "REVOKE `writers`@`%` FROM `reader`@`%`;",
    )


def test_dynamic_rights_of_mysql_are_rights_of_an_administrator() -> None:
    grants = [*READER, "GRANT BACKUP_ADMIN,SYSTEM_VARIABLES_ADMIN ON *.* TO `reader`@`%` WITH GRANT OPTION"]

    with server(signing_in(fast, tables(*grants))) as real:
        result = try_probe(mysql, agent(real.port, "disable"))

    assert codes(result) == ["not_encrypted", "mysql_administers"]
    assert result.statements == (
        "REVOKE BACKUP_ADMIN, SYSTEM_VARIABLES_ADMIN ON *.* FROM `reader`@`%`;",
        "REVOKE GRANT OPTION ON *.* FROM `reader`@`%`;",
    )


@pytest.mark.parametrize(
    "line",
    [
        "GRANT SELECT ON sales.* TO reader",
        "GRANT INSERT",
        "DENY SELECT ON `sales`.* TO `reader`@`%`",
        "GRANT SELECT ON `sales`.*; DROP TABLE `x` TO `reader`@`%`",
        # A name with a backslash, which in a statement would end after the next quote.
        r"GRANT PROXY ON 'x\'@'; DROP TABLE y; -- ' TO 'reader'@'%'",
        r"GRANT 'x\'@'; DROP TABLE y; -- ' TO `reader`@`%`",
        "",
    ],
)
def test_rights_that_are_not_understood_are_a_warning_and_no_proof(line: str) -> None:
    with server(signing_in(fast, tables(*READER, line))) as real:
        result = try_probe(mysql, agent(real.port, "disable"))

    assert codes(result) == ["not_encrypted", "mysql_rights_unreadable"]
    assert "read_only" not in result.facts
    assert result.statements == ()


def test_a_server_that_asks_for_a_file_of_the_console_gets_none(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("what only the console knows")

    def ask_for_file(conversation: Conversation) -> None:
        if fast(conversation):
            conversation.send(OK)
            for answer in (OK, b"\xfb" + str(file).encode()):
                # The second one is what a server answers to LOAD DATA LOCAL. It may do so to every statement.
                conversation.sequence = 0
                conversation.read()
                conversation.send(answer)
            conversation.read()

    with server(ask_for_file) as rogue:
        result = try_probe(mysql, agent(rogue.port, "disable"))

    assert b"SET sql_mode" in rogue.received
    assert b"what only" not in rogue.received
    assert result.cause is not None
    assert result.cause.code == "mysql_protocol"
