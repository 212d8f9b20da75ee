"""Which steps were applied when, by whom and how: kept by every command, also after `kill -9`."""

import getpass
import json
import os
from io import StringIO
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.backup.backups import create_backup
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.records.checksums import file_checksum
from agents_app.dbtools.records.history import KeptDeployment, Measured, Speed, measured_speed, read_deployments
from agents_app.dbtools.records.tables import TABLES
from agents_app.models import AppliedStep, Deployment, DeploymentStep
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import HEAD, project_with_step
from tests.dbtools.tools import Project, console_config, fetch_rows, head_revision, revision_before, run_psql, run_sql

RECORDS = revision_before("add_deployments")

TWO_ROWS = ("CREATE TABLE kept (id integer PRIMARY KEY, name text)", "INSERT INTO kept (id) VALUES (1), (2)")


def kept(url: str) -> list[KeptDeployment]:
    """The deployments of a database, newest first."""
    with connect(parse_url(url)) as connection:
        found = read_deployments(connection, 50)
    assert found is not None
    return found


def in_killed_process(project: Project) -> None:
    """Upgrade in a process whose step kills it."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        command.upgrade(project.config(), "head")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9


@pytest.mark.parametrize("model", [Deployment, DeploymentStep, AppliedStep])
def test_the_tables_of_the_tool_are_those_of_the_models(model: type) -> None:
    (table,) = [table for table in TABLES if table.name == model.__tablename__]  # type: ignore[attr-defined]

    assert list(table.columns.keys()) == list(model.__table__.columns.keys())  # type: ignore[attr-defined]


def test_a_database_without_the_tables_keeps_nothing_and_says_so(flask_db: FlaskDb, database_url: str) -> None:
    command.upgrade(console_config(database_url), RECORDS)

    run = flask_db(database_url, "deployments")

    assert run.output.startswith("This database does not keep deployments yet.")
    assert json.loads(flask_db(database_url, "deployments", "--json").stdout) == {"is_kept": False, "deployments": []}
    assert flask_db(database_url, "deployments", "abc").exit_code == 1


def test_tables_of_another_program_with_these_names_stay_as_they_are(database_url: str) -> None:
    command.upgrade(console_config(database_url), RECORDS)
    run_sql(
        database_url, "CREATE TABLE deployments (id integer, outcome text)", "INSERT INTO deployments VALUES (1, '')"
    )
    with pytest.raises(CommandError, match="Tables of another program"):
        command.upgrade(console_config(database_url), "head")

    command.downgrade(console_config(database_url), "-1")

    assert fetch_rows(database_url, "SELECT * FROM deployments") == [(1, "")]


def test_the_run_that_creates_the_tables_is_kept_with_every_step_before_them(database_url: str) -> None:
    command.upgrade(console_config(database_url), "head")

    (one,) = kept(database_url)
    assert (one.command, one.from_revision, one.to_revision, one.outcome) == ("upgrade", None, head_revision(), "done")
    assert (one.os_user, one.done_count) == (getpass.getuser(), len(one.steps))
    assert {step.revision for step in one.steps} == {
        row[0] for row in fetch_rows(database_url, "SELECT revision FROM applied_steps")
    }


@pytest.mark.long
def test_after_the_tables_went_and_came_back_the_saved_rows_can_be_restored(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path
) -> None:
    command.stamp(console_config(schema_url), head_revision())
    before = [one.id for one in kept(schema_url)]
    assert flask_db(schema_url, "downgrade", "base").exit_code == 0
    assert flask_db(schema_url, "upgrade").exit_code == 0
    assert [one.command for one in kept(schema_url)] == ["upgrade"]
    (folder,) = (tmp_path / "backups").glob("rows-*")

    run = flask_db(schema_url, "restore-rows", str(folder))

    assert run.exit_code == 0, run.output
    found = kept(schema_url)
    assert [one.id for one in found[2:]] == before
    assert [(one.command, one.outcome) for one in found[:2]] == [("upgrade", "done"), ("downgrade", "done")]
    assert "was changed" not in flask_db(schema_url, "status").output


def test_a_failed_run_ends_at_the_revision_that_it_reached(flask_db: FlaskDb, schema_url: str, tmp_path: Path) -> None:
    project = project_with_step(tmp_path, schema_url, "pass")
    project.revision("fails", "op.execute('SELECT nonsense')")
    project.revision("never", "pass")
    assert flask_db(schema_url, "deploy", project=project).exit_code == 1

    one = kept(schema_url)[0]
    reached = HEAD if schema_url.startswith("sqlite") else "next"
    assert (one.outcome, one.from_revision, one.to_revision) == ("failed", HEAD, reached)
    assert f"{HEAD} -> {reached}, " in flask_db(schema_url, "deployments").output


def test_status_names_the_last_run_if_it_failed_or_was_interrupted(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path
) -> None:
    assert "Last run" not in flask_db(schema_url, "status").output
    project = project_with_step(tmp_path, schema_url, "op.execute('SELECT nonsense')")
    assert flask_db(schema_url, "deploy", project=project).exit_code == 1
    failed = kept(schema_url)[0]

    shown = flask_db(schema_url, "status", project=project).output
    assert f"Last run   deploy failed, at next. See: flask db deployments {failed.short_id}\n" in shown
    answer = json.loads(flask_db(schema_url, "status", "--json", project=project).stdout)["last_deployment"]
    assert (answer["id"], answer["outcome"]) == (str(failed.id), "failed")
    run_sql(schema_url, "UPDATE deployments SET outcome = 'interrupted' WHERE outcome = 'failed'")
    assert "Last run   deploy interrupted, at next. See: " in flask_db(schema_url, "status", project=project).output


def test_every_command_is_kept_and_a_run_without_steps_is_not(flask_db: FlaskDb, schema_url: str) -> None:
    first = len(kept(schema_url))
    command.stamp(console_config(schema_url), RECORDS)
    assert flask_db(schema_url, "deploy", "--yes").exit_code == 1
    command.stamp(console_config(schema_url), "head")
    flask_db(schema_url, "upgrade")
    flask_db(schema_url, "deploy")
    command.upgrade(console_config(schema_url), "head")

    runs = kept(schema_url)[: len(kept(schema_url)) - first]

    assert [(one.command, one.outcome) for one in runs] == [("stamp", "done"), ("deploy", "failed"), ("stamp", "done")]
    assert [step.direction for step in runs[0].steps] == ["stamp"]
    assert runs[1].steps[0].error
    assert runs[1].backup
    assert Path(runs[1].backup).is_file()


def test_a_killed_run_is_shown_as_interrupted_with_the_steps_that_were_done(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path
) -> None:
    project = project_with_step(tmp_path, schema_url, "pass")
    project.revision("kills", "import os\nos.kill(os.getpid(), 9)")
    in_killed_process(project)

    one = kept(schema_url)[0]
    # The revision that it reached, not the one that it wanted.
    done, reached = (0, HEAD) if schema_url.startswith("sqlite") else (1, "next")
    assert (one.outcome, one.ended_at, one.to_revision, one.done_count) == ("interrupted", None, reached, done)
    assert "interrupted" in flask_db(schema_url, "deployments", one.short_id).output

    (project.versions / "kills.py").write_text((project.versions / "kills.py").read_text().replace("os.kill", "print"))
    command.upgrade(project.config(), "head")
    assert [found.outcome for found in kept(schema_url)[:2]] == ["done", "interrupted"]
    assert fetch_rows(schema_url, "SELECT count(*) FROM deployments WHERE outcome IS NULL") == [(0,)]


def test_a_run_without_an_end_in_a_restored_backup_is_interrupted_although_its_process_number_is_in_use(
    flask_db: FlaskDb, sqlite_schema_url: str, tmp_path: Path
) -> None:
    open_run = f"UPDATE deployments SET outcome = NULL, ended_at = NULL, process_id = {os.getpid()}"
    command.stamp(console_config(sqlite_schema_url), head_revision())
    run_sql(sqlite_schema_url, open_run)
    assert kept(sqlite_schema_url)[0].outcome == "running"
    run_sql(sqlite_schema_url, f"{open_run}, started_at = '2026-01-01 00:00:00'")
    backup = create_backup(parse_url(sqlite_schema_url), tmp_path / "backups").file
    restored = f"sqlite:///{tmp_path / 'restored.db'}"

    assert flask_db(restored, "restore", str(backup)).exit_code == 0

    assert kept(restored)[0].outcome == "interrupted"
    assert flask_db(restored, "status", "--check").exit_code == 0
    assert flask_db(restored, "deploy").exit_code == 0


def test_a_failed_step_is_kept_with_its_error_and_the_rows_that_were_filled(schema_url: str, tmp_path: Path) -> None:
    run_sql(
        schema_url, "CREATE TABLE kept (id integer PRIMARY KEY, name text)", "INSERT INTO kept (id) VALUES (1), (2)"
    )
    fill = """
