"""`flask db deploy`: what it does, and when it stops before it changes anything."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError
from click.testing import Result

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.dbtools.database.connections import deployment_lock
from agents_app.dbtools.deployment import check_deployment, deploy
from tests.dbtools.interrupted_steps import project_with_step
from tests.dbtools.tools import GUIDE_REVISION, Project, console_config, fetch_rows, read_schema, run_sql

FlaskDb = Callable[..., Result]


def test_a_deployment_stops_before_a_danger_without_yes(flask_db: FlaskDb, database_url: str, tmp_path: Path) -> None:
    run_sql(database_url, "CREATE TABLE old (id integer PRIMARY KEY)", "INSERT INTO old VALUES (1)")
    project = Project(tmp_path, database_url)
    project.revision("drop_old", "op.drop_table('old')")

    for words in (("deploy",), ("deploy", "--dry-run"), ("deploy", "--json")):
        run = flask_db(database_url, *words, project=project)
        assert run.exit_code == 1
        assert "drops the table old" in run.output
        assert fetch_rows(database_url, "SELECT * FROM old") == [(1,)]
    assert not (tmp_path / "backups").exists()

    answer = json.loads(flask_db(database_url, "deploy", "--yes", "--json", project=project).stdout)
    assert answer["result"] == "deployed"
    assert Path(answer["backup"]["file"]).exists()


def test_a_danger_with_a_reason_in_its_file_does_not_stop_a_deployment(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path
) -> None:
    run_sql(schema_url, "CREATE TABLE old (id integer PRIMARY KEY)", "INSERT INTO old VALUES (1)")
    project = project_with_step(tmp_path, schema_url, "op.allow_danger('Unused.')\nop.drop_table('old')")

    plan = flask_db(schema_url, "plan", project=project)
    run = flask_db(schema_url, "deploy", "--json", project=project)
    kept = json.loads(flask_db(schema_url, "deployments", "--json").stdout)["deployments"][0]

    assert (plan.exit_code, "DANGER (allowed: Unused.) drops the table old" in plan.output) == (0, True)
    assert json.loads(run.stdout)["result"] == "deployed"
    assert [(danger["what"], danger["reason"]) for danger in kept["dangers"]] == [("drops the table old", "Unused.")]
    assert kept["steps"][0]["reason"] == "Unused."


def test_no_reason_allows_what_the_database_refuses(flask_db: FlaskDb, database_url: str, tmp_path: Path) -> None:
    run_sql(database_url, "CREATE TABLE old (id integer PRIMARY KEY)")
    project = project_with_step(tmp_path, database_url, "op.allow_danger('Unused.')\nop.drop_column('old', 'none')")

    plan = flask_db(database_url, "plan", project=project)
    run = flask_db(database_url, "deploy", project=project)

    assert (plan.exit_code, "DANGER fails: old has no column none" in plan.output) == (1, True)
    assert (run.exit_code, "no backup was taken. Correct the step that fails" in run.output) == (1, True)
    assert not (tmp_path / "backups").exists()


def test_an_empty_reason_stops_a_deployment_and_an_upgrade(flask_db: FlaskDb, schema_url: str, tmp_path: Path) -> None:
    project = project_with_step(tmp_path, schema_url, "op.execute('CREATE TABLE t (a text)')\nop.allow_danger(' ')")

    for words in (("plan",), ("deploy",), ("upgrade",)):
        run = flask_db(schema_url, *words, project=project)
        assert (run.exit_code, "op.allow_danger needs a reason" in run.output) == (1, True), words
    assert not read_schema(schema_url)["tables"].get("t")


def test_after_a_failed_step_the_backup_is_named(flask_db: FlaskDb, database_url: str, tmp_path: Path) -> None:
    run_sql(database_url, "CREATE TABLE old (id integer PRIMARY KEY)")
    project = Project(tmp_path, database_url)
    project.revision("broken", "op.execute('SELECT nonsense')")

    run = flask_db(database_url, "deploy", project=project)

    assert run.exit_code == 1
    (refusal,) = [line for line in run.stderr.splitlines() if line.startswith("Error: ")]
    assert "nonsense" in refusal
    assert "The backup from before is" in refusal


def test_a_deployment_takes_a_backup_and_applies_the_steps(
    flask_db: FlaskDb, database_url: str, tmp_path: Path
) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    run_sql(database_url, "INSERT INTO accounts VALUES ('00000000-0000-0000-0000-000000000001', 'A', '2026-01-01')")

    dry_run = flask_db(database_url, "deploy", "--dry-run")
    assert (dry_run.exit_code, "Nothing was done." in dry_run.output) == (0, True)
    assert fetch_rows(database_url, "SELECT version_num FROM alembic_version") == [(GUIDE_REVISION,)]

    answer = json.loads(flask_db(database_url, "deploy", "--json").stdout)
    assert (answer["result"], answer["problems"]) == ("deployed", [])
    assert answer["applied"] == len(answer["plan"]["steps"]) > 0
    assert stat.S_IMODE(Path(answer["backup"]["file"]).stat().st_mode) == 0o600
    command.check(console_config(database_url))

    again = flask_db(database_url, "deploy")
    assert again.exit_code == 0
    assert "Nothing to do." in again.output
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_a_deployment_creates_a_missing_sqlite_file_and_read_only_commands_do_not(
    flask_db: FlaskDb, sqlite_url: str
) -> None:
    file = Path(parse_url(sqlite_url).database or "")

    for words in (("deploy", "--dry-run"), ("status",), ("plan",), ("rehearse",)):
        result = flask_db(sqlite_url, *words)
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert "there is no such file yet; flask db deploy creates it." in result.stderr
        assert not file.exists()

    assert flask_db(sqlite_url, "deploy").exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    command.check(console_config(sqlite_url))


def test_if_no_backup_can_be_written_nothing_is_changed(flask_db: FlaskDb, database_url: str, tmp_path: Path) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    (tmp_path / "backups").write_text("a file in the place of the folder")

    for verb in ("backup", "deploy"):
        run = flask_db(database_url, verb)
        assert run.exit_code == 1
        assert f"BACKUP_FOLDER is {tmp_path / 'backups'}, but that is a file. Set BACKUP_FOLDER" in run.stderr

    assert fetch_rows(database_url, "SELECT version_num FROM alembic_version") == [(GUIDE_REVISION,)]
    assert flask_db(database_url, "deploy", "--no-backup").exit_code == 0


def test_a_deployment_is_refused_before_the_backup_where_tables_have_no_revision(
    flask_db: FlaskDb, schema_url: str, tmp_path: Path
) -> None:
    run_sql(schema_url, "DROP TABLE alembic_version")

    run = flask_db(schema_url, "deploy", "--yes")

    assert (run.exit_code, "flask db stamp head" in run.stdout) == (1, True)
    assert "Nothing was changed: " in run.stdout
    assert not (tmp_path / "backups").exists()


def test_of_two_deployments_at_once_one_takes_a_backup_and_applies_the_steps(database_url: str, tmp_path: Path) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    config = console_config(database_url, dbtools.Limits())
    url = parse_url(database_url)
    first, second = (check_deployment(url, config, db.metadata) for _ in range(2))

    applying = deploy(url, config, db.metadata, first, tmp_path)
    waiting = deploy(url, config, db.metadata, second, tmp_path)

    assert (applying.applied, waiting.applied) == (len(first.plan.steps), 0)
    assert applying.backup is not None
    assert waiting.backup is None


def test_a_second_deployment_takes_no_backup_before_it_has_the_lock(postgres_url: str, tmp_path: Path) -> None:
    command.upgrade(console_config(postgres_url), GUIDE_REVISION)
    config = console_config(postgres_url)
    check = check_deployment(parse_url(postgres_url), config, db.metadata)

    with (
        deployment_lock(parse_url(postgres_url), dbtools.Limits()),
        pytest.raises(CommandError, match="Another deployment is still running: process"),
    ):
        deploy(parse_url(postgres_url), config, db.metadata, check, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_needs_no_backup(flask_db: FlaskDb, database_url: str, tmp_path: Path) -> None:
    assert flask_db(database_url, "deploy").exit_code == 0
    assert not (tmp_path / "backups").exists()


def test_a_database_that_is_ahead_is_not_changed(flask_db: FlaskDb, schema_url: str) -> None:
    run_sql(schema_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    run = flask_db(schema_url, "deploy")

    assert run.exit_code == 0
    assert "newer release" in run.output
