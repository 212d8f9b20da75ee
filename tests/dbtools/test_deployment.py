"""What `flask db deploy` does, and where it stops before it has done anything."""

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
from tests.dbtools.tools import GUIDE_REVISION, Project, console_config, fetch_rows, run_sql

FlaskDb = Callable[..., Result]


def test_a_deployment_stops_before_a_danger_unless_told_to_go_on(
    flask_db: FlaskDb, database_url: str, tmp_path: Path
) -> None:
    run_sql(database_url, "CREATE TABLE old (id integer PRIMARY KEY)", "INSERT INTO old VALUES (1)")
    project = Project(tmp_path, database_url)
    project.revision("drop_old", "op.drop_table('old')")

    for words in (("deploy",), ("deploy", "--dry-run"), ("deploy", "--json")):
        run = flask_db(database_url, *words, project=project)
        assert run.exit_code == 1
        assert "drops the table old" in run.output
        assert fetch_rows(database_url, "SELECT * FROM old") == [(1,)]
    assert not (tmp_path / "backups").exists()

    told = json.loads(flask_db(database_url, "deploy", "--yes", "--json", project=project).stdout)
    assert told["result"] == "deployed"
    assert Path(told["backup"]["file"]).exists()


def test_a_step_that_fails_is_told_with_the_backup_from_before(
    flask_db: FlaskDb, database_url: str, tmp_path: Path
) -> None:
    run_sql(database_url, "CREATE TABLE old (id integer PRIMARY KEY)")
    project = Project(tmp_path, database_url)
    project.revision("broken", "op.execute('SELECT nonsense')")

    run = flask_db(database_url, "deploy", project=project)

    assert run.exit_code == 1
    (refusal,) = [line for line in run.stderr.splitlines() if line.startswith("Error: ")]
    assert "nonsense" in refusal
    assert "The backup from before is" in refusal


def test_a_deployment_takes_a_backup_applies_and_checks(flask_db: FlaskDb, database_url: str, tmp_path: Path) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    run_sql(database_url, "INSERT INTO accounts VALUES ('00000000-0000-0000-0000-000000000001', 'A', '2026-01-01')")

    looked = flask_db(database_url, "deploy", "--dry-run")
    assert (looked.exit_code, "Nothing was done." in looked.output) == (0, True)
    assert fetch_rows(database_url, "SELECT version_num FROM alembic_version") == [(GUIDE_REVISION,)]

    told = json.loads(flask_db(database_url, "deploy", "--json").stdout)
    assert (told["result"], told["problems"]) == ("deployed", [])
    assert told["applied"] == len(told["plan"]["steps"]) > 0
    assert stat.S_IMODE(Path(told["backup"]["file"]).stat().st_mode) == 0o600
    command.check(console_config(database_url))

    again = flask_db(database_url, "deploy")
    assert again.exit_code == 0
    assert "Nothing to do." in again.output
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_a_deployment_makes_the_sqlite_file_that_is_missing_and_looking_does_not(
    flask_db: FlaskDb, sqlite_url: str
) -> None:
    file = Path(parse_url(sqlite_url).database or "")

    for words in (("deploy", "--dry-run"), ("status",), ("plan",), ("rehearse",)):
        looked = flask_db(sqlite_url, *words)
        assert (looked.exit_code, len(looked.stderr.splitlines())) == (1, 1)
        assert "there is no such file yet; flask db upgrade creates it." in looked.stderr
        assert not file.exists()

    assert flask_db(sqlite_url, "deploy").exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    command.check(console_config(sqlite_url))


def test_where_no_backup_can_be_written_nothing_is_done(flask_db: FlaskDb, database_url: str, tmp_path: Path) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    (tmp_path / "backups").write_text("a file stands where the folder should be")

    run = flask_db(database_url, "deploy")

    assert run.exit_code == 1
    assert fetch_rows(database_url, "SELECT version_num FROM alembic_version") == [(GUIDE_REVISION,)]
    assert flask_db(database_url, "deploy", "--no-backup").exit_code == 0


def test_of_two_deployments_at_once_one_applies_the_steps_and_takes_a_backup(database_url: str, tmp_path: Path) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    config = console_config(database_url, dbtools.LockSettings())
    url = parse_url(database_url)
    first, second = (check_deployment(url, config, db.metadata) for _ in range(2))

    worked = deploy(url, config, db.metadata, first, tmp_path)
    waited = deploy(url, config, db.metadata, second, tmp_path)

    assert (worked.applied, waited.applied) == (len(first.plan.steps), 0)
    assert worked.backup is not None
    assert waited.backup is None


def test_a_second_deployment_takes_no_backup_before_it_is_its_turn(postgres_url: str, tmp_path: Path) -> None:
    command.upgrade(console_config(postgres_url), GUIDE_REVISION)
    config = console_config(postgres_url)
    seen = check_deployment(parse_url(postgres_url), config, db.metadata)

    with (
        deployment_lock(parse_url(postgres_url), dbtools.LockSettings()),
        pytest.raises(CommandError, match="Another deployment is still running: process"),
    ):
        deploy(parse_url(postgres_url), config, db.metadata, seen, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_needs_no_backup(flask_db: FlaskDb, database_url: str, tmp_path: Path) -> None:
    assert flask_db(database_url, "deploy").exit_code == 0
    assert not (tmp_path / "backups").exists()


def test_a_database_ahead_is_left_alone(flask_db: FlaskDb, schema_url: str) -> None:
    run_sql(schema_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    run = flask_db(schema_url, "deploy")

    assert run.exit_code == 0
    assert "newer release" in run.output