rows = sa.table('kept', sa.column('id', sa.Integer()), sa.column('name', sa.Text()))
op.fill_rows(rows, rows.c.name.is_(None), lambda row: {'name': 'x'}, '')"""
    project = project_with_step(tmp_path, schema_url, fill)
    path = project.revision("fails", "op.execute('SELECT * FROM nowhere')")

    with pytest.raises(CommandError):
        command.upgrade(project.config(), "head")

    _, failed = kept(schema_url)[0].steps
    assert (failed.seconds, "nowhere" in str(failed.error)) == (None, True)
    path.write_text(path.read_text().replace("nowhere", "kept"))
    command.upgrade(project.config(), "head")
    assert 2 in {step.filled_rows for one in kept(schema_url) for step in one.steps}
    with connect(parse_url(schema_url)) as connection:
        assert measured_speed(connection, Measured.FILL) is None
    run_sql(schema_url, "UPDATE deployment_steps SET filled_rows = 5000, seconds = 2 WHERE filled_rows = 2")
    with connect(parse_url(schema_url)) as connection:
        (filled,) = [one for one in kept(schema_url) if 5_000 in [step.filled_rows for step in one.steps]]
        assert measured_speed(connection, Measured.FILL) == Speed(2500, filled.short_id)


def test_files_of_saved_rows_belong_to_the_deployment(flask_db: FlaskDb, schema_url: str, tmp_path: Path) -> None:
    run_sql(
        schema_url, "CREATE TABLE kept (id integer PRIMARY KEY, name text)", "INSERT INTO kept (id) VALUES (1), (2)"
    )
    project = project_with_step(tmp_path, schema_url, "op.drop_table('kept')")

    command.upgrade(project.config(), "head")

    (saved,) = kept(schema_url)[0].saved_files
    assert (saved["table"], saved["column"], saved["rows"]) == ("kept", None, 2)
    assert Path(saved["file"]).is_file()
    assert "2 rows of kept in" in flask_db(schema_url, "deployments", kept(schema_url)[0].short_id).output


def test_a_script_keeps_nothing(postgres_url: str) -> None:
    command.upgrade(console_config(postgres_url), RECORDS)
    config = console_config(postgres_url)
    config.output_buffer = StringIO()
    command.upgrade(config, f"{RECORDS}:head", sql=True)
    run_psql(postgres_url, config.output_buffer.getvalue())

    assert kept(postgres_url) == []


def test_a_changed_file_of_an_applied_step_is_named_and_white_space_does_not_count(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path
) -> None:
    run_sql(schema_url, "DELETE FROM applied_steps")
    project = project_with_step(tmp_path, schema_url, "pass")
    path = project.versions / "next.py"
    command.upgrade(project.config(), "head")
    path.write_bytes(path.read_bytes().replace(b"\n", b" \r\n"))
    assert "next.py" not in flask_db(schema_url, "status", project=project).output

    path.write_text(path.read_text().replace("pass", "op.execute('SELECT 1')"))

    assert "The step next, next: next.py was changed after it was applied." in (
        flask_db(schema_url, "status", project=project).output
    )
    run_sql(schema_url, "UPDATE applied_steps SET revision = 'gone'")
    assert "The step gone: its file is missing." in flask_db(schema_url, "status", project=project).output
    command.downgrade(project.config(), HEAD)
    run_sql(schema_url, "DELETE FROM applied_steps WHERE revision = 'gone'")
    assert "was changed" not in flask_db(schema_url, "status", project=project).output


@pytest.mark.long
def test_a_changed_file_does_not_hinder_a_deployment_and_can_be_accepted_with_a_reason(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path
) -> None:
    run_sql(schema_url, "DELETE FROM applied_steps")
    project = project_with_step(tmp_path, schema_url, "pass")
    path = project.versions / "next.py"
    command.upgrade(project.config(), "head")
    assert flask_db(schema_url, "accept-change", "next", "--reason", "x", project=project).exit_code == 1
    path.write_text(path.read_text().replace("pass", "op.execute('SELECT 1')"))
    project.revision("last", "op.execute('SELECT 2')")
    for reason in ("", " ", "two\nlines", "x" * 501, "lone \udcff"):
        refused = flask_db(schema_url, "accept-change", "next", "--reason", reason, project=project)
        assert (refused.exit_code, "one line of text" in refused.output) == (1, True), reason

    run = flask_db(schema_url, "deploy", "--no-backup", project=project)
    assert (run.exit_code, "next.py was changed after it was applied" in run.output) == (0, True), run.output
    assert flask_db(schema_url, "status", "--check", project=project).exit_code == 1

    assert flask_db(schema_url, "accept-change", "next", "--reason", " It was wrong. ", project=project).exit_code == 0
    assert flask_db(schema_url, "status", "--check", project=project).exit_code == 0
    newest = kept(schema_url)[0]
    assert (newest.command, newest.outcome, newest.from_revision, newest.to_revision) == (
        "accept-change",
        "done",
        "last",
        "last",
    )
    assert "1. accept next, next: " in flask_db(schema_url, "deployments", newest.short_id).output
    assert newest.steps[0].reason == "It was wrong."

    run_sql(schema_url, "UPDATE applied_steps SET revision = 'gone' WHERE revision = 'next'")
    assert flask_db(schema_url, "accept-change", "gone", "--reason", "Joined.", project=project).exit_code == 0
    assert flask_db(schema_url, "status", "--check", project=project).exit_code == 0


CODE = """'''The step.'''
import sqlalchemy as sa

