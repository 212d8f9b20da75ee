"""What a PostgreSQL role could do is found however it got the right, and the statements of the test take it away."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg2
import pytest

from agents_app.probes.postgresql.statements import ARGUMENTS
from agents_app.probes.results import Outcome, Result
from tests.probes.postgresql.postgres_tls import PASSWORD, TlsServer, probe
from tests.probes.trying import form, form_of_sample

ORDERS = {"schema_allow_list": ["sales"], "table_allow_list": ["orders"]}
# A name that has to be quoted.
ROLE = 'Reader "of" €'


class Writer(NamedTuple):
    """How a role gets a right, what it can then do, and the warning about it."""

    setup: tuple[str, ...]
    act: str
    warning: str
    options: str = ""
    since: int = 0
    """The first version of PostgreSQL that has it."""


WRITERS = {
    "superuser": Writer((), "CREATE TABLE sales.copy (id int)", "role_superuser", "SUPERUSER"),
    "attributes": Writer((), "CREATE ROLE another", "role_attributes", "CREATEROLE CREATEDB BYPASSRLS REPLICATION"),
    "insert": Writer(
        ("GRANT INSERT, TRIGGER ON sales.orders TO {role}",), "INSERT INTO sales.orders VALUES (1)", "role_writes"
    ),
    "one column": Writer(
        ("GRANT UPDATE (note) ON sales.orders TO {role}",), "UPDATE sales.orders SET note = ''", "role_writes"
    ),
    "public": Writer(("GRANT DELETE ON sales.orders TO PUBLIC",), "DELETE FROM sales.orders", "role_writes"),
    "a view": Writer(
        ("GRANT INSERT ON sales.open_orders TO {role}",), "INSERT INTO sales.open_orders VALUES (1)", "role_writes"
    ),
    "sequence": Writer(
        ("GRANT USAGE ON SEQUENCE sales.numbers TO {role}",), "SELECT nextval('sales.numbers')", "role_writes"
    ),
    "large object": Writer(
        ("SELECT lo_create(4711)", "GRANT ALL ON LARGE OBJECT 4711 TO {role}"),
        "SELECT lo_put(4711, 0, 'x')",
        "role_writes",
    ),
    "membership": Writer(
        ("GRANT TRUNCATE ON sales.orders TO {group}", "GRANT {group} TO {role}"), "TRUNCATE sales.orders", "role_writes"
    ),
    "membership without inheritance": Writer(
        ("GRANT INSERT ON public.customers TO {group}", "ALTER ROLE {role} NOINHERIT", "GRANT {group} TO {role}"),
        "SET ROLE {group}; INSERT INTO public.customers VALUES (1)",
        "role_writes",
    ),
    "membership of a superuser": Writer(
        ("ALTER ROLE {group} SUPERUSER", "GRANT {group} TO {role}"), "SET ROLE {group}; CHECKPOINT", "role_superuser"
    ),
    "predefined role": Writer(
        ("GRANT pg_write_all_data TO {group}", "GRANT {group} TO {role}"), "DELETE FROM sales.items", "role_memberships"
    ),
    "reader of the hashes of passwords": Writer(
        ("GRANT pg_read_all_data TO {role}",), "SELECT rolpassword FROM pg_authid", "role_reads_all"
    ),
    "server program": Writer(
        ("GRANT pg_execute_server_program TO {role}",),
        "BEGIN READ ONLY; COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
        "role_memberships",
    ),
    "owner of a table": Writer(
        ("ALTER TABLE sales.orders OWNER TO {role}",), "ALTER TABLE sales.orders ADD x int", "role_owns"
    ),
    "owner of the database": Writer(("ALTER DATABASE {database} OWNER TO {role}",), "CREATE SCHEMA own", "role_owns"),
    "owner by membership": Writer(
        ("ALTER SCHEMA sales OWNER TO {group}", "GRANT {group} TO {role}"),
        "CREATE TABLE sales.copy (id int)",
        "role_owns",
    ),
    "schema": Writer(("GRANT CREATE ON SCHEMA sales TO {role}",), "CREATE TABLE sales.copy (id int)", "role_creates"),
    "schema for all": Writer(
        ("GRANT CREATE ON SCHEMA public TO PUBLIC",), "CREATE TABLE public.copy (id int)", "role_creates"
    ),
    "database": Writer(("GRANT CREATE ON DATABASE {database} TO {role}",), "CREATE SCHEMA own", "role_creates"),
    "function": Writer(
        (
            """CREATE FUNCTION sales.archive(day date DEFAULT now(), text[] DEFAULT '{{}}') RETURNS void
               LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM sales.orders'""",
        ),
        "SELECT sales.archive()",
        "role_runs",
    ),
    "procedure of one role": Writer(
        (
            "CREATE PROCEDURE sales.clear() LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM sales.orders'",
            "REVOKE EXECUTE ON PROCEDURE sales.clear() FROM PUBLIC",
            "GRANT EXECUTE ON PROCEDURE sales.clear() TO {group}",
            "GRANT {group} TO {role}",
        ),
        "CALL sales.clear()",
        "role_runs",
    ),
    # Anyone who may create a function chooses its name, and a superuser runs the statements.
    "function with a statement in its name": Writer(
        (
            """CREATE FUNCTION sales."f(); DROP TABLE sales.items; --"(int) RETURNS void
               LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM sales.orders'""",
        ),
        """SELECT sales."f(); DROP TABLE sales.items; --"(1)""",
        "role_runs",
    ),
    "function with arguments that have to be quoted": Writer(
        (
            """CREATE TYPE sales."a); DROP TABLE sales.items; --" AS (x int)""",
            """CREATE FUNCTION sales.take("b); --" sales."a); DROP TABLE sales.items; --", VARIADIC numeric(10,2)[])
               RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM sales.orders'""",
        ),
        "SELECT sales.take(ROW(1), 2)",
        "role_runs",
    ),
    "aggregate of a function": Writer(
        (
            """CREATE FUNCTION sales.step(int, int) RETURNS int LANGUAGE sql SECURITY DEFINER
               AS 'DELETE FROM sales.orders; SELECT 1'""",
            "REVOKE EXECUTE ON FUNCTION sales.step(int, int) FROM PUBLIC",
            "CREATE AGGREGATE sales.total(int) (sfunc = sales.step, stype = int, initcond = '0')",
        ),
        "SELECT sales.total(1)",
        "role_runs",
    ),
    "owner of the type of a column": Writer(
        (
            "CREATE TYPE sales.mood AS ENUM ('good')",
            "ALTER TABLE sales.items ADD mood sales.mood",
            "ALTER TYPE sales.mood OWNER TO {role}",
        ),
        "DROP TYPE sales.mood CASCADE",
        "role_owns",
    ),
    "foreign server": Writer(
        (
            "CREATE FOREIGN DATA WRAPPER other",
            'CREATE SERVER "other shop" FOREIGN DATA WRAPPER other',
            """CREATE USER MAPPING FOR {role} SERVER "other shop" OPTIONS (user 'owner', password 'x')""",
            'GRANT USAGE ON FOREIGN SERVER "other shop" TO {role}',
        ),
        """ALTER USER MAPPING FOR {role} SERVER "other shop" OPTIONS (SET user 'other')""",
        "role_uses_servers",
    ),
    "settings of the server": Writer(
        ("GRANT SET, ALTER SYSTEM ON PARAMETER session_preload_libraries TO {group}", "GRANT {group} TO {role}"),
        "SET ROLE {group}; SET session_preload_libraries = 'x'",
        "role_changes_settings",
        since=15,
    ),
    "a setting for all": Writer(
        ("GRANT ALTER SYSTEM, SET ON PARAMETER log_statement TO PUBLIC",),
        "SET log_statement = 'none'",
        "role_changes_settings",
        since=15,
    ),
    "files of the server": Writer(
        ("GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {role}",), "SELECT pg_read_file('PG_VERSION')", "role_runs"
    ),
}


