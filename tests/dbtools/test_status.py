"""`flask db status` and `flask db plan`, in an app without keys."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from click.testing import Result

from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.dbtools.database.postgresql import MIGRATION_LOCK
from tests.dbtools.tools import GUIDE_REVISION, console_config, create_engine, fetch_rows, revision_before, run_sql

FlaskDb = Callable[..., Result]


def test_a_server_that_cannot_be_reached_is_reported_in_one_line(flask_db: FlaskDb) -> None:
    for words in (("status",), ("status", "--json"), ("plan",), ("deploy", "--yes")):
        run = flask_db("postgresql://operator:gehe%2Fim@127.0.0.1:1/console", *words)

        assert run.exit_code == 1
        assert run.stderr.startswith("Error: Cannot use postgresql://operator:***@127.0.0.1:1/console: Connection")
        # The address may be right.
        assert "refused. Start the server, or correct host and port in DATABASE_URL (or MIGRATION_" in run.stderr
        assert len(run.stderr.splitlines()) == 1
        assert "gehe" not in run.output
        assert run.stdout == "" if "--json" not in words else json.loads(run.stdout)["error"] in run.stderr


def test_at_head_there_are_no_problems(flask_db: FlaskDb, schema_url: str) -> None:
    run = flask_db(schema_url, "status", "--check")

    assert run.exit_code == 0
    assert "No problems found." in run.output
    assert "Pending    nothing" in run.output


def test_pending_steps_are_shown_with_the_command_to_type(flask_db: FlaskDb, database_url: str) -> None:
    run = flask_db(database_url, "status")

    assert run.exit_code == 0
    assert "pending, the next is add_accounts_and_users.\n  Do: flask db deploy" in run.output
    assert flask_db(database_url, "status", "--check").exit_code == 1


def test_the_same_is_printed_as_json(flask_db: FlaskDb, database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)

    answer = json.loads(flask_db(database_url, "status", "--json").stdout)

    assert (answer["current"], answer["pending"][0]["name"], answer["is_ahead"]) == (
        GUIDE_REVISION,
        "add_agent_versions",
        False,
    )
    assert answer["problems"][0]["do"] == "flask db deploy"


def test_no_password_is_shown(flask_db: FlaskDb, postgres_schema_url: str) -> None:
    url = parse_url(postgres_schema_url)
    for secret in (url.set(password="geheim"), url.update_query_dict({"password": "geheim"})):
        run = flask_db(secret.render_as_string(hide_password=False), "status")

        assert run.exit_code == 0
        assert "***" in run.output
        assert "geheim" not in run.output


def test_tables_that_no_migration_created_are_reported(flask_db: FlaskDb, database_url: str) -> None:
    with create_engine(database_url).begin() as connection:
        db.metadata.create_all(connection)

    assert "flask db stamp head" in flask_db(database_url, "status").output


@pytest.mark.parametrize(
    ("change", "what", "do"),
    [
        (
            "ALTER TABLE agents ADD COLUMN extra integer",
            "agents.extra: no model has this column. The steps agree with the models: the database was changed.",
            "Undo that change of the database; or make it in the models too, and write a step.",
        ),
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
def test_a_problem_is_shown_with_what_to_do(
    flask_db: FlaskDb, postgres_server: str, postgres_schema_url: str, change: str, what: str, do: str
) -> None:
    # Only a superuser may change the catalogue.
    role = "postgres" if "pg_index" in change else None
    url = parse_url(postgres_schema_url)
    run_sql((url.set(username=role) if role else url).render_as_string(hide_password=False), change)

    run = flask_db(postgres_schema_url, "status", "--check")

    assert run.exit_code == 1
    assert what in run.output
    assert do in run.output


def test_tables_of_other_programs_are_not_checked(flask_db: FlaskDb, postgres_schema_url: str) -> None:
    run_sql(postgres_schema_url, "CREATE TABLE other (a integer)", "ALTER TABLE other ADD CHECK (a > 0) NOT VALID")

    assert flask_db(postgres_schema_url, "status", "--check").exit_code == 0


def test_on_sqlite_rows_without_their_parent_are_reported(flask_db: FlaskDb, sqlite_schema_url: str) -> None:
    raw = create_engine(sqlite_schema_url).raw_connection()
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute("INSERT INTO user_sessions SELECT 'a', 'b', 'c', 'd', 'e', 'f', NULL, NULL, 'g', NULL")
    raw.close()

    run = flask_db(sqlite_schema_url, "status", "--check")

    assert run.exit_code == 1
    assert "1 row of user_sessions without the row of users to which it refers." in run.output


def test_a_running_migration_is_shown(flask_db: FlaskDb, postgres_schema_url: str) -> None:
    with create_engine(postgres_schema_url).connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK.key[0]}, {MIGRATION_LOCK.key[1]})")
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()

        assert f"Migrating  process {pid} " in flask_db(postgres_schema_url, "status").output


def test_what_a_running_migration_has_not_completed_is_not_to_be_removed(
    flask_db: FlaskDb, postgres_url: str, postgres_schema_url: str
) -> None:
    lock = f"SELECT pg_advisory_lock({MIGRATION_LOCK.key[0]}, {MIGRATION_LOCK.key[1]})"
    invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_agents_created_by'::regclass"
    run_sql(parse_url(postgres_schema_url).set(username="postgres").render_as_string(hide_password=False), invalid)
    for url in (postgres_url, postgres_schema_url):
        with create_engine(url).connect() as connection:
            connection.exec_driver_sql(lock)
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            answer = json.loads(flask_db(url, "status", "--json").stdout)["problems"]

        assert f"process {pid} (" in answer[0]["what"]
        assert [problem["do"] for problem in answer] == ["Wait until it has ended, then: flask db status"]


def test_an_index_that_another_session_builds_is_not_called_invalid(
    flask_db: FlaskDb, postgres_schema_url: str
) -> None:
    engine = create_engine(postgres_schema_url)
    build = "CREATE INDEX CONCURRENTLY ix_agents_created_by ON agents (created_by)"
    run_sql(postgres_schema_url, "DROP INDEX ix_agents_created_by")
    with ThreadPoolExecutor(1) as other, engine.connect() as writer, engine.connect() as builder:
        builder.execution_options(isolation_level="AUTOCOMMIT")
        pid = builder.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        # The index waits for this transaction.
        writer.exec_driver_sql("LOCK TABLE agents IN ROW EXCLUSIVE MODE")
        built = other.submit(builder.exec_driver_sql, build)
        while not fetch_rows(postgres_schema_url, "SELECT FROM pg_stat_progress_create_index WHERE index_relid > 0"):
            assert not built.done()
        status = flask_db(postgres_schema_url, "status").stdout
        writer.rollback()
        built.result()

    assert f"The index ix_agents_created_by on agents is not complete: process {pid} builds it.\n  Do: Wait" in status
    assert "ix_agents_created_by" not in flask_db(postgres_schema_url, "status").stdout


def test_without_pg_dump_no_backup_can_be_taken(
    flask_db: FlaskDb, postgres_schema_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin" / "pg_dump"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent))
    monkeypatch.setattr("agents_app.dbtools.backup.pg_programs.DEBIAN", tmp_path)

    run = flask_db(postgres_schema_url, "status", "--check")

    assert run.exit_code == 1
    assert "No backup can be taken: pg_dump 9 cannot read a server" in run.output
    assert flask_db(postgres_schema_url, "deploy").exit_code == 1
    assert flask_db(postgres_schema_url, "deploy", "--no-backup").exit_code == 0


def test_tables_that_no_backup_can_read_are_reported(flask_db: FlaskDb, postgres_schema_url: str) -> None:
    run_sql(postgres_schema_url, "CREATE TABLE hidden (a integer)", "REVOKE ALL ON hidden FROM current_user")

    run = flask_db(postgres_schema_url, "status", "--check")

    assert run.exit_code == 1
    assert "No backup can be taken: this role may not read public.hidden." in run.output


def test_a_dangerous_plan_has_exit_code_1(flask_db: FlaskDb, schema_url: str) -> None:
    assert flask_db(schema_url, "plan").exit_code == 0
    run_sql(schema_url, "INSERT INTO encryption_keys VALUES ('k1', 'x', '2026-01-01 00:00:00')")

    run = flask_db(schema_url, "plan", revision_before("add_encryption_keys"), "--json")

    assert run.exit_code == 1
    warnings = [warning for step in json.loads(run.stdout)["steps"] for warning in step["findings"]]
    dangers = [warning["what"] for warning in warnings if warning["level"] == "DANGER"]
    # The tables in which deployments are kept have rows in every database.
    kept = {f"drops the table {name}" for name in ("applied_steps", "deployment_steps", "deployments")}
    assert [what for what in dangers if what not in kept] == ["drops the table encryption_keys"]


def test_a_plan_as_sql_has_the_pending_steps_only(flask_db: FlaskDb, postgres_url: str) -> None:
    command.upgrade(console_config(postgres_url), GUIDE_REVISION)

    script = flask_db(postgres_url, "plan", "--sql").stdout

    assert "CREATE TABLE agent_versions" in script
    assert "CREATE TABLE agents (" not in script
    run_sql(postgres_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert flask_db(postgres_url, "plan", "--sql").stdout == "-- Nothing is pending.\n"
    assert flask_db(postgres_url, "plan", "--sql", "--json").exit_code == 2