def upgrade() -> None:
    '''Add a column.'''
    # At once.
    op.execute(f"UPDATE {TABLE} SET a = { {1: 2}[1] }" + 'x')  # all

def downgrade() -> None:
    pass
"""
SAME_CODE = """\ufeff\"\"\"Another text,
of two lines.\"\"\"
import  sqlalchemy  as sa\t

def upgrade() -> None:\r
\top.execute(
\t\tf"UPDATE {TABLE} SET a = { {1: 2}[1] }" + 'x')
def downgrade() -> None:
\tpass"""


def test_a_checksum_is_of_the_code_without_comments_docstrings_and_white_space(tmp_path: Path) -> None:
    def checksum(text: str) -> str:
        (tmp_path / "file.py").write_bytes(text.encode())
        return file_checksum(tmp_path / "file.py")

    assert checksum(SAME_CODE) == checksum(CODE)
    # Computed by Python 3.11. Later versions read an f-string as several tokens.
    assert checksum(CODE)[:12] == "0ffd24593b28"
    for old, new in (("'x'", "'y'"), ("1: 2", "1: 3"), ("pass", "return"), ("    pass", "    pass\n    pass")):
        assert checksum(CODE.replace(old, new)) != checksum(CODE)
    assert checksum("if a:\n  b\nc\n") != checksum("if a:\n  b\n  c\n")
    # A file that is not Python is compared by its lines.
    assert checksum("def (\n") != checksum("def ((\n")
