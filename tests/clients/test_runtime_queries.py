"""`query.py` of docs/runtimes.md: which statements it runs, and how it connects."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg2
import pytest

from agents_app.paths import ROOT
from tests.authority import Authority
from tests.documents import read_blocks
from tests.probes.postgresql.postgres_tls import TlsServer, tls_server

LIMITS = {"row_limit": 10, "statement_timeout_ms": 5_000, "connect_timeout_s": 5}
# None of these reads the catalogue through a name that is not allowed.
HIDDEN = (
    "SELECT rolname FROM pg_roles",
    "TABLE pg_roles",
    "SELECT 1 UNION SELECT oid::int FROM ONLY pg_roles",
    "SELECT ARRAY(SELECT rolname FROM pg_roles)",
    "SELECT 1 LIMIT (SELECT count(*) FROM pg_roles)",
    "SELECT * FROM (VALUES ((SELECT count(*) FROM pg_roles))) v",
    "WITH pg_roles AS (SELECT * FROM pg_roles) SELECT * FROM pg_roles",
    "SELECT * FROM pg_roles, (WITH pg_roles AS (SELECT 1) SELECT * FROM pg_roles) x",
    "(WITH pg_roles AS (SELECT 1 AS oid) SELECT oid FROM pg_roles) UNION SELECT oid::int FROM pg_roles",
    "WITH a AS (WITH pg_roles AS (SELECT 1) SELECT 1) SELECT * FROM pg_roles",
    'WITH "PG_ROLES" AS (SELECT 1) SELECT * FROM PG_ROLES',
    # The inner name o cannot be seen from outside, so the outer one may have the same name.
    "SELECT * FROM (pg_roles AS o CROSS JOIN customers AS p) AS x, customers AS o",
)


@pytest.fixture(scope="module")
def query() -> ModuleType:
    """The program as a module."""
    blocks = read_blocks(ROOT / "docs" / "runtimes.md")
    (text,) = (block.text for block in blocks if block.options.get("file") == "query.py")
    module = ModuleType("query")
    exec(text, module.__dict__)
    return module


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    """A server with the schema public and the schema sales."""
    with tls_server() as server:
        server.execute("INSERT INTO public.customers VALUES (1), (2)", database="shop")
        yield server


def config(schemas: tuple[str, ...] = ("public",), tables: tuple[str, ...] = ()) -> dict[str, Any]:
    """The members that limit statements."""
    return {"schema_allow_list": list(schemas), "table_allow_list": list(tables), **LIMITS}


@pytest.mark.parametrize("statement", HIDDEN)
def test_a_table_without_a_schema_is_one_of_public_wherever_it_is_written(query: ModuleType, statement: str) -> None:
    with pytest.raises(query.NotAllowed, match=r"^The schema public is not allowed\.$"):
        query.check(statement, config(("sales",)))


@pytest.mark.parametrize(
    "statement", ["SELECT (", 'SELECT 1 AS "a', "SELECT 'a", f"SELECT {'(' * 3_000}1{')' * 3_000}"]
)
def test_a_statement_that_cannot_be_parsed_is_refused(query: ModuleType, statement: str) -> None:
    with pytest.raises(query.NotAllowed, match=r"^The statement is not understood\.$"):
        query.check(statement, config())


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT 1;", "SELECT 1; -- hi", "; SELECT 1;; /* hi */"])
def test_comments_and_semicolons_are_no_statements(query: ModuleType, statement: str) -> None:
    assert query.check(statement, config()).startswith("SELECT 1")


@pytest.mark.parametrize(
    "statement", ["", "-- hi", ";", "SELECT 1; SELECT 2", "SELECT 1; -- hi\n; DELETE FROM customers"]
)
def test_all_but_one_select_is_refused(query: ModuleType, statement: str) -> None:
    with pytest.raises(query.NotAllowed, match=r"^Only one SELECT is allowed\.$"):
        query.check(statement, config())


@pytest.mark.long
@pytest.mark.parametrize("statement", HIDDEN)
def test_no_statement_reads_the_catalogue_without_its_schema(
    query: ModuleType, server: TlsServer, statement: str
) -> None:
    with pytest.raises(psycopg2.errors.UndefinedTable, match=r"public\.pg_roles"):
        query.run(statement, server.values(**config()))


@pytest.mark.long
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM customers ORDER BY customers.id",
        "WITH customers AS (SELECT 1 AS id UNION SELECT 2) SELECT id FROM customers ORDER BY id",
        "WITH RECURSIVE n AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM n WHERE id < 2) SELECT id FROM n",
    ],
)
def test_a_statement_of_allowed_tables_returns_its_rows(query: ModuleType, server: TlsServer, statement: str) -> None:
    assert query.run(statement, server.values(**config())) == [(1,), (2,)]


@pytest.mark.long
@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_without_a_root_certificate_the_authorities_of_the_system_are_trusted(
    query: ModuleType, server: TlsServer, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = server.values(**config(), sslmode=mode, ssl_root_cert=None)
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        query.run("SELECT 1", agent)

    (tmp_path / "authorities.pem").write_text(server.authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))
    assert query.run("SELECT 1", agent) == [(1,)]


@pytest.mark.long
def test_a_root_certificate_is_for_the_modes_that_check_it(query: ModuleType, server: TlsServer) -> None:
    other = Authority().certificate

    assert query.run("SELECT 1", server.values(**config(), sslmode="require", ssl_root_cert=other)) == [(1,)]
    with pytest.raises(psycopg2.OperationalError, match="SSL error"):
        query.run("SELECT 1", server.values(**config(), sslmode="verify-ca", ssl_root_cert=other))
