"""op.create_index_concurrently accepts the index that it would create, and refuses another one of that name."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import make_plan
from tests.dbtools.tools import Project, create_engine, fetch_rows, read_schema, run_sql

TABLE = "CREATE TABLE t (a integer, b text)"
CREATE = "op.create_index_concurrently('ix', "
SAME = [
    "'t', [sa.text('LOWER(b)')], where='(a>0)'",
    "'t', [sa.text('lower( b ) ASC NULLS LAST')], where='a > 0', postgresql_using='btree'",
]
OTHERS = [
    "'t', [sa.text('lower(b)')]",
    "'t', [sa.text('lower(b)')], where='a > 1'",
    "'t', [sa.text('upper(b)')], where='a > 0'",
    "'t', [sa.text('lower(b) DESC')], where='a > 0'",
    "'t', [sa.text('lower(b)')], where='a > 0', unique=True",
    "'t', [sa.text('lower(b)'), 'a'], where='a > 0'",
    "'t', [sa.text('lower(b)')], where='a > 0', postgresql_include=['a']",
    "'t', [sa.text('lower(b)')], where='a > 0', postgresql_using='hash'",
    "'other', [sa.text('lower(b)')], where='a > 0'",
]


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """Migrations of a test, on each database."""
    return Project(tmp_path, database_url)


@pytest.fixture
def postgres_project(tmp_path: Path, postgres_url: str) -> Project:
    """Migrations of a test, on PostgreSQL."""
    return Project(tmp_path, postgres_url)


def _dangers(project: Project) -> list[str]:
    with connect(parse_url(project.url)) as connection:
        script = ScriptDirectory.from_config(project.config())
        return [warning.what for warning in make_plan(connection, script, read_position(connection, script)).dangers]


def test_a_plan_compares_the_whole_index_and_leaves_nothing_behind(tmp_path: Path, postgres_project: Project) -> None:
    url = postgres_project.url
    run_sql(url, TABLE, "CREATE TABLE other (a integer, b text)", "CREATE INDEX ix ON t (lower(b)) WHERE a > 0")
    said = {}
    for options in (*SAME, *OTHERS):
        project = Project(tmp_path, url)
        project.revision("one", f"{CREATE}{options})")
        said[options] = _dangers(project)

    another = "fails: ix exists already, and is another one: CREATE INDEX ix ON public.t USING btree (lower(b)) WHERE "
    assert [options for options in SAME if said[options]] == []
    assert [options for options in OTHERS if said[options] != [f"{another}(a > 0)"]] == []
    assert fetch_rows(url, "SELECT relname FROM pg_class WHERE relname = 'console_index_copy'") == []


def test_another_index_of_the_name_is_refused_in_one_line_and_stays(project: Project) -> None:
    run_sql(project.url, TABLE, "CREATE INDEX ix ON t (a)")
    project.revision("one", f"{CREATE}'t', ['b'])")

    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")

    assert "ix exists already, and is another one: CREATE INDEX ix ON" in str(refusal.value)
    assert "Choose another name, or drop the present one in a step before this one." in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert [found["column_names"] for found in read_schema(project.url)["tables"]["t"]["indexes"]] == [["a"]]


def test_an_index_that_is_the_same_is_kept(project: Project) -> None:
    run_sql(project.url, TABLE, 'CREATE INDEX ix ON t ("a" , b)')
    project.revision("one", f"{CREATE}'t', ['a', 'b'])")

    command.upgrade(project.config(), "head")

    assert [found["column_names"] for found in read_schema(project.url)["tables"]["t"]["indexes"]] == [["a", "b"]]


def test_an_invalid_index_of_another_table_is_not_dropped(postgres_project: Project) -> None:
    run_sql(postgres_project.url, TABLE, "CREATE TABLE other (b text)", "INSERT INTO other VALUES ('b'), ('b')")
    engine = create_engine(postgres_project.url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.exec_driver_sql("CREATE UNIQUE INDEX CONCURRENTLY ix ON other (b)")
    postgres_project.revision("one", f"{CREATE}'t', ['b'])")

    with pytest.raises(CommandError, match="ix exists already, and is another one: CREATE UNIQUE INDEX ix ON"):
        command.upgrade(postgres_project.config(), "head")
