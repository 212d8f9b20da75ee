"""Rows that the release before wrote after a fill: `flask db deploy --finish` fills them before the marked steps."""

import json
from pathlib import Path

import pytest
from alembic import command

from agents_app.dbtools.records.steps import LAST_OF_FIRST_RELEASE
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import HEAD
from tests.dbtools.tools import Project, console_config, fetch_rows, revision_before, run_sql

ADD = "op.add_column('t', sa.Column('b', sa.Integer()))"
DROP = "with op.batch_alter_table('t') as batch:\n    batch.drop_column('b')"
FILL = """
rows = sa.table('t', sa.column('id', sa.Integer()), sa.column('b', sa.Integer()))
op.fill_rows(rows, rows.c.b.is_(None), lambda row: {'b': row.id * 10}, '')
"""
RENAME = "op.answer_rename('t', 'a', 'b', is_rename=True)"
FILL_TABLE = """
def fill(connection):
    return connection.execute(sa.text('UPDATE t SET b = id * 10 WHERE b IS NULL')).rowcount
op.fill_table('t', fill, 'UPDATE t SET b = id * 10 WHERE b IS NULL')
"""
NOT_NULL = "op.set_not_null('t', 'b')"
NULLABLE = "with op.batch_alter_table('t') as batch:\n    batch.alter_column('b', nullable=True)"
ROWS = "SELECT id, b FROM t ORDER BY id"


def kept(flask_db: FlaskDb, project: Project) -> list[tuple[str, str, list[tuple[str, str, int | None]]]]:
    """The deployments of a database, newest first: the command, the outcome, and the steps with the filled rows."""
    found = json.loads(flask_db(project.url, "deployments", "--json").stdout)["deployments"]
    return [
        (
            one["command"],
            one["outcome"],
            [(step["direction"], step["name"], step["filled_rows"]) for step in one["steps"]],
        )
        for one in found
    ]


@pytest.fixture
def project(tmp_path: Path, schema_url: str) -> Project:
    """A table with a row, after the migrations of the console."""
    run_sql(schema_url, "CREATE TABLE t (id integer PRIMARY KEY, a integer)", "INSERT INTO t VALUES (1, 10)")
    run_sql(schema_url, "DELETE FROM applied_steps")
    project = Project(tmp_path, schema_url)
    project.revision(HEAD, "pass")
    project.revision("add", ADD, DROP)
    return project


@pytest.mark.parametrize(
    "fill", [FILL, pytest.param(RENAME, marks=pytest.mark.long)], ids=["fill_rows", "answer_rename"]
)
def test_finish_fills_rows_of_the_release_before_and_then_applies_the_marked_steps(
    project: Project, flask_db: FlaskDb, fill: str
) -> None:
    project.revision("fill", fill)
    marked = project.revision("not_null", NOT_NULL, NULLABLE)
    marked.write_text(marked.read_text() + "\nafter_release = True\n")
    first = flask_db(project.url, "deploy", "--no-backup", project=project)
    assert (first.exit_code, fetch_rows(project.url, ROWS)) == (0, [(1, 10)]), first.output
    run_sql(project.url, "INSERT INTO t (id, a) VALUES (2, 20), (3, 30)")

    status = json.loads(flask_db(project.url, "status", "--json", project=project).stdout)
    assert status["unfilled"] == [{"step": "fill", "table": "t", "rows": 2}]
    assert (
        "2 rows of t (fill), which flask db deploy --finish fills"
        in flask_db(project.url, "status", project=project).output
    )

    run = flask_db(project.url, "deploy", "--finish", "--no-backup", project=project)
    assert (run.exit_code, "Filled 2 rows" in run.output) == (0, True), run.output
    assert fetch_rows(project.url, ROWS) == [(1, 10), (2, 20), (3, 30)]
    assert json.loads(flask_db(project.url, "status", "--json", project=project).stdout)["unfilled"] == []
    refilled = fetch_rows(project.url, "SELECT revision FROM applied_steps WHERE is_refilled")
    assert refilled == [("fill",)]
    assert kept(flask_db, project)[:2] == [
        ("deploy --finish", "done", [("fill", "fill", 2), ("upgrade", "not_null", None)]),
        ("deploy", "done", [("upgrade", "add", None), ("upgrade", "fill", 1)]),
    ]


