"""How plain SQL is read: no statement is passed over, also in a block. The warnings are in `test_rules.py`."""

from pathlib import Path

import pytest
from alembic.operations import ops
from alembic.script import ScriptDirectory

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import make_plan
from agents_app.dbtools.review.sql import operations_of
from agents_app.dbtools.review.sql_operations import NotUnderstoodOp
from tests.dbtools.rule_cases import BUSY, PAIRS, SQL
from tests.dbtools.tools import Project, run_sql

BLOCKS = {
    "plain": "BEGIN {}; END",
    "after PERFORM": "BEGIN PERFORM 1; {}; END",
    "IF": "BEGIN IF CASE WHEN true THEN 1 END = 1 THEN {}; ELSIF false THEN NULL; END IF; END",
    "ELSE": "DECLARE n int := 1; BEGIN n := 2; IF n = 1 THEN NULL; ELSE {}; END IF; END",
    "CASE": "BEGIN CASE 1 WHEN 1, 2 THEN {}; ELSE NULL; END CASE; END",
    "FOR": "DECLARE r record; BEGIN FOR r IN SELECT 1 LOOP {}; END LOOP; END",
    "numbers": "BEGIN FOR i IN REVERSE 10..1 BY 2 LOOP CONTINUE WHEN i = 2; {}; END LOOP; END",
    "FOREACH": "DECLARE n int; BEGIN FOREACH n IN ARRAY ARRAY[1] LOOP {}; END LOOP; END",
    "WHILE": "#variable_conflict use_column\nDECLARE a int[]; BEGIN a[1] = 2; WHILE a[1] IN (2) LOOP {}; END LOOP; END",
    "nested": "<<a>> DECLARE r record; BEGIN r.x := 1; <<b>> BEGIN /* c */ {}; END b; END a",
    "EXCEPTION": "BEGIN NULL; EXCEPTION WHEN unique_violation OR others THEN {}; END",
    "EXECUTE": "BEGIN EXECUTE $inner${}$inner$ USING 1; END",
    "block": "BEGIN EXECUTE $inner$DO $more$ BEGIN {}; END $more$ LANGUAGE 'plpgsql'$inner$; END",
}
SAID = [text for _, text, warnings in PAIRS if warnings and not text.startswith("with ")]
# In a block, INTO sets a variable.
SAID += [text for text, warnings in SQL if warnings and "DO " not in text and " INTO t" not in text]


def _kinds(text: str, dialect: str = "postgresql") -> set[tuple[str, str | None]]:
    return {
        (type(found).__name__, getattr(found, "table_name", None) or getattr(found, "name", None))
        for found in operations_of(ops.ExecuteSQLOp(text), dialect)
    }


@pytest.mark.parametrize("block", BLOCKS)
def test_a_statement_in_a_do_block_is_judged_like_one_outside_or_said_to_be_not_understood(block: str) -> None:
    for text in SAID:
        wrapped = BLOCKS[block].replace("{}", text)

        found = _kinds(f"DO LANGUAGE plpgsql $body${wrapped}$body$")

        assert _kinds(text) <= found or NotUnderstoodOp.__name__ in {name for name, _ in found}, (block, text)


@pytest.mark.parametrize(
    "body",
    [
        "DECLARE c CURSOR FOR DELETE FROM busy RETURNING id; BEGIN OPEN c; END",
        "DECLARE c NO SCROLL CURSOR (n int) IS DELETE FROM busy RETURNING id; BEGIN OPEN c(1); FETCH c INTO n; END",
        "DECLARE c refcursor; BEGIN OPEN c FOR DELETE FROM busy RETURNING id; END",
        "DECLARE c refcursor; BEGIN OPEN c NO SCROLL FOR EXECUTE 'DELETE FROM busy' USING 1; END",
        "BEGIN FOR r IN (WITH a AS (DELETE FROM busy RETURNING 1) SELECT 1) LOOP NULL; END LOOP; END",
        "BEGIN FOR r IN EXECUTE 'DELETE FROM busy' LOOP NULL; END LOOP; END",
        "BEGIN RETURN QUERY DELETE FROM busy RETURNING 1; END",
        "BEGIN RETURN QUERY EXECUTE 'DELETE FROM busy'; END",
        "DECLARE n int; BEGIN DELETE FROM busy RETURNING id INTO STRICT n; GET DIAGNOSTICS n = ROW_COUNT; END",
        "DECLARE n int; BEGIN WITH a AS (DELETE FROM busy RETURNING 1) SELECT 1 INTO STRICT n FROM a; END",
    ],
)
def test_each_statement_of_plpgsql_that_runs_a_query_is_judged(body: str) -> None:
    assert ("ChangeRowsOp", "busy") in _kinds(f"DO $$ {body} $$")


