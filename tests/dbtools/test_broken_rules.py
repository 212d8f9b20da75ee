"""A step that fails because rows break its rule says so, and which: without the values of the rows."""

from pathlib import Path

import pytest

from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import run_before_statement
from tests.dbtools.tools import Project, run_sql

SAME = "Rows of t have the same values in a, b."
FAILED = "failed, and nothing of it remains."
LIST = "To list them: flask db plan. Correct them, then run the same command again."


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """A table with two equal rows."""
    run_sql(
        database_url,
        "CREATE TABLE t (id integer PRIMARY KEY, a integer, b text, c integer)",
        "INSERT INTO t VALUES (1, 1, 'secret', 1), (2, 1, 'secret', NULL)",
    )
    return Project(tmp_path, database_url)


@pytest.mark.parametrize(
    "step",
    [
        "op.add_unique_constraint('uq_t_a', 't', ['a', 'b'])",
        "op.create_index_concurrently('uq_t_a', 't', ['a', 'b'], unique=True)",
        "op.create_index('uq_t_a', 't', ['a', 'b'], unique=True)",
        "with op.batch_alter_table('t') as batch:\n    batch.create_unique_constraint('uq_t_a', ['a', 'b'])",
    ],
)
def test_equal_rows_are_named_by_their_columns(project: Project, flask_db: FlaskDb, step: str) -> None:
    project.revision("one", step)

    run = flask_db(project.url, "upgrade", project=project)

    assert run.exit_code == 1
    assert f"{SAME} {LIST}" in run.output
    assert "interrupted" not in run.output
    assert "secret" not in run.output
    assert FAILED in run.output or "was undone" in run.output
    run_sql(project.url, "DELETE FROM t WHERE id = 2")
    assert flask_db(project.url, "upgrade", project=project).exit_code == 0


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("CONSTRAINT ck_t_c CHECK (c > 1)", "Rows of t break the rule ck_t_c."),
        ("CONSTRAINT ck_t_c FOREIGN KEY (c) REFERENCES other (id)", "Rows of t break the rule ck_t_c."),
    ],
)
def test_a_rule_that_is_validated_names_what_breaks_it(
    tmp_path: Path, postgres_url: str, flask_db: FlaskDb, rule: str, what: str
) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE other (id integer PRIMARY KEY)",
        "CREATE TABLE t (id integer, c integer)",
        "INSERT INTO t VALUES (1, 1)",
        f"ALTER TABLE t ADD {rule} NOT VALID",
    )
    project = Project(tmp_path, postgres_url)
    project.revision("one", "op.validate_constraint('ck_t_c', 't')")

    run = flask_db(postgres_url, "upgrade", project=project)

    assert run.exit_code == 1
    assert f"{what} {LIST} The step upgrade  -> one, one {FAILED}" in run.output


def test_a_row_that_comes_while_not_null_is_checked_fails_the_step(
    tmp_path: Path, postgres_url: str, flask_db: FlaskDb
) -> None:
    run_sql(postgres_url, "CREATE TABLE t (c integer)")
    project = Project(tmp_path, postgres_url)
    project.revision("one", "op.set_not_null('t', 'c')")

    with run_before_statement(
        "DROP CONSTRAINT IF EXISTS", lambda: run_sql(postgres_url, "INSERT INTO t VALUES (NULL)")
    ):
        run = flask_db(postgres_url, "upgrade", project=project)

    assert run.exit_code == 1
    assert f"Rows of t have no value in c. {LIST}" in run.output
    assert FAILED in run.output
