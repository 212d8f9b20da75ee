"""`query.py` of docs/runtimes.md: which statements it runs, and how it connects."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import psycopg2
import pytest

from agents_app.paths import ROOT
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