@pytest.fixture(scope="module")
def shop(postgres_tls: TlsServer) -> Iterator[str]:
    """A copy of the database shop that all tests share: the statements of each test undo what it granted."""
    with postgres_tls.database() as name:
        yield name


@pytest.fixture
def database(postgres_tls: TlsServer, shop: str) -> Iterator[str]:
    """The database, a role with a name that has to be quoted, and a group. Both roles are dropped at the end."""
    role = quoted(ROLE)
    postgres_tls.create_role(role)
    postgres_tls.execute(
        "CREATE ROLE buyers",
        f"GRANT USAGE ON SCHEMA sales TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA sales, public TO {role}",
        database=shop,
    )
    yield shop
    # The first statement keeps the objects, and the second one takes away the rights.
    endings = ("REASSIGN OWNED BY buyers, {} TO postgres", "DROP OWNED BY buyers, {}", "DROP ROLE buyers, {}")
    postgres_tls.execute(*(text.format(role) for text in endings), database=shop)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def of_role(server: TlsServer, database: str, **changed: Any) -> Result:
    return probe(server.values(username=ROLE, database=database, **changed))


def codes(result: Result) -> set[str]:
    return {warning.code for warning in result.warnings}


@pytest.mark.parametrize("case", WRITERS)
def test_a_role_that_could_change_something_is_found_and_the_statements_limit_it(
    case: str, postgres_tls: TlsServer, database: str
) -> None:
    writer = WRITERS[case]
    ((version,),) = postgres_tls.execute("SELECT current_setting('server_version_num')::int / 10000")
    names = {"role": quoted(ROLE), "group": "buyers", "database": database}
    if version < writer.since:
        # Nobody can have a right that this version does not know.
        with pytest.raises(psycopg2.errors.SyntaxError):
            postgres_tls.execute(writer.setup[0].format(**names), database=database)
        return
    if writer.options:
        postgres_tls.execute(f"ALTER ROLE {quoted(ROLE)} {writer.options}")
    postgres_tls.execute(*(text.format(**names) for text in writer.setup), database=database)
    # The role can do it, which is undone: the session ends in the transaction.
    act = f"BEGIN; {writer.act.format(**names)}"
    postgres_tls.execute(act, database=database, user=ROLE)

    before = of_role(postgres_tls, database)
    postgres_tls.execute(*before.statements, database=database)
    after = of_role(postgres_tls, database)

    assert writer.warning in codes(before)
    assert (before.outcome, before.facts["read_only"]) == (Outcome.WARNING, case == "reader of the hashes of passwords")
    assert (after.outcome, after.warnings, after.statements) == (Outcome.PASSED, (), ())
    assert after.facts["readable_tables"] == 4
    with pytest.raises(psycopg2.Error):
        postgres_tls.execute(act, database=database, user=ROLE)


