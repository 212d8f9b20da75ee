"""`flask db plan` shows a DANGER for NOT NULL on a column while the release before may still leave it empty."""

from pathlib import Path

import pytest
from alembic import command

from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import Project, run_sql

ADD = "op.add_column('t', sa.Column('a', sa.Integer()))"
ADD_WITH_DEFAULT = "op.add_column('t', sa.Column('a', sa.Integer(), server_default='1'))"
DROP = "with op.batch_alter_table('t') as batch:\n    batch.drop_column('a')"
IN_BATCH = "with op.batch_alter_table('t') as batch:\n    batch.alter_column('a', nullable=False)"
SET_BY_SQL = "op.execute('ALTER TABLE t ALTER COLUMN a SET NOT NULL')"
DANGER_LATER = "DANGER sets NOT NULL on t.a, which has no default"
DANGER = "DANGER sets NOT NULL on the new column t.a"


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """Migrations for a database with a table that has rows, on both databases."""
    run_sql(database_url, "CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    return Project(tmp_path, database_url)


@pytest.mark.parametrize("not_null", ["op.set_not_null('t', 'a')", IN_BATCH])
def test_not_null_is_a_danger_until_its_step_is_marked(project: Project, flask_db: FlaskDb, not_null: str) -> None:
    project.revision("one", ADD, DROP)
    step = project.revision("two", not_null)

    assert DANGER in flask_db(project.url, "plan", project=project).output

    # The plan cannot know whether the release before always writes the column.
    command.upgrade(project.config(), "one")
    assert DANGER_LATER in flask_db(project.url, "plan", project=project).output

    step.write_text(step.read_text() + "\nafter_release = True\n")
    assert "DANGER" not in flask_db(project.url, "plan", project=project).output


def test_not_null_in_the_step_that_adds_the_column_is_a_danger(project: Project, flask_db: FlaskDb) -> None:
    project.revision("one", f"{ADD}\n{IN_BATCH}", DROP)

    assert DANGER in flask_db(project.url, "plan", project=project).output


def test_not_null_on_a_column_with_a_default_is_no_danger(project: Project, flask_db: FlaskDb) -> None:
    project.revision("one", ADD_WITH_DEFAULT, DROP)
    project.revision("two", "op.set_not_null('t', 'a')")

    assert "DANGER" not in flask_db(project.url, "plan", project=project).output


@pytest.mark.parametrize(
    ("add", "not_null"),
    [
        (ADD, SET_BY_SQL),
        ("op.execute('ALTER TABLE t ADD COLUMN a integer')", SET_BY_SQL),
        ("op.execute('ALTER TABLE t ADD COLUMN a integer')", "op.set_not_null('t', 'a')"),
    ],
)
def test_not_null_in_plain_sql_is_a_danger(
    tmp_path: Path, postgres_url: str, flask_db: FlaskDb, add: str, not_null: str
) -> None:
    run_sql(postgres_url, "CREATE TABLE t (id integer PRIMARY KEY)")
    project = Project(tmp_path, postgres_url)
    project.revision("one", add, DROP)
    project.revision("two", not_null)

    assert DANGER in flask_db(postgres_url, "plan", project=project).output


def test_not_null_on_a_column_with_a_default_in_plain_sql_is_no_danger(
    tmp_path: Path, postgres_url: str, flask_db: FlaskDb
) -> None:
    run_sql(postgres_url, "CREATE TABLE t (id integer PRIMARY KEY)")
    project = Project(tmp_path, postgres_url)
    project.revision("one", "op.execute('ALTER TABLE t ADD COLUMN a integer DEFAULT 1')", DROP)
    project.revision("two", SET_BY_SQL)

    assert "DANGER" not in flask_db(postgres_url, "plan", project=project).output
