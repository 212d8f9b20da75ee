"""A rehearsal tests pending steps on a copy, does not change the real database, and removes the copy."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.backup.scratch_database import scratch_database
from agents_app.dbtools.rehearsal import Rehearsal, rehearsal_lines, rehearse
from tests import postgres
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.test_second_pass import DROP, FILL, NULLABLE
from tests.dbtools.tools import Project, console_config, fetch_rows, head_revision, read_schema, run_sql
from tests.project import reused_copy

HEAD = head_revision()
BEHIND = "0f96d3b7e815"
STEP = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "ffff00000000", "{head}"
def upgrade():
    {up}
def downgrade():
    {down}
"""
WAIT_FOR_AUTOVACUUM = """
DO $$ BEGIN
    WHILE NOT EXISTS (
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'autovacuum:%%'
    ) LOOP
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.05);
    END LOOP;
END $$
"""

OTHER_OBJECTS = (
    "CREATE SCHEMA others CREATE TABLE t (a integer)",
    "CREATE TABLE whole (a integer) PARTITION BY RANGE (a)",
    "CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)",
    "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE DOMAIN short AS varchar(5)",
    "CREATE SEQUENCE numbers",
)


@pytest.fixture
def database(database_url: str) -> str:
    """A database with one row and some pending steps."""
    command.upgrade(console_config(database_url), BEHIND)
    run_sql(
        database_url, "INSERT INTO accounts VALUES ('00000000000000000000000000000001', 'A', '2026-01-01 00:00:00')"
    )
    return database_url


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to which a step can be added."""
    return reused_copy(tmp_path)


def test_a_role_that_may_not_create_databases_gets_advice(
    postgres_server: str, postgres_url: str, backup_folder: Path
) -> None:
    command.upgrade(console_config(postgres_url), BEHIND)
    name = f"Role of {parse_url(postgres_url).database}"
    role = f'"{name}"'
    superuser = sa.make_url(postgres_url)
    if "TEST_DATABASE_URL" not in os.environ:
        superuser = superuser.set(username="postgres")
    url = superuser.render_as_string(hide_password=False)
    run_sql(url, f"CREATE ROLE {role} LOGIN PASSWORD 'x'", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    try:
        with pytest.raises(
            CommandError, match=rf"may not create databases\..*ALTER ROLE {role} CREATEDB.*--scratch-url"
        ):
            rehearse(parse_url(postgres_url).set(username=name, password="x"), backup_folder, None)
    finally:
        run_sql(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_scratch_database_that_is_in_use_is_refused(database: str, backup_folder: Path) -> None:
    with pytest.raises(CommandError, match="must be empty, and must not be"):
        rehearse(parse_url(database), backup_folder, parse_url(database))

    assert fetch_rows(database, "SELECT count(*) FROM accounts") == [(1,)]


def test_a_scratch_database_of_another_type_is_refused(database: str, backup_folder: Path, tmp_path: Path) -> None:
    other = {"sqlite": "postgresql://u@127.0.0.1:1/x", "postgresql": f"sqlite:///{tmp_path / 'x.db'}"}
    kind = parse_url(database).get_backend_name()

    with pytest.raises(CommandError, match="the same type as"):
        rehearse(parse_url(database), backup_folder, parse_url(other[kind]))


def test_at_head_there_is_nothing_to_rehearse(schema_url: str, backup_folder: Path) -> None:
    rehearsal = rehearse(parse_url(schema_url), backup_folder, None)

    assert (rehearsal.runs, rehearsal.problems) == ([], [])
    assert list(rehearsal_lines(rehearsal)) == ["No step is pending, so there is nothing to rehearse."]
    assert not backup_folder.exists()


def test_pending_steps_go_up_down_and_up_on_a_copy_only(database: str, backup_folder: Path) -> None:
    before = read_schema(database)

    rehearsal = rehearse(parse_url(database), backup_folder, None)

    assert rehearsal.problems == []
    # The pending steps contain fills, which run again when the deployment is finished.
    phases = [(run.direction, run.phase) for run in rehearsal.runs if run.times]
    assert phases == [("up", "deploy"), ("down", None), ("up again", "deploy")]
    assert len({len(run.times) for run in rehearsal.runs if run.times}) == 1
    assert [(run.direction, run.fills > 0) for run in rehearsal.runs if not run.times] == [
        ("up", True),
        ("up again", True),
    ]
    assert read_schema(database) == before
    assert fetch_rows(database, "SELECT version_num FROM alembic_version") == [(BEHIND,)]
    assert _is_clean(database, backup_folder)


def test_the_remains_of_a_killed_rehearsal_are_reported(
    database: str, backup_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = backup_folder / ".rehearsal-left"
    folder.mkdir(parents=True)
    with scratch_database(parse_url(database), None, tmp_path) as left:
        rehearse(parse_url(database), backup_folder, None)

    output = capsys.readouterr().err
    assert f"rm -r {folder}" in output
    assert database.startswith("sqlite") or f'DROP DATABASE "{left.database}"' in output


def test_a_given_scratch_database_is_empty_afterwards(
    postgres_server: str, postgres_url: str, backup_folder: Path
) -> None:
    command.upgrade(console_config(postgres_url), BEHIND)
    run_sql(postgres_url, *OTHER_OBJECTS)
    with postgres.database(postgres_server) as scratch_url:
        empty = read_schema(scratch_url)

        for _ in range(2):
            rehearsal = rehearse(parse_url(postgres_url), backup_folder, parse_url(scratch_url))

            assert rehearsal.problems == []
            assert read_schema(scratch_url) == empty


def test_a_scratch_database_is_removed_while_autovacuum_runs_in_it(tmp_path: Path) -> None:
    slow = {"naptime": "1s", "vacuum_threshold": "0", "vacuum_cost_delay": "100ms", "vacuum_cost_limit": "1"}
    with postgres.cluster(**{f"autovacuum_{name}": value for name, value in slow.items()}) as cluster:
        url = parse_url(cluster.url)
        with scratch_database(url, None, tmp_path) as made:
            as_superuser = made.set(username="postgres").render_as_string()
            run_sql(as_superuser, "CREATE TABLE t AS SELECT generate_series(1, 20000)", "DELETE FROM t")
            run_sql(as_superuser, "SET statement_timeout = '60s'", WAIT_FOR_AUTOVACUUM)

        assert fetch_rows(cluster.url, "SELECT count(*) FROM pg_database WHERE datname LIKE '%%scratch%%'") == [(0,)]


@pytest.mark.long
def test_two_last_migrations_are_refused_before_anything_is_copied(
    sqlite_schema_url: str, project: Path, backup_folder: Path
) -> None:
    _add_step(project, "pass", "pass")
    new = project / "migrations" / "versions" / "ffff00000000_new.py"
    new.with_name("eeee00000000_new.py").write_text(new.read_text().replace("ffff00000000", "eeee00000000"))

    run = _rehearse(project, sqlite_schema_url)

    assert (run.returncode, "flask db merge heads" in run.stderr) == (1, True), run.stderr
    assert not backup_folder.exists()


def test_differences_after_upgrade_and_downgrade_are_reported(
    database: str, project: Path, backup_folder: Path
) -> None:
    up = "op.execute('DELETE FROM accounts'); op.create_index('ix_new', 'accounts', ['name'], if_not_exists=True)"
    _add_step(project, up, "op.add_column('accounts', sa.Column('odd', sa.Integer()))")

    run = _rehearse(project, database)

    problems = Rehearsal(**json.loads(run.stdout)).problems
    assert run.returncode == 1
    assert any(text.startswith("After up and down rows of accounts differ: 1 before, 0 after") for text in problems)
    assert any("index ix_new of accounts differ: none before" in text for text in problems)
    assert any("column odd of accounts differ: none before" in text for text in problems)
    assert fetch_rows(database, "SELECT count(*) FROM accounts") == [(1,)]
    assert _is_clean(database, backup_folder)


@pytest.mark.long
@pytest.mark.parametrize(
    ("up", "down", "run_name"), [("op.execute('NONSENSE')", "pass", "up"), ("pass", "1 / 0", "down")]
)
def test_a_failed_step_is_reported_and_the_copy_is_removed(
    postgres_url: str, project: Path, backup_folder: Path, up: str, down: str, run_name: str
) -> None:
    command.upgrade(console_config(postgres_url), BEHIND)
    _add_step(project, up, down.replace("1 / 0", "raise NotImplementedError('no way back')"))

    run = _rehearse(project, postgres_url)

    assert run.returncode == 1
    assert f"Error: On the copy, {run_name}: " in run.stderr.splitlines()[-1]
    assert "The real database was not touched." in run.stderr
    assert _is_clean(postgres_url, backup_folder)


@pytest.mark.long
def test_the_copy_is_removed_after_sigterm(postgres_url: str, project: Path, backup_folder: Path) -> None:
    command.upgrade(console_config(postgres_url), BEHIND)
    _add_step(project, "print('sleeping', flush=True); op.execute('SELECT pg_sleep(600)')", "pass")

    with _start(project, postgres_url) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "sleeping\n"
        run.send_signal(signal.SIGTERM)
        try:
            run.communicate(timeout=60)
        finally:
            run.kill()

    assert run.returncode not in (0, -signal.SIGTERM)
    assert _is_clean(postgres_url, backup_folder)


def _add_step(project: Path, up: str, down: str) -> None:
    (file,) = (project / "migrations" / "versions").glob(f"{HEAD}_*")
    file.with_name("ffff00000000_new.py").write_text('"""new"""' + STEP.format(head=HEAD, up=up, down=down))


def _start(project: Path, url: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONWARNINGS": "error"}
    words = [sys.executable, "-m", "flask", "db", "rehearse", "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=project, env=environment, stdout=pipe, stderr=pipe, text=True)


def _rehearse(project: Path, url: str) -> subprocess.CompletedProcess[str]:
    with _start(project, url) as run:
        out, err = run.communicate(timeout=120)
    return subprocess.CompletedProcess(run.args, run.returncode, out, err)


def _is_clean(url: str, backup_folder: Path) -> bool:
    if parse_url(url).get_backend_name() == "postgresql":
        name = f"{parse_url(url).database}"[:40]
        assert fetch_rows(url, f"SELECT count(*) FROM pg_database WHERE datname LIKE '{name}\\_scratch\\_%%'") == [(0,)]
    return list(backup_folder.iterdir()) == []


@pytest.mark.long
def test_both_phases_and_the_second_pass_of_fills_are_rehearsed(
    tmp_path: Path, schema_url: str, flask_db: FlaskDb
) -> None:
    run_sql(schema_url, "CREATE TABLE t (id integer PRIMARY KEY, a integer)", "INSERT INTO t VALUES (1, 10), (2, 20)")
    run_sql(schema_url, "DELETE FROM applied_steps")
    project = Project(tmp_path, schema_url)
    project.revision(HEAD, "pass")
    project.revision("fill", "op.add_column('t', sa.Column('b', sa.Integer()))\n" + FILL, DROP)
    assert flask_db(schema_url, "deploy", project=project).exit_code == 0
    run_sql(schema_url, "INSERT INTO t (id, a) VALUES (3, 30)")
    marked = project.revision("not_null", "op.set_not_null('t', 'b')", NULLABLE)
    marked.write_text(f"{marked.read_text()}\nafter_release = True\n")
    project.revision("later", "op.create_index('ix_t_b', 't', ['b'])", "op.drop_index('ix_t_b', 't')")

    run = flask_db(schema_url, "rehearse", "--json", project=project)

    runs = json.loads(run.stdout)["runs"]
    assert [(one["direction"], one["phase"], len(one["times"]), one["filled"]) for one in runs] == [
        ("up", "finish", 1, 1),
        ("up", "deploy", 1, 0),
        ("down", None, 2, 0),
        ("up again", "finish", 1, 0),
        ("up again", "deploy", 1, 0),
    ]
    lines = flask_db(schema_url, "rehearse", project=project).stdout.splitlines()
    assert lines[0].startswith("flask db deploy --finish: 1 fill again, which filled 1 row; 1 step in ")
    assert lines[1].startswith("flask db deploy: 1 step in ")
    assert lines[2].startswith("Rehearsed 2 steps on a copy of the data: up in ")
    assert fetch_rows(schema_url, "SELECT count(*) FROM t WHERE b IS NULL") == [(1,)]
