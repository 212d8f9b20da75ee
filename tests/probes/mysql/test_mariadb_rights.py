"""The rights of a user on a real MariaDB server: what a test finds, and its statements, which are run here."""

from typing import Any

import pymysql
import pytest

from agents_app.paths import ROOT
from agents_app.probes.mysql import probe as mysql
from agents_app.probes.mysql.grants import Right, UnknownGrant, read_rights
from agents_app.probes.recorder import PUBLIC_NOTE
from agents_app.probes.results import Outcome
from tests.mariadb import MariaDb
from tests.probes.mysql.mariadb_agents import ACCOUNT, PASSWORD, agent
from tests.probes.trying import codes, form, form_of_sample, try_probe

# The grants of a user, and the warnings about them in order.
CAN_DO_MORE = {
    "writer": (["INSERT, UPDATE ON sales.*"], ["role_writes"]),
    "by column": (["UPDATE (note) ON sales.orders"], ["role_writes"]),
    "of the schema": (["ALL ON sales.*"], ["role_writes"]),
    "of temporary tables": (["CREATE TEMPORARY TABLES ON sales.*"], ["role_writes"]),
    "of files": (["FILE ON *.*"], ["mysql_uses_files"]),
    "of processes": (["PROCESS ON *.*"], ["mysql_sees_processes"]),
    "super": (["SUPER, CREATE USER ON *.*"], ["mysql_administers"]),
    "routine": (["EXECUTE ON PROCEDURE sales.pay"], ["role_runs"]),
    "of routines": (["EXECUTE ON sales.*"], ["role_runs"]),
    "giver": (["SELECT ON sales.* WITH GRANT OPTION"], ["mysql_administers"]),
    "admin": (["ALL ON *.* WITH GRANT OPTION"], ["mysql_administers"]),
    "proxy": (["PROXY ON other"], ["mysql_administers"]),
    "reader of all": (["SELECT ON *.*"], ["mysql_reads_more"]),
    "reader of passwords": (["SELECT ON mysql.*"], ["mysql_reads_more"]),
    "by role": (["writers", "SELECT ON my_stock.*"], ["role_writes"]),
    "by a role and directly": (["DELETE ON sales.*", "writers"], ["role_writes"]),
    "by a role of a role": (["outer_role"], ["role_writes"]),
}


@pytest.mark.parametrize("kind", CAN_DO_MORE)
def test_the_statements_of_a_test_leave_a_user_that_can_only_read(mariadb: MariaDb, new_user: str, kind: str) -> None:
    grants, expected = CAN_DO_MORE[kind]
    for grant in ("SELECT ON sales.*", *grants):
        right, option = (*grant.split(" WITH "), "")[:2]
        mariadb.execute(f"GRANT {right} TO {ACCOUNT}" + (f" WITH {option}" if option else ""))

    before = try_probe(mysql, agent(mariadb, username=new_user))
    for statement in before.statements:
        mariadb.execute(statement)
        # If the next one fails, the user has what the agent needs.
        assert rows(mariadb, new_user, "SELECT id FROM sales.orders") == ()
    after = try_probe(mysql, agent(mariadb, username=new_user))

    is_reader = expected[0] in ("mysql_reads_more", "mysql_sees_processes")
    assert (codes(before), before.facts["read_only"]) == (expected, is_reader)
    assert (after.outcome, after.statements, after.facts["read_only"]) == (Outcome.PASSED, (), True)


def test_the_user_that_the_documentation_creates_can_only_read(mariadb: MariaDb) -> None:
    page = (ROOT / "docs" / "connections.md").read_text().partition("\n## MySQL and MariaDB\n")[2]
    block = page.partition("```sql\n")[2].partition("```")[0]

    mariadb.execute(*block.replace("…", PASSWORD).replace("agent_reader", "typed_reader").strip().splitlines())
    result = try_probe(mysql, agent(mariadb, username="typed_reader"))

    assert (result.outcome, result.statements, result.facts["read_only"]) == (Outcome.PASSED, (), True)


def test_a_sample_of_the_demo_has_the_form_of_a_real_result(mariadb: MariaDb, new_user: str) -> None:
    # This database has no views, as that of the sample.
    mariadb.execute(rf"GRANT SELECT, INSERT, UPDATE ON `my\_stock`.* TO {ACCOUNT}")
    values = agent(mariadb, username=new_user, database="my_stock")
    sampled = {"connection_type": "DB", "connection_config": values | {"dialect": "mysql"}}

    before = try_probe(mysql, values)
    mariadb.execute(*before.statements)

    assert form(before) == form_of_sample(2, **sampled)
    assert form(try_probe(mysql, values)) == form_of_sample(0, **sampled)