def test_a_fill_by_code_of_its_own_runs_again_too(project: Project, flask_db: FlaskDb) -> None:
    project.revision("fill", FILL_TABLE)
    assert "   touches t " in flask_db(project.url, "plan", project=project).output
    assert flask_db(project.url, "deploy", "--no-backup", project=project).exit_code == 0
    run_sql(project.url, "INSERT INTO t (id) VALUES (2)")

    status = flask_db(project.url, "status", project=project).output
    assert "an unknown number of rows of t (fill), which flask db deploy --finish fills" in status
    run = flask_db(project.url, "deploy", "--finish", "--no-backup", project=project)
    assert (run.exit_code, "Filled 1 row" in run.output, fetch_rows(project.url, ROWS)) == (0, True, [(1, 10), (2, 20)])
    assert kept(flask_db, project)[:2] == [
        ("deploy --finish", "done", [("fill", "fill", 1)]),
        ("deploy", "done", [("upgrade", "add", None), ("upgrade", "fill", 1)]),
    ]


def test_fills_of_a_run_that_was_interrupted_before_the_first_record_run_again(
    database_url: str, flask_db: FlaskDb
) -> None:
    for revision in (LAST_OF_FIRST_RELEASE, revision_before("add_agent_facts")):
        command.upgrade(console_config(database_url), revision)

    run = flask_db(database_url, "deploy", "--no-backup", "--json")

    fills = ["fold_agent_search_text", "fill_agent_attention_columns", "fill_runtime_reads", "fill_agent_version_doors"]
    assert (run.exit_code, json.loads(run.stdout)["refills"]) == (0, fills)
    assert flask_db(database_url, "deploy", "--finish", "--no-backup").exit_code == 0
    assert json.loads(flask_db(database_url, "status", "--json").stdout)["unfilled"] == []


def test_without_marked_steps_finish_fills_once(project: Project, flask_db: FlaskDb) -> None:
    project.revision("fill", FILL)
    first = flask_db(project.url, "deploy", "--no-backup", project=project)
    assert (first.exit_code, "no values of fill. When no process" in first.output) == (0, True), first.output
    again = flask_db(project.url, "deploy", project=project)
    assert "Nothing to do." in again.output
    assert "no values of fill. When no process" in again.output
    assert json.loads(flask_db(project.url, "deploy", "--json", project=project).stdout)["refills"] == ["fill"]
    run_sql(project.url, "INSERT INTO t (id) VALUES (2)")

    run = flask_db(project.url, "deploy", "--finish", "--no-backup", project=project)
    assert (run.exit_code, "Filled 1 row" in run.output, "no values" in run.output) == (0, True, False)
    assert "Ran 1 fill again in" in run.output
    assert "-> fill, 1 fill again in" in flask_db(project.url, "deployments", "--last", "1").output
    run_sql(project.url, "INSERT INTO t (id) VALUES (3)")
    assert "Nothing to do." in flask_db(project.url, "deploy", "--finish", "--no-backup", project=project).output
    assert fetch_rows(project.url, ROWS) == [(1, 10), (2, 20), (3, None)]
    assert kept(flask_db, project)[0] == ("deploy --finish", "done", [("fill", "fill", 1)])


def test_a_second_pass_of_a_rename_leaves_defaults_and_says_that_nothing_shows_who_left_a_row_empty(
    project: Project, flask_db: FlaskDb
) -> None:
    project.revision("more", "op.add_column('t', sa.Column('c', sa.Integer(), server_default='7'))")
    project.revision("rename", RENAME)
    project.revision("rename_c", RENAME.replace("'b'", "'c'"))
    first = flask_db(project.url, "deploy", "--no-backup", project=project)
    assert (first.exit_code, fetch_rows(project.url, "SELECT b, c FROM t")) == (0, [(10, 10)]), first.output
    # The new release: it clears one value, and sets the other one to its default.
    run_sql(project.url, "UPDATE t SET b = NULL, c = 7")

    status = flask_db(project.url, "status", project=project)
    finish = flask_db(project.url, "deploy", "--finish", "--no-backup", project=project)

    assert "1 row of t (rename), which flask db deploy --finish fills. The release before wrote them" in status.output
    assert "or this release cleared the value" in status.output
    assert "Undecided  1 row of t (rename_c): c has its default, and a another value." in status.output
    assert "Filled 1 row without a value. The release before wrote them after the fill, or this" in finish.output
    assert fetch_rows(project.url, "SELECT b, c FROM t") == [(10, 7)]