@pytest.mark.parametrize(
    "body",
    [
        "DECLARE n int = 1; a int[]; r record; BEGIN n := 2; n = 3; a[1] := 2; a[n + 1][2] = 3; r.x := 4; END",
        "BEGIN RAISE EXCEPTION 'x %', 1 USING HINT = 'DROP TABLE busy'; ASSERT 1 = 1, 'x'; RETURN; NULL; EXIT; END",
        "DECLARE c CURSOR FOR SELECT 1; BEGIN OPEN c; MOVE c; FETCH c INTO n; GET DIAGNOSTICS t = ROW_COUNT; END",
    ],
)
def test_what_changes_nothing_in_a_block_is_passed(body: str) -> None:
    assert _kinds(f"DO $$ {body} $$") == set()


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("sqlite", "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = CASE 1 WHEN 1 THEN 2 END; SELECT 1; END"),
        ("postgresql", "CREATE RULE t AS ON INSERT TO a DO ALSO (UPDATE b SET c = 1; SELECT 1)"),
    ],
)
def test_the_statements_in_the_body_of_a_trigger_or_rule_are_not_run(dialect: str, text: str) -> None:
    assert _kinds(f"{text}; DELETE FROM d", dialect) == {("WriteHookOp", "a"), ("ChangeRowsOp", "d")}


def test_the_statements_in_the_body_of_a_function_are_not_run() -> None:
    body = "BEGIN ATOMIC DELETE FROM busy; SELECT CASE 1 WHEN 1 THEN 2 END; END"

    found = _kinds(f"CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql {body}; DELETE FROM d")
    assert found == {("CreateObjectOp", None), ("ChangeRowsOp", "d")}