def test_a_user_without_a_right_on_the_database_gets_the_statement_for_it(mariadb: MariaDb, new_user: str) -> None:
    mariadb.execute(rf"GRANT SELECT, DELETE ON `my\_stock`.* TO {ACCOUNT}")

    missing = try_probe(mysql, agent(mariadb, username=new_user, database="nowhere"))
    with pytest.raises(pymysql.err.OperationalError):
        mariadb.execute(*missing.statements)
    before = try_probe(mysql, agent(mariadb, username=new_user))
    mariadb.execute(*before.statements)
    after = try_probe(mysql, agent(mariadb, username=new_user))

    for result in (missing, before):
        assert result.cause is not None
        assert result.cause.code == "mysql_database_denied"
        assert "REVOKE" not in "".join(result.statements)
    assert not [right for right in rights_of(mariadb) if "nowhere" in right.target]
    assert (after.cause, after.statements) == (None, (f"REVOKE DELETE ON `my\\_stock`.* FROM {ACCOUNT}@`%`;",))


@pytest.mark.parametrize(
    ("lists", "readable"),
    [
        ({"table_allow_list": ["orders", "my_stock.parts"]}, ["my_stock.parts", "sales.orders"]),
        ({"schema_allow_list": ["my_stock"], "database": "my_stock"}, ["my_stock.parts"]),
    ],
    ids=str,
)
def test_the_statements_follow_the_allow_lists(
    mariadb: MariaDb, new_user: str, lists: dict[str, Any], readable: list[str]
) -> None:
    mariadb.execute(f"GRANT SELECT ON *.* TO {ACCOUNT}", f"GRANT SELECT ON sales.* TO {ACCOUNT}")
    values = agent(mariadb, username=new_user, **lists)

    before = try_probe(mysql, values)
    mariadb.execute(*before.statements)
    after = try_probe(mysql, values)

    kinds = [statement.split()[0] for statement in before.statements]
    assert kinds == sorted(kinds)
    assert {*kinds} == {"GRANT", "REVOKE"}
    assert codes(before) == ["mysql_reads_more"]
    assert after.facts["readable_tables"] == len(readable)
    assert (after.outcome, after.statements) == (Outcome.PASSED, ())
    assert tables_of(mariadb, new_user) == readable


def tables_of(mariadb: MariaDb, user: str) -> list[str]:
    """The tables of the tests that a user sees."""
    query = "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables"
    query += " WHERE table_schema IN ('sales', 'my_stock') ORDER BY 1"
    return [str(row[0]) for row in rows(mariadb, user, query)]


def rows(mariadb: MariaDb, user: str, query: str) -> tuple[tuple[Any, ...], ...]:
    """The rows of a query that a user sends."""
    login = {"host": "127.0.0.1", "port": mariadb.port, "user": user, "password": PASSWORD}
    with pymysql.connect(**login) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return tuple(cursor.fetchall())


def test_an_administrator_keeps_all_rights_and_the_agent_gets_a_user_of_its_own(mariadb: MariaDb) -> None:
    mariadb.execute(f"ALTER USER root@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")

    before = try_probe(mysql, agent(mariadb, username="root"))
    mariadb.execute(*before.statements)
    after = try_probe(mysql, agent(mariadb, username="agent_reader", password="choose a password"))

    assert codes(before) == ["mysql_administers"]
    assert not any("REVOKE" in statement for statement in before.statements)
    assert after.outcome is Outcome.PASSED


def test_an_agent_that_writes_may_write_where_its_tables_are(mariadb: MariaDb, new_user: str) -> None:
    mariadb.execute(f"GRANT SELECT, INSERT ON sales.* TO {ACCOUNT}", f"GRANT DELETE ON my_stock.* TO {ACCOUNT}")

    result = try_probe(mysql, agent(mariadb, username=new_user, read_only=False))

    assert result.statements == (f"REVOKE DELETE ON `my_stock`.* FROM {ACCOUNT}@`%`;",)
    assert "read_only" not in result.facts


