"""`flask db revision --before`: an empty step between two that are pending."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import HEAD
from tests.dbtools.tools import Project, fetch_rows, run_sql

MARK = "\nafter_release = True\n"
FILL = """
    rows = sa.table("t", sa.column("id", sa.Integer()), sa.column("b", sa.Text()))
    op.fill_rows(rows, rows.c.b.is_(None), lambda row: {"b": f"no. {row.id}"}, "")
"""


def order(project: Project) -> list[str]:
    """The names of the steps, as they are applied."""
    return [step.doc for step in ScriptDirectory(str(project.folder)).walk_revisions()][::-1]


def texts(project: Project) -> dict[str, str]:
    """The files."""
    return {file.name: file.read_text() for file in project.versions.glob("*.py")}


@pytest.fixture
def project(tmp_path: Path, schema_url: str) -> Project:
    """A table with rows, after the migrations of the console."""
    run_sql(schema_url, "CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    run_sql(schema_url, "DELETE FROM applied_steps")
    project = Project(tmp_path, schema_url)
    project.revision(HEAD, "pass")
    return project


def test_without_a_single_pending_step_no_file_is_written(project: Project, flask_db: FlaskDb) -> None:
    project.revision("one", "pass")
    two = project.revision("two", "pass")
    two.write_text(two.read_text().replace("down_revision = 'one'", "down_revision = ('one', 'side')"))
    side = (project.versions / "one.py").read_text().replace("'one'", "'side'").replace('"one"', '"side"')
    (project.versions / "side.py").write_text(side)
    before = texts(project)

    for words, refusal in (
        (("-m", "new", "--before", HEAD), f"The step {HEAD} is applied here."),
        (("-m", "new", "--before", "two"), "The step two joins several steps"),
        (("-m", "new", "--before", "nowhere"), "nowhere"),
        (("--before", "one"), "--before goes with -m"),
        (("-m", "new", "--before", "one", "--autogenerate"), "--before goes with -m"),
        (("-m", "new", "--before", "one", "--head", "two"), "--before goes with -m"),
    ):
        run = flask_db(project.url, "revision", *words, project=project)
        assert (run.exit_code > 0, refusal in run.output) == (True, True), run.output
        assert texts(project) == before


@pytest.mark.parametrize("line", ["down_revision = 'one'", 'down_revision: str | None = "one"  # one', ""])
def test_one_line_of_the_next_file_is_changed(project: Project, flask_db: FlaskDb, line: str) -> None:
    project.revision("one", "pass")
    two = project.revision("two", "pass")
    text = two.read_text().replace("down_revision = 'one'", line or "down_revision = 'o' + 'ne'").replace("\n", "\r\n")
    two.write_bytes(text.encode())

    run = flask_db(project.url, "revision", "-m", "new", "--rev-id", "abc", "--before", "two", project=project)

    if not line:
        assert (run.exit_code, "two.py has no line such as down_revision" in run.output) == (1, True)
        assert two.read_bytes().decode() == text
        return
    assert run.exit_code == 0, run.output
    assert two.read_bytes().decode() == text.replace(line, line.replace("'one'", "'abc'").replace('"one"', '"abc"'))
    assert order(project)[-3:] == ["one", "new", "two"]
    command.upgrade(project.config(), "head")


def test_before_a_marked_step_the_new_one_comes_before_the_whole_block(project: Project, flask_db: FlaskDb) -> None:
    project.revision("one", "pass")
    for name in ("two", "three"):
        file = project.revision(name, "pass")
        file.write_text(file.read_text() + MARK)

    run = flask_db(project.url, "revision", "-m", "new", "--before", "three", project=project)

    assert (run.exit_code, "is applied before two.py" in run.output) == (0, True), run.output
    assert order(project)[-4:] == ["one", "new", "two", "three"]
    for words in ((), ("--finish",)):
        run = flask_db(project.url, "deploy", "--no-backup", *words, project=project)
        assert run.exit_code == 0, run.output


def test_the_remedy_for_a_missing_fill_works_as_it_is_printed(project: Project, flask_db: FlaskDb) -> None:
    sa.Table(
        "t",
        project.metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("b", sa.Text(), nullable=False),
    )
    for table in ("users", "accounts"):
        assert table not in project.metadata.tables
    run = flask_db(project.url, "migrate", "-m", "add_b", project=project)
    assert run.exit_code == 0, run.output
    marked = next(file for file in project.versions.glob("*not_null_t_b.py"))
    remedy = f"flask db revision -m fill_t_b --before {marked.name[:12]}"

    assert f"# {remedy}\n" in marked.read_text()
    flask_db(project.url, "upgrade", project=project)
    assert remedy in flask_db(project.url, "upgrade", project=project).output
    assert remedy in " ".join(flask_db(project.url, "plan", project=project).output.split())
    run = flask_db(project.url, *remedy.split()[2:], project=project)
    assert run.exit_code == 0, run.output
    (fill,) = project.versions.glob("*fill_t_b.py")
    fill.write_text(fill.read_text().replace("def upgrade() -> None:\n    pass\n", f"def upgrade() -> None:{FILL}"))

    for words in ((), ("--finish",)):
        run = flask_db(project.url, "deploy", "--no-backup", *words, project=project)
        assert run.exit_code == 0, run.output
    assert fetch_rows(project.url, "SELECT b FROM t ORDER BY id") == [("no. 1",), ("no. 2",)]
    command.check(project.config())