VALUES = """
import datetime, decimal, enum, uuid
busy = sa.table('busy', sa.column('id'), sa.column('name'))
bind, chosen = op.get_bind(), busy.c.id.in_([1, 2])
for value in (datetime.datetime(2026, 1, 1), datetime.date(2026, 1, 1), uuid.UUID(int=1), b'\\xff', True, None,
              {'a': [1]}, decimal.Decimal('1.5'), enum.Enum('Kind', 'A').A, float('nan'), "it's :a %s"):
    op.execute(busy.update().where(chosen).values(name=value))
op.execute(busy.delete().where(busy.c.name.notin_(['a'])))
bind.execute(busy.delete().where(busy.c.id == sa.bindparam('key')), [{'key': 1}, {'key': 9}])
bind.execute(sa.text('DELETE FROM busy WHERE id = :key'), [{'key': 1}])
bind.execute(busy.update().where(busy.c.name.like('%a%')), {'name': ':x'})
bind.execute(busy.delete().where(busy.c.id == sa.bindparam('unknown')))
bind.execute(busy.insert(), [{'id': 8}, {'id': 9}])
op.execute(busy.insert().values([{'id': 8}, {'id': 9}]))
op.execute(busy.insert().from_select(['id'], sa.select(busy.c.id + 10)))
"""
COUNTED = [
    "UPDATE on busy (2 of 3 rows)",
    "DELETE on busy (2 of 3 rows)",
    "DELETE on busy (1 of 3 rows)",
    "DELETE on busy (0 of 3 rows)",
    "UPDATE on busy (1 of 3 rows)",
    "DELETE on busy (rows not counted: a value in it is computed when the step runs)",
]


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_the_rows_of_an_expression_of_sqlalchemy_are_counted_with_its_values(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url = request.getfixturevalue("postgres_url" if database == "postgresql" else "sqlite_url")
    run_sql(url, *BUSY)

    assert [text.partition(" runs ")[2] for text in _warnings(tmp_path, url, VALUES)] == COUNTED


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("PRAGMA writable_schema = ON", "DANGER runs PRAGMA writable_schema = ON"),
        ("PRAGMA schema_version = 4", "DANGER runs PRAGMA schema_version = 4"),
        ("PRAGMA main.foreign_keys(off)", "WARN runs PRAGMA main.foreign_keys(off)"),
        ("PRAGMA ignore_check_constraints = 1", "WARN runs PRAGMA ignore_check_constraints = 1"),
        ("PRAGMA journal_mode = 'memory'", "WARN runs PRAGMA journal_mode = 'memory'"),
        ("PRAGMA synchronous = 0", "WARN runs PRAGMA synchronous = 0"),
        ("PRAGMA busy_timeout = 0", "WARN runs PRAGMA busy_timeout = 0"),
        ("ATTACH 'x.db' AS x", "WARN runs ATTACH 'x.db' AS x"),
        ("VACUUM INTO 'x.db'", "DANGER runs VACUUM INTO 'x.db' inside a transaction"),
        (
            "UPDATE main.sqlite_master SET sql = ''",
            "DANGER changes SQLite's own tables: UPDATE main.sqlite_master SET sql = ''",
        ),
        (
            "INSERT INTO SQLITE_SCHEMA VALUES (1)",
            "DANGER changes SQLite's own tables: INSERT INTO SQLITE_SCHEMA VALUES (1)",
        ),
        ("CREATE TRIGGER t AFTER INSERT ON busy BEGIN DELETE FROM busy; END", "WARN creates the trigger t on busy"),
    ],
)
def test_what_changes_the_safety_of_an_sqlite_file_is_said(
    tmp_path: Path, sqlite_url: str, sql: str, expected: str
) -> None:
    run_sql(sqlite_url, *BUSY)

    assert _warnings(tmp_path, sqlite_url, f"op.execute({sql!r})") == [expected]


def test_a_pragma_that_reads_or_does_no_harm_is_not_said(tmp_path: Path, sqlite_url: str) -> None:
    run_sql(sqlite_url, *BUSY)
    harmless = (
        "foreign_keys = ON; PRAGMA writable_schema = 0; PRAGMA table_info(busy); PRAGMA synchronous; PRAGMA optimize"
    )

    assert (
        _warnings(tmp_path, sqlite_url, f"op.execute('PRAGMA {harmless}; PRAGMA journal_mode = WAL; DETACH x')") == []
    )


def _warnings(folder: Path, url: str, upgrade: str, downgrade: str = "op.execute('SELECT 1')") -> list[str]:
    project = Project(folder, url)
    project.revision("one", upgrade, downgrade)
    with connect(parse_url(url)) as connection:
        script = ScriptDirectory.from_config(project.config())
        plan = make_plan(connection, script, read_position(connection, script))
    return [f"{warning.level} {warning.what}" for step in plan.steps for warning in step.warnings]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE new (id integer)",
        "CREATE INDEX new ON busy (id)",
        "ALTER TABLE empty ADD x integer",
        "DROP TABLE empty",
    ],
)
def test_a_change_of_tables_in_plain_sql_without_a_way_back_is_said(tmp_path: Path, sqlite_url: str, sql: str) -> None:
    run_sql(sqlite_url, *BUSY)

    assert "WARN has a downgrade() that does nothing" in _warnings(tmp_path, sqlite_url, f"op.execute({sql!r})", "pass")


def test_plain_sql_that_changes_no_table_needs_no_way_back(tmp_path: Path, sqlite_url: str) -> None:
    run_sql(sqlite_url, *BUSY)

    assert _warnings(tmp_path, sqlite_url, "op.execute('INSERT INTO busy (id) VALUES (9)')", "pass") == []