def test_rights_on_later_tables_are_found_and_taken_away(postgres_tls: TlsServer, database: str) -> None:
    role = quoted(ROLE)
    postgres_tls.execute(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA sales GRANT INSERT, SELECT ON TABLES TO {role}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE buyers GRANT USAGE ON SEQUENCES TO {role}",
        database=database,
    )

    before = of_role(postgres_tls, database)
    postgres_tls.execute(*before.statements, "CREATE TABLE sales.later (id int)", database=database)
    after = of_role(postgres_tls, database)
    may = "SELECT has_table_privilege('{0}', 'sales.later', '{1}')"
    rights = [postgres_tls.execute(may.format(ROLE, right), database=database) for right in ("SELECT", "INSERT")]
    postgres_tls.execute("DROP TABLE sales.later", database=database)

    (warning,) = before.warnings
    assert (warning.code, warning.facts["objects"]) == (
        *("role_will_write", "USAGE on later sequences of buyers, INSERT on later tables of postgres in sales"),
    )
    assert (after.warnings, rights) == ((), [[(True,)], [(False,)]])


def test_a_sample_of_the_demo_has_the_form_of_a_real_result(postgres_tls: TlsServer, database: str) -> None:
    table = f"public.{quoted(database)}"
    postgres_tls.execute(
        f"CREATE TABLE {table} (id int)",
        f"GRANT SELECT, INSERT, UPDATE ON {table} TO {quoted(ROLE)}",
        database=database,
    )
    values = postgres_tls.values(username=ROLE, database=database, dialect="postgresql")
    agent = {"connection_type": "DB", "connection_config": values}

    before = of_role(postgres_tls, database)
    postgres_tls.execute(*before.statements, database=database)
    after = of_role(postgres_tls, database)
    postgres_tls.execute(f"DROP TABLE {table}", database=database)

    assert form(before) == form_of_sample(2, **agent)
    assert form(after) == form_of_sample(0, **agent)


