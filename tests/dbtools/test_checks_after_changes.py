"""Data checks after other steps: a check stops a deployment unless a step before it can repair the counted rows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from click.testing import Result

from tests.dbtools.test_data_checks import checks_of
from tests.dbtools.tools import Project, mostly_long, run_sql

FlaskDb = Callable[..., Result]

ROWS = (
    "CREATE TABLE parents (id integer PRIMARY KEY, code varchar(9))",
    "INSERT INTO parents VALUES (1, 'a')",
    "CREATE TABLE busy (id integer PRIMARY KEY, name varchar(9), kind varchar(9), size integer, parent integer)",
    "INSERT INTO busy VALUES (1, 'a', NULL, 1, 1), (2, 'a', 'k', -1, 2)",
)
# They leave the rows that are counted as they are.
HARMLESS = (
    "op.add_column('busy', sa.Column('extra', sa.Integer()))",
    "op.add_column('busy', sa.Column('given', sa.Integer(), server_default='1'))",
    "with op.batch_alter_table('busy') as batch:\n    batch.alter_column('kind', type_=sa.String(20))",
    "with op.batch_alter_table('busy') as batch:\n    batch.alter_column('kind', server_default='x')",
    "op.create_index('ix', 'busy', ['kind'])",
    "op.execute(\"INSERT INTO busy (id, name, kind) VALUES (3, 'c', 'k')\")",
    "op.bulk_insert(sa.table('busy', sa.column('id'), sa.column('name')), [{'id': 4, 'name': 'd'}])",
    "op.execute(\"UPDATE parents SET code = 'x'\")",
    "op.execute('DELETE FROM parents WHERE id = 99')",
    "op.execute(\"UPDATE busy SET kind = 'x', size = 1 WHERE name = 'none'\")",
    "op.execute(\"DELETE FROM busy WHERE name = 'none'\")",
    """other = sa.table('busy', sa.column('id'), sa.column('extra'))
op.fill_rows(other, other.c.extra.is_(None), lambda row: {'extra': 1}, '')""",
    """busy = sa.table('busy', sa.column('id'), sa.column('kind'), sa.column('name'), sa.column('size'))