def test_a_rename_to_a_column_whose_default_is_a_function_copies_each_value(tmp_path: Path, postgres_url: str) -> None:
    run_sql(
        postgres_url, "CREATE TABLE t (id integer PRIMARY KEY, a timestamp)", "INSERT INTO t VALUES (1, '2001-02-03')"
    )
    project = Project(tmp_path, postgres_url)
    project.revision("add", "op.add_column('t', sa.Column('b', sa.DateTime(), server_default=sa.text('now()')))")
    project.revision("rename", RENAME)

    command.upgrade(project.config(), "head")

    assert fetch_rows(postgres_url, "SELECT count(*) FROM t WHERE a = b") == [(1,)]


def test_a_finish_with_steps_before_and_after_its_fills_is_one_deployment(project: Project, flask_db: FlaskDb) -> None:
    project.revision("fill", FILL)
    marked = project.revision("not_null", NOT_NULL, NULLABLE)
    marked.write_text(marked.read_text() + "\nafter_release = True\n")

    run = flask_db(
        project.url, "deploy", "--finish", "--lock-timeout", "0.5", "--batch-size", "7", "--no-backup", project=project
    )

    assert run.exit_code == 0, run.output
    assert kept(flask_db, project)[0] == (
        "deploy --finish",
        "done",
        [
            ("upgrade", "add", None),
            ("upgrade", "fill", 1),
            ("fill", "fill", None),
            ("upgrade", "not_null", None),
        ],
    )
    newest = json.loads(flask_db(project.url, "deployments", "--json").stdout)["deployments"][0]
    assert (newest["from_revision"], newest["to_revision"]) == (HEAD, "not_null")
    limits = {"lock_timeout": 0.5, "batch_size": 7}
    assert newest["limits"] == (
        {"statement_timeout": 60, **limits, "tries": 15} if "postgres" in project.url else limits
    )
    assert "lock timeout 0.5 s" in flask_db(project.url, "deployments", newest["id"]).output


@pytest.mark.long
def test_after_a_marked_step_that_failed_finish_fills_again(project: Project, flask_db: FlaskDb) -> None:
    project.revision("fill", FILL)
    marked = project.revision("broken", "op.execute('INSERT INTO t VALUES (1)')")
    text = marked.read_text()
    marked.write_text(text + "\nafter_release = True\n")
    assert flask_db(project.url, "deploy", "--no-backup", project=project).exit_code == 0
    run_sql(project.url, "INSERT INTO t (id) VALUES (2)")

    assert flask_db(project.url, "deploy", "--finish", "--no-backup", project=project).exit_code == 1
    steps = [("fill", "fill", 1), ("upgrade", "broken", None)]
    assert kept(flask_db, project)[0] == ("deploy --finish", "failed", steps)
    run_sql(project.url, "INSERT INTO t (id) VALUES (3)")
    marked.write_text(text.replace("INSERT INTO t VALUES (1)", "SELECT 1") + "\nafter_release = True\n")
    assert flask_db(project.url, "deploy", "--finish", "--no-backup", project=project).exit_code == 0
    assert fetch_rows(project.url, ROWS) == [(1, 10), (2, 20), (3, 30)]


def test_the_fills_of_an_empty_database_do_not_run_again(schema_url: str) -> None:
    assert fetch_rows(schema_url, "SELECT count(*) FROM applied_steps WHERE NOT is_refilled") == [(0,)]


@pytest.mark.long
def test_a_marked_step_of_another_branch_does_not_end_the_wait_for_a_fill(project: Project, flask_db: FlaskDb) -> None:
    marked = project.revision("marked", "pass")
    marked.write_text(marked.read_text() + "\nafter_release = True\n")
    fill = project.revision("fill", FILL)
    assert flask_db(project.url, "upgrade", "marked", project=project).exit_code == 0
    fill.write_text(fill.read_text().replace("down_revision = 'marked'", "down_revision = 'add'"))
    assert flask_db(project.url, "merge", "heads", "-m", "join", project=project).exit_code == 0
    assert flask_db(project.url, "deploy", "--no-backup", project=project).exit_code == 0
    run_sql(project.url, "INSERT INTO t (id) VALUES (2)")

    assert "Filled 1 row" in flask_db(project.url, "deploy", "--finish", "--no-backup", project=project).output
    assert fetch_rows(project.url, ROWS) == [(1, 10), (2, 20)]
