"""A server that only pretends to be PostgreSQL never gets the password, however it asks for it."""

import hashlib
from base64 import b64encode
from pathlib import Path

import pytest

from agents_app.probes.results import Outcome
from tests.authority import Authority
from tests.probes.postgresql.postgres_tls import PASSWORD, probe
from tests.probes.postgresql.rogue_postgres import (
    ANSWERS,
    END,
    GRANTS,
    MALFORMED,
    REQUESTS,
    TEXT,
    VERSION,
    rogue_postgres,
    rows,
)

AUTHORITY = Authority()
TRUSTED, UNKNOWN = AUTHORITY.issue("localhost"), Authority().issue("localhost")
OTHER_NAME = AUTHORITY.issue("other.example.org")
# The password in clear, and what md5 and basic authentication make of it.
FORMS = (
    PASSWORD.encode(),
    b64encode(PASSWORD.encode()),
    hashlib.md5(f"{PASSWORD}reader".encode()).hexdigest().encode(),
)
EXPECTED = {
    "clear text": "postgresql_clear_password",
    "md5": "postgresql_old_password",
    "gss": "postgresql_other_method",
    "sspi": "postgresql_other_method",
    "no password": "postgresql_no_password",
    "weak scram": "postgresql_not_proved",
    "scram, then clear text": "postgresql_not_proved",
    "scram without an end": "postgresql_not_proved",
    "scram with a wrong end": "postgresql_not_proved",
    "not PostgreSQL": "postgresql_not_understood",
    "starting": "postgresql_starting",
    "another error": "postgresql_refused",
    "end": "connection_lost",
}


def values(port: int, sslmode: str) -> dict[str, object]:
    return {
        "host": "localhost",
        "port": port,
        "database": "shop",
        "username": "reader",
        "password": PASSWORD,
        "sslmode": sslmode,
        "ssl_root_cert": AUTHORITY.certificate,
    }


@pytest.mark.parametrize("behaviour", REQUESTS)
@pytest.mark.parametrize("sslmode", ["disable", "require", "verify-ca", "verify-full"])
def test_no_way_to_ask_for_the_password_gets_it(behaviour: str, sslmode: str, tmp_path: Path) -> None:
    # The certificate is trusted, so that the server gets as far as asking.
    with rogue_postgres(behaviour, TRUSTED, tmp_path) as server:
        result = probe(values(server.port, sslmode))

    assert b"reader" in server.received
    assert [form for form in FORMS if form in server.received] == []
    assert result.outcome is Outcome.FAILED
    assert result.cause
    assert result.cause.code == EXPECTED.get(behaviour, result.cause.code)
    assert (sslmode, result.cause.code) != ("disable", "tls_failed")
    assert result.cause.code != "internal_error"


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_a_server_without_tls_gets_nothing_at_all_where_tls_is_required(sslmode: str, tmp_path: Path) -> None:
    with rogue_postgres("clear text", None, tmp_path) as server:
        result = probe(values(server.port, sslmode))

    assert server.received == b""
    assert result.cause
    assert result.cause.code == "tls_missing"


@pytest.mark.parametrize(
    ("issued", "code"),
    [(UNKNOWN, "database_certificate_not_trusted"), (OTHER_NAME, "certificate_name")],
    ids=["unknown", "name"],
)
def test_a_server_that_was_not_verified_gets_nothing_at_all_under_verify_full(
    issued: object, code: str, tmp_path: Path
) -> None:
    with rogue_postgres("clear text", issued, tmp_path) as server:
        result = probe(values(server.port, "verify-full"))

    assert server.received == b""
    assert result.cause
    assert result.cause.code == code


@pytest.mark.parametrize("behaviour", ["another error", "an error without a code"])
def test_text_of_the_server_is_in_no_result(behaviour: str, tmp_path: Path) -> None:
    with rogue_postgres(behaviour, TRUSTED, tmp_path) as server:
        result = probe(values(server.port, "verify-full"))

    assert "give me" not in str(result)


@pytest.mark.parametrize("code", ["give me it", "42501' give me it", "give me it" * 1_000, "57014 give me it"])
def test_a_code_that_is_no_sqlstate_is_in_no_result(code: str, tmp_path: Path) -> None:
    with rogue_postgres(code, TRUSTED, tmp_path, PASSWORD) as server:
        result = probe(values(server.port, "verify-full"))

    assert result.cause
    assert (result.cause.code, result.cause.facts["sqlstate"]) == ("postgresql_statement", "unknown")
    assert "give me" not in str(result)


@pytest.mark.parametrize("answer", MALFORMED)
def test_an_answer_that_postgresql_does_not_give_is_a_cause_and_no_fault_of_ours(answer: str, tmp_path: Path) -> None:
    with rogue_postgres("", TRUSTED, tmp_path, PASSWORD, ANSWERS | MALFORMED[answer]) as server:
        result = probe(values(server.port, "verify-full"))

    assert result.cause
    assert result.cause.code == "postgresql_unreadable"
    assert "give me" not in str(result)


def test_a_server_that_ends_the_session_has_lost_the_connection(tmp_path: Path) -> None:
    with rogue_postgres("", TRUSTED, tmp_path, PASSWORD, ANSWERS | {VERSION: END}) as server:
        result = probe(values(server.port, "verify-full"))

    assert result.cause
    assert (result.steps[-1].name, result.cause.code) == ("database", "connection_lost")


def test_what_is_no_object_of_postgresql_is_in_no_statement(tmp_path: Path) -> None:
    rights = [[b"LARGE OBJECT", b"", number, b"", b"UPDATE", b"reader"] for number in (b"7", b"give me", b"9" * 5_000)]
    with rogue_postgres("", TRUSTED, tmp_path, PASSWORD, ANSWERS | {GRANTS: rows([TEXT] * 6, *rights)}) as server:
        result = probe(values(server.port, "verify-full"))

    assert result.cause is None
    assert result.statements == ('REVOKE UPDATE ON LARGE OBJECT 7 FROM "reader";',)