def test_a_right_of_everyone_is_a_right_of_the_user(mariadb: MariaDb) -> None:
    # MariaDB itself grants such rights on other databases, which is no reason to warn.
    mariadb.execute("GRANT DELETE ON sales.items TO PUBLIC", r"GRANT SELECT, INSERT ON `test\_%`.* TO PUBLIC")

    before = try_probe(mysql, agent(mariadb))
    mariadb.execute(*before.statements)
    after = try_probe(mysql, agent(mariadb))
    mariadb.execute(r"REVOKE SELECT, INSERT ON `test\_%`.* FROM PUBLIC")

    assert [warning.facts["objects"] for warning in before.warnings] == ["DELETE on `sales`.`items` (role PUBLIC)"]
    assert before.statements == (f"{PUBLIC_NOTE}\nREVOKE DELETE ON `sales`.`items` FROM PUBLIC;",)
    assert after.outcome is Outcome.PASSED
    assert after.facts.items() >= {"read_only": True, "open_databases": r"`test\_%`.*"}.items()


def test_a_right_in_a_row_without_a_user_is_a_right_of_the_user(mariadb: MariaDb, new_user: str) -> None:
    mariadb.execute(f"GRANT SELECT ON my_stock.* TO {ACCOUNT}")
    values = agent(mariadb, username=new_user, database="my_stock")
    alone = try_probe(mysql, values)
    mariadb.execute(
        "INSERT INTO mysql.db (Host, Db, User, Insert_priv) VALUES ('%', 'my\\_stock', '', 'Y')", "FLUSH PRIVILEGES"
    )
    login = {"host": "127.0.0.1", "port": mariadb.port, "user": new_user, "password": PASSWORD}
    with pymysql.connect(**login) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO my_stock.parts VALUES (1)")

    result, writer = try_probe(mysql, values), try_probe(mysql, {**values, "read_only": False})
    mariadb.execute("DELETE FROM mysql.db WHERE User = ''", "FLUSH PRIVILEGES")

    assert (alone.outcome, codes(result), codes(writer)) == (Outcome.PASSED, ["mysql_rights_of_everyone"], [])
    assert result.facts["read_only"] is False


def test_names_of_the_allow_lists_that_do_not_exist_are_warnings(mariadb: MariaDb, new_user: str) -> None:
    mariadb.execute(f"GRANT SELECT ON sales.orders TO {ACCOUNT}", f"GRANT INSERT ON sales.items TO {ACCOUNT}")
    lists = {"schema_allow_list": ["sales", "nowhere"], "table_allow_list": ["orders", "items", "sales.gone", "no.one"]}

    result = try_probe(mysql, agent(mariadb, username=new_user, **lists))

    assert {finding.code: finding.facts.get("names") for finding in result.warnings} == {
        "role_writes": None,
        "schemas_missing": "nowhere",
        "tables_missing": "sales.gone, no.one",
        "tables_unreadable": "sales.items",
    }
    assert result.statements == ()


def test_a_database_without_a_table_is_a_warning(mariadb: MariaDb, new_user: str) -> None:
    mariadb.execute(f"GRANT SELECT ON empty.* TO {ACCOUNT}")

    assert codes(try_probe(mysql, agent(mariadb, username=new_user, database="empty"))) == ["nothing_readable"]


def test_the_rights_are_those_that_information_schema_lists(mariadb: MariaDb, new_user: str) -> None:
    grants = ["FILE, SUPER ON *.*", "INSERT, DROP ON sales.*", "SELECT, DELETE ON sales.orders"]
    mariadb.execute(*[f"GRANT {grant} TO {ACCOUNT}" for grant in grants])
    where = "FROM information_schema.{}_privileges WHERE grantee LIKE '%odd%'"

    listed = {
        *mariadb.execute(f"SELECT privilege_type, '*.*' {where.format('user')}"),
        *mariadb.execute(f"SELECT privilege_type, CONCAT('`', table_schema, '`.*') {where.format('schema')}"),
        *mariadb.execute(f"SELECT privilege_type, CONCAT('`sales`.`', table_name, '`') {where.format('table')}"),
    }

    assert {(right.name, right.target) for right in rights_of(mariadb)} == listed


def rights_of(mariadb: MariaDb) -> list[Right]:
    """The rights of the new user."""
    return list(read_rights(str(row[0]) for row in mariadb.execute(f"SHOW GRANTS FOR {ACCOUNT}")))


@pytest.mark.parametrize("columns", ["a; DROP DATABASE sales; --", "a\nb", "a--", "'a'"])
def test_columns_that_could_end_a_statement_are_not_read(columns: str) -> None:
    with pytest.raises(UnknownGrant):
        list(read_rights([f"GRANT UPDATE ({columns}) ON `sales`.`orders` TO `reader`@`%`"]))