def test_every_character_of_a_statement_can_be_seen(postgres_tls: TlsServer, database: str) -> None:
    name = quoted('orders\u202e\n"\\x\u2066')
    postgres_tls.execute(
        f"CREATE TABLE sales.{name} (id int)", f"GRANT INSERT ON sales.{name} TO {quoted(ROLE)}", database=database
    )

    before = of_role(postgres_tls, database)
    postgres_tls.execute(*before.statements, database=database)
    after = of_role(postgres_tls, database)
    postgres_tls.execute(f"DROP TABLE sales.{name}", database=database)

    assert codes(before) == {"role_writes"}
    assert all(line.isprintable() for statement in before.statements for line in statement.splitlines())
    assert (after.outcome, after.statements) == (Outcome.PASSED, ())


def test_the_statements_leave_what_the_allow_lists_include_and_no_more(postgres_tls: TlsServer, database: str) -> None:
    role = quoted(ROLE)
    postgres_tls.execute(
        f"GRANT buyers, pg_read_all_data TO {role}",
        "GRANT ALL ON sales.orders TO buyers",
        f"REVOKE SELECT ON sales.orders FROM {role}",
        database=database,
    )

    before = of_role(postgres_tls, database, **ORDERS)
    postgres_tls.execute(*before.statements, database=database)
    after = of_role(postgres_tls, database, **ORDERS)

    assert codes(before) == {"role_reads_more", "role_writes", "role_reads_all"}
    # If one of them fails, the role has at least what it needs.
    kinds = [statement.split()[0] for statement in before.statements]
    assert kinds == sorted(kinds)
    assert {*kinds} == {"GRANT", "REVOKE"}
    assert (after.outcome, after.warnings, after.statements) == (Outcome.PASSED, (), ())
    assert postgres_tls.execute("SELECT count(*) FROM sales.orders", database=database, user=ROLE) == [(0,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        postgres_tls.execute("SELECT FROM sales.items", database=database, user=ROLE)


def test_an_agent_that_writes_may_write_where_its_tables_are(postgres_tls: TlsServer, database: str) -> None:
    role = quoted(ROLE)
    postgres_tls.execute(
        f"GRANT INSERT, UPDATE ON sales.orders TO {role}",
        f"GRANT USAGE ON SEQUENCE sales.numbers TO {role}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA sales GRANT INSERT ON TABLES TO {role}",
        "GRANT DELETE ON sales.orders TO buyers",
        "GRANT TRUNCATE, UPDATE (id) ON public.customers TO buyers",
        f"GRANT buyers TO {role}",
        database=database,
    )
    writer: dict[str, Any] = {"read_only": False}

    everywhere = of_role(postgres_tls, database, **writer)
    in_schema = of_role(postgres_tls, database, **writer, schema_allow_list=["sales"])
    before = of_role(postgres_tls, database, **writer, **ORDERS)
    postgres_tls.execute(*before.statements, database=database)
    after = of_role(postgres_tls, database, **writer, **ORDERS)

    assert (everywhere.outcome, everywhere.statements) == (Outcome.PASSED, ())
    assert "read_only" not in everywhere.facts
    assert codes(in_schema) == {"role_writes", "role_reads_more"}
    objects = {warning.code: warning.facts.get("objects") for warning in before.warnings}
    assert objects.keys() == codes(in_schema) | {"role_will_write"}
    assert objects["role_writes"] == (
        "TRUNCATE on table public.customers, UPDATE on column id of table public.customers"
    )
    assert (after.outcome, after.statements) == (Outcome.PASSED, ())
    act = "INSERT INTO sales.orders VALUES (nextval('sales.numbers')); DELETE FROM sales.orders"
    postgres_tls.execute(act, database=database, user=ROLE)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        postgres_tls.execute("DELETE FROM sales.items", database=database, user=ROLE)


def test_an_agent_that_writes_needs_no_more_than_to_change_data(postgres_tls: TlsServer, database: str) -> None:
    setup = f"GRANT TRIGGER ON sales.orders TO {quoted(ROLE)}", f"GRANT CREATE ON SCHEMA sales TO {quoted(ROLE)}"
    postgres_tls.execute(*setup, f"ALTER ROLE {quoted(ROLE)} CREATEDB", database=database)

    before = of_role(postgres_tls, database, read_only=False)
    postgres_tls.execute(*before.statements, database=database)

    assert codes(before) == {"role_attributes", "role_writes", "role_creates"}
    assert of_role(postgres_tls, database, read_only=False).outcome is Outcome.PASSED


def test_tables_that_cannot_be_read_are_named_and_granted(postgres_tls: TlsServer, database: str) -> None:
    postgres_tls.execute(f"REVOKE ALL ON SCHEMA sales FROM {quoted(ROLE)}", database=database)
    postgres_tls.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA sales, public FROM {quoted(ROLE)}", database=database)

    before = of_role(postgres_tls, database, **ORDERS)
    postgres_tls.execute(*before.statements, database=database)

    assert [(warning.code, warning.facts["names"]) for warning in before.warnings] == [
        ("tables_unreadable", "sales.orders")
    ]
    assert of_role(postgres_tls, database, **ORDERS).outcome is Outcome.PASSED
    assert codes(of_role(postgres_tls, database, schema_allow_list=["public"])) == {
        "role_reads_more",
        "tables_unreadable",
    }


def test_missing_schemas_and_tables_are_named_and_nothing_is_taken_away(postgres_tls: TlsServer) -> None:
    lists = {"schema_allow_list": ["sales", "sold"], "table_allow_list": ["Orders", '"sales"."items"', "customers"]}

    result = probe(postgres_tls.values(**lists))

    named = {warning.code: warning.facts["names"] for warning in result.warnings if "names" in warning.facts}
    assert named == {"schemas_missing": "sold", "tables_missing": "customers"}
    assert ("role_reads_more" in codes(result), result.statements, result.facts["read_only"]) == (True, (), True)


def test_a_role_that_can_read_nothing_is_a_warning(postgres_tls: TlsServer) -> None:
    postgres_tls.create_role("newcomer")

    result = probe(postgres_tls.values(username="newcomer"))

    assert codes(result) == {"nothing_readable"}


def test_arguments_of_a_function_are_written_only_if_they_are_a_list_of_types() -> None:
    lists = ["", 'VARIADIC a numeric[], OUT "b""" "c"."d", INOUT e double precision', "character varying"]
    others = ["x) FROM PUBLIC; DROP", "EXCEPT x", '"' * 61, "a" * 60 + "!", 'a "b']

    assert [bool(ARGUMENTS.fullmatch(text)) for text in (*lists, *others)] == [True] * 3 + [False] * 5


def test_many_tables_of_a_schema_have_one_statement(postgres_tls: TlsServer, database: str) -> None:
    tables = [f"CREATE TABLE many.table_{number} (id int)" for number in range(30)]
    grant = f"GRANT ALL ON ALL TABLES IN SCHEMA many TO {quoted(ROLE)}"
    postgres_tls.execute("CREATE SCHEMA many", *tables, grant, database=database)

    before = of_role(postgres_tls, database)
    postgres_tls.execute(*before.statements, database=database)
    after = of_role(postgres_tls, database)
    postgres_tls.execute("DROP SCHEMA many CASCADE", database=database)

    assert len(before.statements) == 1
    assert "and 25 more" in before.warnings[0].facts["objects"]
    assert after.outcome is Outcome.PASSED


def test_the_search_path_of_a_role_does_not_change_the_proof(postgres_tls: TlsServer, database: str) -> None:
    postgres_tls.execute(
        "CREATE FUNCTION sales.aclexplode(aclitem[]) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1 WHERE false'",
        f"ALTER ROLE {quoted(ROLE)} SET search_path = sales, pg_catalog",
        f"GRANT INSERT ON sales.orders TO {quoted(ROLE)}",
        database=database,
    )

    assert codes(of_role(postgres_tls, database)) == {"role_writes"}


def test_the_first_superuser_gets_no_statements_because_it_cannot_be_limited(postgres_tls: TlsServer) -> None:
    postgres_tls.execute(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")

    result = probe(postgres_tls.values(username="postgres"))

    assert "role_superuser" in codes(result)
    assert result.statements == ()
