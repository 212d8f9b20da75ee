"""What a plan says of its steps. The warnings are in `test_rules.py`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import Plan, make_plan
from agents_app.dbtools.review.warnings import StepWarning
from tests import postgres
from tests.dbtools.tools import Project, run_sql

BUSY = (
    "CREATE TABLE busy (id integer PRIMARY KEY, name varchar(50), kind varchar(9))",
    "INSERT INTO busy VALUES (1, 'a', 'b')",
    "CREATE TABLE parents (id integer PRIMARY KEY)",
    "CREATE TABLE empty (id integer PRIMARY KEY, name varchar(50))",
)


@pytest.fixture(scope="module")
def busy_url(postgres_server: str) -> Iterator[str]:
    """A PostgreSQL database with a table with rows and an empty one. Plans do not change it."""
    with postgres.database(postgres_server) as url:
        run_sql(url, *BUSY)
        yield url


@pytest.fixture
def project(tmp_path: Path, busy_url: str) -> Project:
    """Migrations for this database."""
    return Project(tmp_path, busy_url)


def _plan(project: Project, target: str = "head") -> Plan:
    url = parse_url(project.url)
    with connect(url) as connection:
        script = ScriptDirectory.from_config(project.config())
        return make_plan(connection, script, read_position(connection, script), target)


def _warnings(project: Project) -> list[StepWarning]:
    return [warning for step in _plan(project).steps for warning in step.warnings]


def test_a_table_that_an_earlier_step_creates_gets_no_warning(project: Project) -> None:
    project.revision("one", "op.create_table('new', sa.Column('id', sa.Integer()))", "op.drop_table('new')")
    project.revision("two", "op.create_index('ix', 'new', ['id'])\nop.drop_table('new')", "op.execute('SELECT 1')")

    assert _warnings(project) == []


def test_a_warning_says_why_and_shows_the_safe_form(project: Project) -> None:
    project.revision("one", "op.create_index('ix', 'busy', ['name'])", "op.drop_index('ix')")

    (warning,) = _warnings(project)

    assert warning.table == "busy"
    assert "No one can write" in warning.why
    assert "op.create_index_concurrently('ix', 'busy', ['name'])" in warning.instead


def test_a_plan_shows_the_rows_and_the_size_of_each_table(project: Project) -> None:
    project.revision("one", "op.execute('UPDATE busy SET name = NULL WHERE id = 1')\nop.drop_table('empty')")

    (step,) = _plan(project).steps

    assert [(table.name, table.rows) for table in step.tables] == [("busy", 1), ("empty", 0)]
    assert all(table.bytes for table in step.tables)


def test_a_downgrade_can_be_planned(tmp_path: Path, sqlite_url: str) -> None:
    project = Project(tmp_path, sqlite_url)
    project.revision("one", "pass", "op.drop_table('one')")
    project.revision("two", "pass", "op.drop_table('two')")
    run_sql(sqlite_url, "CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('two')")

    assert [step.revision for step in _plan(project, "-1").steps] == ["two"]
    assert [step.revision for step in _plan(project, "base").steps] == ["two", "one"]
    assert [step.direction for step in _plan(project, "one").steps] == ["downgrade"]
    assert _plan(project).steps == ()
    assert _plan(project, "-1").target == "one"


@pytest.mark.parametrize(
    ("target", "expected"), [("+3", "not that many steps"), ("nonsense", "nonsense"), ("", "is empty")]
)
def test_an_unknown_revision_is_refused(project: Project, target: str, expected: str) -> None:
    project.revision("one", "pass")

    with pytest.raises(CommandError, match=expected):
        _plan(project, target)


def test_the_size_of_a_table_has_that_of_its_partitions(tmp_path: Path, postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE parts (id integer) PARTITION BY RANGE (id)",
        "CREATE TABLE rest PARTITION OF parts DEFAULT",
        "INSERT INTO parts VALUES (1), (2)",
    )
    project = Project(tmp_path, postgres_url)
    project.revision("one", "op.create_index('ix', 'parts', ['id'])", "op.drop_index('ix')")

    (size,) = _plan(project).steps[0].tables

    assert (size.rows, bool(size.bytes)) == (2, True)