op.fill_rows(busy, busy.c.size == 99, lambda row: {'kind': 'x'}, '')""",
    "op.answer_rename('busy', 'extra', 'given', is_rename=True)",
    "op.answer_rename('busy', 'name', 'kind', is_rename=False)",
)
CHECKS = (
    "op.set_not_null('busy', 'kind')",
    "op.create_index('ux', 'busy', ['name'], unique=True)",
    "with op.batch_alter_table('busy') as batch:\n    batch.create_check_constraint('ck', 'size > 0')",
    "with op.batch_alter_table('busy') as batch:\n    batch.create_foreign_key('fk', 'parents', ['parent'], ['id'])",
)
FOUND = [
    "1 row of busy has no value in kind",
    "2 rows of busy share their value of name with another row",
    "1 row of busy breaks the condition size > 0",
    "1 row of busy refers to a row of parents that is not there, in parent",
]


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """Migrations for a schema of PostgreSQL and for an SQLite file with rows that break four rules."""
    run_sql(database_url, *ROWS)
    return Project(tmp_path, database_url)


def test_steps_that_cannot_repair_the_counted_rows_do_not_keep_a_check_from_stopping(project: Project) -> None:
    for number, step in enumerate((*HARMLESS, *CHECKS)):
        project.revision(f"step{number}", step)

    found = [check for check in checks_of(project) if check.count != 0]
    assert [(check.what, check.note) for check in found] == [(what, "") for what in FOUND]
    assert all(check.stops for check in found)


@pytest.mark.parametrize(
    ("before", "repaired"),
    mostly_long(
        [
            ("op.execute('DELETE FROM busy WHERE id > 0')", [0, 1, 2, 3]),
            ("op.execute(\"UPDATE Busy SET KIND = 'x'\")", [0]),
            ("op.execute(\"INSERT INTO parents VALUES (2, 'b')\")", [3]),
            ("op.execute('UPDATE parents SET id = 2')", [3]),
            ("op.execute('DELETE FROM parents WHERE id > 0')", []),
            ("op.bulk_insert(sa.table('parents', sa.column('id')), [{'id': 2}])", [3]),
            ("op.answer_rename('busy', 'name', 'kind', is_rename=True)", [0]),
            ('op.execute("UPDATE busy SET id = 5 WHERE id = 1; UPDATE busy SET size = 1 WHERE id = 5")', [2]),
        ],
        3,
    ),
)
def test_a_step_that_may_repair_the_counted_rows_keeps_only_their_check_from_stopping(
    project: Project, before: str, repaired: list[int]
) -> None:
    project.revision("first", before)
    for number, step in enumerate(CHECKS):
        project.revision(f"check{number}", step)

    found = checks_of(project)

    assert [number for number, check in enumerate(found) if not check.stops] == repaired
    assert all("the step first changes rows" in check.note for check in found if not check.stops)


@pytest.mark.parametrize(
    "hook",
    [
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.kind = 1; RETURN NEW; END'",
            "CREATE TRIGGER t BEFORE UPDATE ON busy FOR EACH ROW EXECUTE FUNCTION f()",
        ),
        ("CREATE TABLE part () INHERITS (busy)", "DROP TABLE parents", "CREATE VIEW parents AS SELECT * FROM busy"),
        ("ALTER TABLE busy ADD g varchar(9) GENERATED ALWAYS AS (code || kind) STORED",),
    ],
)
def test_a_step_that_may_repair_rows_indirectly_keeps_a_check_from_stopping(
    tmp_path: Path, postgres_url: str, hook: tuple[str, ...]
) -> None:
    run_sql(postgres_url, *ROWS, "ALTER TABLE busy ADD code varchar(9)", *hook)
    project = Project(tmp_path, postgres_url)
    table = "parents" if "DROP TABLE parents" in hook else "busy"
    project.revision("first", f"op.execute(\"UPDATE {table} SET code = 'x'\")")
    column = "g" if "ADD g" in hook[0] else "code" if table == "parents" else "kind"
    project.revision("one", f"op.set_not_null('busy', '{column}')")

    assert [check.stops for check in checks_of(project)] == [False]


def test_a_key_that_follows_on_update_keeps_only_the_check_of_its_column_from_stopping(
    tmp_path: Path, postgres_url: str
) -> None:
    run_sql(postgres_url, *ROWS, "DELETE FROM busy WHERE parent = 2")
    run_sql(postgres_url, "ALTER TABLE busy ADD FOREIGN KEY (parent) REFERENCES parents ON UPDATE CASCADE")
    project = Project(tmp_path, postgres_url)
    project.revision("first", "op.execute('UPDATE parents SET id = 2')")
    project.revision("one", "op.create_check_constraint('ck', 'busy', 'parent > 1')")
    project.revision("two", CHECKS[0])

    assert [check.stops for check in checks_of(project)] == [False, True]


def test_a_wider_type_keeps_no_check_from_stopping_and_another_one_does(tmp_path: Path, postgres_url: str) -> None:
    run_sql(postgres_url, *ROWS)
    project = Project(tmp_path, postgres_url)
    alter = "op.execute('ALTER TABLE busy ALTER {} TYPE {}')"
    project.revision("wider", alter.format("size", "bigint"))
    project.revision("one", CHECKS[2])
    project.revision("text", alter.format("kind", "char(20)"))
    project.revision("two", CHECKS[0])
    project.revision("other", alter.format("size", "integer USING abs(size)"))
    project.revision("three", "op.create_check_constraint('ck_2', 'busy', 'size > -1')")

    assert [check.stops for check in checks_of(project) if check.count] == [True, True, False]


COLUMN = "op.add_column('busy', sa.Column('x', sa.Integer()))"
FILL = """busy = sa.table('busy', sa.column('id'), sa.column('{0}'))
op.fill_rows(busy, busy.c.{0}.is_(None), lambda row: {{'{0}': 1}}, '')"""
MARKED = "op.set_not_null('busy', 'x')"


def _mark(path: Path) -> None:
    path.write_text(path.read_text().replace("\n\ndef upgrade", "\nafter_release = True\n\ndef upgrade"))


def test_a_required_column_that_no_step_fills_is_a_danger_of_the_second_phase_only(
    flask_db: FlaskDb, project: Project
) -> None:
    project.revision("start", "pass")
    command.upgrade(project.config(), "start")
    project.revision("column", COLUMN)
    project.revision("fill", FILL.format("size"))
    _mark(project.revision("required", MARKED))

    plan = flask_db(project.url, "plan", project=project)
    finish = flask_db(project.url, "deploy", "--finish", project=project)
    first = flask_db(project.url, "deploy", "--no-backup", project=project)
    second = flask_db(project.url, "deploy", "--finish", "--yes", project=project)

    for run in (plan, finish):
        assert run.exit_code == 1
        assert "   LEFT OUT rows of busy that have no value in x: NOT NULL is refused\n" in run.stdout
        assert "makes the column busy.x, and no step fills it." in run.stdout
        assert "   DANGER refuses rows of busy that have no value in x\n" in run.stdout
    assert "Nothing was changed." in finish.stdout
    assert "Applied 2 steps" in first.stdout, first.output
    assert (second.exit_code, "   FAILS 2 rows of busy have no value in x" in second.stdout) == (1, True)


def test_what_the_plan_itself_fills_or_makes_is_left_out_in_one_line(flask_db: FlaskDb, project: Project) -> None:
    project.revision("column", COLUMN)
    project.revision("fill", FILL.format("x"))
    _mark(project.revision("required", MARKED))
    _mark(project.revision("t", "op.create_table('t', sa.Column('y', sa.Integer()))"))
    _mark(project.revision("u", "op.set_not_null('t', 'y')"))

    plan = flask_db(project.url, "plan", project=project)

    column = "   LEFT OUT rows of busy that have no value in x: the step column makes the column busy.x\n"
    table = "   LEFT OUT rows of t that have no value in y: the step t makes the table t\n"
    assert column in plan.stdout
    assert table in plan.stdout
    assert "Do: " not in plan.stdout


def test_a_query_of_a_requirement_that_is_wrong_is_refused_before_the_backup(
    flask_db: FlaskDb, project: Project, tmp_path: Path
) -> None:
    project.revision("column", COLUMN)
    project.revision("one", "op.require('SELECT * FORM busy', 'No.')")
    project.revision("two", "op.require('SELECT missing FROM busy', 'No.')")
    project.revision("three", "op.require('SELECT * FROM missing', 'No.')")
    project.revision("four", "op.require('SELECT x FROM busy WHERE x > 0', 'No.')")

    found = checks_of(project)
    run = flask_db(project.url, "deploy", "--yes", project=project)

    assert [check.stops for check in found] == [True, True, True, False]
    assert run.exit_code == 1
    assert run.stdout.count("   FAILS the query of op.require is wrong (") == 3
    assert "      Do: Correct it in the file of the step.\n      Query: SELECT * FORM busy\n" in run.stdout
    assert not (tmp_path / "backups").exists()


def test_every_query_of_a_plan_survives_the_error_of_another_one(
    flask_db: FlaskDb, tmp_path: Path, postgres_url: str
) -> None:
    clean = "CREATE FUNCTION clean() RETURNS integer LANGUAGE plpgsql AS 'BEGIN DELETE FROM busy; RETURN 1; END'"
    run_sql(postgres_url, *ROWS, clean)
    project = Project(tmp_path, postgres_url)
    project.revision("one", "op.execute('DELETE FROM busy WHERE clean() > 0')")
    project.revision("two", "op.execute('DELETE FROM parents WHERE 1 / (id - 1) > 0')")
    project.revision("three", "op.alter_column('a.b.c.d', 'x', type_=sa.Integer())\nop.drop_index('a.b.c.d')")
    project.revision("four", "op.execute('SELECT \"a.b\"(1)')\nop.validate_constraint('x', 'a.b.c.d')")
    project.revision("five", "op.require('SELECT id FROM parents WHERE clean() > 0', 'No.')")

    run = flask_db(postgres_url, "plan", project=project)

    assert run.exit_code == 1
    assert "runs DELETE on busy (rows not counted: the database cannot count them)" in run.stdout, run.output
    assert "runs DELETE on parents (rows not counted: the database cannot count them)" in run.stdout
    assert "is not understood: what the function clean does" in run.stdout
    assert "5. upgrade five" in run.stdout
