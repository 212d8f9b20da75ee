"""What `flask db status` and `flask db deploy` say and do, as commands of an app without keys."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from click.testing import Result
from flask import Flask

from agents_app import dbtools, models
from agents_app.db import db, parse_url
from agents_app.dbtools.deploy import deploy, prospect
from agents_app.dbtools.postgresql import LOCK
from tests.dbtools.tools import GUIDE, Project, engine_of, product, rows_of, run_sql

Flasks = Callable[..., Result]


@pytest.fixture
def flask_db(tmp_path: Path) -> Flasks:
    """Types `flask db ...` for a database; nothing but its URL and the folder of backups is set."""
    assert models

    def types(url: str, *words: str, project: Project | None = None) -> Result:
        app = Flask("operator")
        app.config |= {"SQLALCHEMY_DATABASE_URI": parse_url(url), "BACKUP_FOLDER": tmp_path / "backups"}
        db.init_app(app)
        dbtools.init_app(app)
        if project is not None:
            use(project, app)
        return app.test_cli_runner().invoke(args=["db", *words])

    return types


def use(project: Project, app: Flask) -> None:
    """Let the app work on migrations that were made for a test."""
    migrate = app.extensions["migrate"].migrate
    migrate.directory = str(project.folder)

    @migrate.configure
    def _configure(config: Config) -> Config:
        config.attributes |= {"models": project.models, "metadata": project.metadata}
        return config


def test_a_server_that_is_away_is_one_line(flask_db: Flasks) -> None:
    for words in (("status",), ("status", "--json"), ("plan",), ("deploy", "--yes")):
        run = flask_db("postgresql://operator:gehe%2Fim@127.0.0.1:1/console", *words)

        assert run.exit_code == 1
        assert run.output.startswith("Error: Cannot use postgresql://operator:***@127.0.0.1:1/console: Connection")
        assert len(run.output.splitlines()) == 1
        assert "gehe" not in run.output


def test_at_head_all_is_well(flask_db: Flasks, schema_url: str) -> None:
    run = flask_db(schema_url, "status", "--check")

    assert run.exit_code == 0
    assert "All is well." in run.output
    assert "Pending    nothing" in run.output


def test_pending_steps_are_told_with_what_to_do(flask_db: Flasks, database_url: str) -> None:
    run = flask_db(database_url, "status")

    assert run.exit_code == 0
    assert "pending, the next is add_accounts_and_users.\n  Do: flask db deploy" in run.output
    assert flask_db(database_url, "status", "--check").exit_code == 1


def test_a_program_reads_the_same_as_json(flask_db: Flasks, database_url: str) -> None:
    command.upgrade(product(database_url), GUIDE)

    told = json.loads(flask_db(database_url, "status", "--json").stdout)

    assert (told["current"], told["pending"][0]["name"], told["is_ahead"]) == (GUIDE, "add_agent_versions", False)
    assert told["problems"][0]["do"] == "flask db deploy"


def test_no_password_is_shown(flask_db: Flasks, postgres_schema_url: str) -> None:
    url = parse_url(postgres_schema_url)
    for secret in (url.set(password="geheim"), url.update_query_dict({"password": "geheim"})):
        run = flask_db(secret.render_as_string(hide_password=False), "status")

        assert run.exit_code == 0
        assert "***" in run.output
        assert "geheim" not in run.output


def test_tables_that_no_migration_made_are_told(flask_db: Flasks, database_url: str) -> None:
    with engine_of(database_url).begin() as connection:
        db.metadata.create_all(connection)

    assert "flask db stamp head" in flask_db(database_url, "status").output


@pytest.mark.parametrize(
    ("change", "what", "do"),
    [
        ("ALTER TABLE agents ADD COLUMN extra integer", "agents.extra: no model has this column.", "flask db migrate"),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_agents_created_by'::regclass",
            "The index ix_agents_created_by on agents is invalid",
            "DROP INDEX CONCURRENTLY ix_agents_created_by",
        ),
        (
            "ALTER TABLE agents DROP CONSTRAINT ck_agents_status, "
            + "ADD CONSTRAINT ck_agents_status CHECK (status IN ('active', 'disabled')) NOT VALID",
            "The constraint ck_agents_status on agents was never checked",
            "VALIDATE CONSTRAINT ck_agents_status",
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(
    flask_db: Flasks, postgres_server: str, postgres_schema_url: str, change: str, what: str, do: str
) -> None:
    # Only a superuser may spoil the catalogue.
    role = "postgres" if "pg_index" in change else None
    url = parse_url(postgres_schema_url)
    run_sql((url.set(username=role) if role else url).render_as_string(hide_password=False), change)

    run = flask_db(postgres_schema_url, "status", "--check")

    assert run.exit_code == 1
    assert what in run.output
    assert do in run.output


def test_what_is_wrong_with_tables_of_others_is_theirs(flask_db: Flasks, postgres_schema_url: str) -> None:
    run_sql(postgres_schema_url, "CREATE TABLE theirs (a integer)", "ALTER TABLE theirs ADD CHECK (a > 0) NOT VALID")

    assert flask_db(postgres_schema_url, "status", "--check").exit_code == 0


def test_rows_without_their_parent_are_told_on_sqlite(flask_db: Flasks, sqlite_schema_url: str) -> None:
    raw = engine_of(sqlite_schema_url).raw_connection()
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute("INSERT INTO user_sessions SELECT 'a', 'b', 'c', 'd', 'e', 'f', NULL, NULL")
    raw.close()

    run = flask_db(sqlite_schema_url, "status", "--check")

    assert run.exit_code == 1
    assert "1 row of user_sessions without the row of users that is pointed to." in run.output


def test_who_migrates_now_is_told(flask_db: Flasks, postgres_schema_url: str) -> None:
    with engine_of(postgres_schema_url).connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK[0]}, {LOCK[1]})")
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()

        assert f"Migrating  process {pid} " in flask_db(postgres_schema_url, "status").output


def test_without_pg_dump_no_backup_can_be_taken(
    flask_db: Flasks, postgres_schema_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin" / "pg_dump"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent))
    monkeypatch.setattr("agents_app.dbtools.clients.DEBIAN", tmp_path)

    run = flask_db(postgres_schema_url, "status", "--check")

    assert run.exit_code == 1
    assert "No backup can be taken: pg_dump 9 cannot read a server" in run.output


def test_a_plan_ends_with_1_where_it_is_dangerous(flask_db: Flasks, schema_url: str) -> None:
    assert flask_db(schema_url, "plan").exit_code == 0
    run_sql(schema_url, "INSERT INTO encryption_keys VALUES ('k1', 'x', '2026-01-01 00:00:00')")

    run = flask_db(schema_url, "plan", "-2", "--json")

    assert run.exit_code == 1
    (finding,) = [
        one for step in json.loads(run.stdout)["steps"] for one in step["findings"] if one["level"] == "DANGER"
    ]
    assert finding["what"] == "drops the table encryption_keys"


def test_a_plan_as_sql_is_what_is_pending_and_no_more(flask_db: Flasks, postgres_url: str) -> None:
    command.upgrade(product(postgres_url), GUIDE)

    script = flask_db(postgres_url, "plan", "--sql").stdout

    assert "CREATE TABLE agent_versions" in script
    assert "CREATE TABLE agents (" not in script
    run_sql(postgres_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert flask_db(postgres_url, "plan", "--sql").stdout == "-- Nothing is pending.\n"


def test_a_deployment_stops_before_a_danger_unless_told_to_go_on(
    flask_db: Flasks, database_url: str, tmp_path: Path
) -> None:
    run_sql(database_url, "CREATE TABLE old (id integer PRIMARY KEY)", "INSERT INTO old VALUES (1)")
    project = Project(tmp_path, database_url)
    project.revision("drop_old", "op.drop_table('old')")

    for words in (("deploy",), ("deploy", "--dry-run"), ("deploy", "--json")):
        run = flask_db(database_url, *words, project=project)
        assert run.exit_code == 1
        assert "drops the table old" in run.output
        assert rows_of(database_url, "SELECT * FROM old") == [(1,)]
    assert not (tmp_path / "backups").exists()

    told = json.loads(flask_db(database_url, "deploy", "--yes", "--json", project=project).stdout)
    assert told["result"] == "deployed"
    assert Path(told["backup"]["file"]).exists()


def test_a_step_that_fails_is_told_with_the_backup_from_before(
    flask_db: Flasks, database_url: str, tmp_path: Path
) -> None:
    run_sql(database_url, "CREATE TABLE old (id integer PRIMARY KEY)")
    project = Project(tmp_path, database_url)
    project.revision("broken", "op.execute('SELECT nonsense')")

    run = flask_db(database_url, "deploy", project=project)

    assert run.exit_code == 1
    (refusal,) = [line for line in run.stderr.splitlines() if line.startswith("Error: ")]
    assert "nonsense" in refusal
    assert "The backup from before is" in refusal


def test_a_deployment_takes_a_backup_applies_and_checks(flask_db: Flasks, database_url: str, tmp_path: Path) -> None:
    command.upgrade(product(database_url), GUIDE)
    run_sql(database_url, "INSERT INTO accounts VALUES ('00000000-0000-0000-0000-000000000001', 'A', '2026-01-01')")

    looked = flask_db(database_url, "deploy", "--dry-run")
    assert (looked.exit_code, "Nothing was done." in looked.output) == (0, True)
    assert rows_of(database_url, "SELECT version_num FROM alembic_version") == [(GUIDE,)]

    told = json.loads(flask_db(database_url, "deploy", "--json").stdout)
    assert (told["result"], told["problems"]) == ("deployed", [])
    assert told["applied"] == len(told["plan"]["steps"]) > 0
    assert stat.S_IMODE(Path(told["backup"]["file"]).stat().st_mode) == 0o600
    command.check(product(database_url))

    again = flask_db(database_url, "deploy")
    assert again.exit_code == 0
    assert "Nothing to do." in again.output
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_where_no_backup_can_be_written_nothing_is_done(flask_db: Flasks, database_url: str, tmp_path: Path) -> None:
    command.upgrade(product(database_url), GUIDE)
    (tmp_path / "backups").write_text("a file stands where the folder should be")

    run = flask_db(database_url, "deploy")

    assert run.exit_code == 1
    assert rows_of(database_url, "SELECT version_num FROM alembic_version") == [(GUIDE,)]
    assert flask_db(database_url, "deploy", "--no-backup").exit_code == 0


def test_of_two_deployments_at_once_one_applies_the_steps(database_url: str) -> None:
    config = product(database_url, dbtools.Patience())
    url = parse_url(database_url)
    first, second = (prospect(url, config, db.metadata) for _ in range(2))

    assert deploy(url, config, db.metadata, first, None).applied == len(first.plan.steps)
    assert deploy(url, config, db.metadata, second, None).applied == 0


def test_an_empty_database_needs_no_backup(flask_db: Flasks, database_url: str, tmp_path: Path) -> None:
    assert flask_db(database_url, "deploy").exit_code == 0
    assert not (tmp_path / "backups").exists()


def test_a_database_ahead_is_left_alone(flask_db: Flasks, schema_url: str) -> None:
    run_sql(schema_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    run = flask_db(schema_url, "deploy")

    assert run.exit_code == 0
    assert "newer release" in run.output
