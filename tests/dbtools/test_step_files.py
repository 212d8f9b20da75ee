"""What `flask db deploy` can know of the files of steps stops it before the backup, with one line."""

from pathlib import Path

import pytest

from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import project_with_step
from tests.dbtools.tools import fetch_rows, run_sql

RENAME = "op.answer_rename('t', 'a', 'b', is_rename=is_rename)"
NEVER = (("deploy",), ("deploy", "--yes"), ("deploy", "--dry-run"), ("deploy", "--json"), ("upgrade",))
NO_FILE = (("plan",), ("status",), ("check",), ("history",), ("heads",), ("rehearse",), ("migrate", "-m", "x"))


def revision_of(url: str) -> str:
    """The revision of the database."""
    return str(fetch_rows(url, "SELECT version_num FROM alembic_version")[0][0])


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("op.execute('SELECT 1'", 11, "is not valid Python"),
        ("pass\n\n\nraise ValueError('at import')", 14, "cannot be loaded: ValueError: at import."),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_line_at_every_command(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path, text: str, line: int, what: str
) -> None:
    before = revision_of(schema_url)
    project = project_with_step(tmp_path, schema_url, "pass")
    file = project.versions / "next.py"
    file.write_text(file.read_text().replace("def upgrade():\n    pass", f"def upgrade():\n    {text}"))

    for words in (*NEVER, *NO_FILE):
        run = flask_db(schema_url, *words, project=project)
        assert run.exit_code == 1, words
        assert len(run.stderr.splitlines()) == 1, (words, run.output)
        assert run.stderr.startswith(f"Error: next.py, line {line}, {what}"), (words, run.output)
    assert revision_of(schema_url) == before
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize(
    ("step", "refusal"),
    [
        (f"{RENAME}\n\n\nis_rename = '?'", "next asks whether a column was renamed."),
        ("op.require('SELECT 1')", "next.py: op.require needs a query"),
        ("op.allow_danger(' ')", "next.py: op.allow_danger needs a reason"),
    ],
)
def test_what_no_option_can_allow_is_refused_before_the_backup(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path, step: str, refusal: str
) -> None:
    before = revision_of(schema_url)
    run_sql(schema_url, "CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer)")
    project = project_with_step(tmp_path, schema_url, step.partition("\n\n\n")[0])
    file = project.versions / "next.py"
    file.write_text(f"{file.read_text()}\n{step.partition(chr(10) * 3)[2]}\n")

    for words in NEVER:
        run = flask_db(schema_url, *words, project=project)
        assert run.exit_code == 1, words
        assert (refusal.rpartition(": ")[2] in run.output) if words == ("upgrade",) else (refusal in run.output), words
        assert "--yes" not in run.output
    assert revision_of(schema_url) == before
    assert not (tmp_path / "backups").exists()


def test_a_step_that_raises_an_error_by_itself_stops_a_deployment(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path
) -> None:
    project = project_with_step(tmp_path, schema_url, "raise ValueError('not ready')")

    for words in (("deploy",), ("deploy", "--dry-run"), ("plan",)):
        run = flask_db(schema_url, *words, project=project)
        assert run.exit_code == 1, words
        assert "DANGER raises ValueError: not ready" in run.output
        assert "--yes" not in run.output
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize(
    "step",
    ["op.get_bind().begin_nested()", "sa.inspect(op.get_bind()).has_table('t')", "op.get_context().connection.x"],
)
def test_a_step_that_asks_the_database_is_no_danger(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path, step: str
) -> None:
    run = flask_db(schema_url, "plan", project=project_with_step(tmp_path, schema_url, step))

    assert (run.exit_code, "WARN can only be partly reviewed" in run.output) == (0, True), run.output
