"""Migrations that run at the same time, are killed, or are blocked leave nothing incomplete and lose no rows."""

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import create_sqlite_file
from agents_app.dbtools.database.postgresql import MIGRATION_LOCK
from tests.dbtools.tools import Project, console_config, create_engine, fetch_rows, read_schema, run_sql
from tests.project import shared_copy

UPGRADE = [sys.executable, "-W", "error", "-m", "alembic", "upgrade", "head"]
FAMILY = (
    "CREATE TABLE parents (id integer PRIMARY KEY)",
    "CREATE TABLE children (id integer PRIMARY KEY, parent_id integer REFERENCES parents (id) ON DELETE CASCADE)",
    "INSERT INTO parents VALUES (1)",
    "INSERT INTO children VALUES (1, 1), (2, 1)",
)


VERSION_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE name = 'alembic_version'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE tablename = 'alembic_version'",
}
# A sequence keeps its value when the transaction is rolled back.
BLOCKED_ONCE = '''op.execute("""
    DO $$ BEGIN
        IF nextval('tries') = 1 THEN
            RAISE EXCEPTION 'locked out' USING ERRCODE = '55P03';
        END IF;
    END $$
""")'''


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """An empty folder of migrations, on an empty SQLite and PostgreSQL database."""
    return Project(tmp_path, database_url)


@pytest.fixture
def sqlite_project(tmp_path: Path, sqlite_url: str) -> Project:
    """An empty folder of migrations on SQLite."""
    return Project(tmp_path, sqlite_url)


@pytest.fixture
def postgres_project(tmp_path: Path, postgres_url: str) -> Project:
    """An empty folder of migrations on PostgreSQL."""
    return Project(tmp_path, postgres_url)


@pytest.mark.long
def test_of_five_concurrent_runs_one_applies_the_steps_and_all_succeed(database_url: str) -> None:
    runs = [_start(database_url) for _ in range(5)]
    outputs = [run.communicate(timeout=120)[1] for run in runs]

    assert [run.returncode for run in runs] == [0] * 5, outputs
    assert sum("Done: upgrade" in output for output in outputs) == 1
    command.check(console_config(database_url))


def test_a_failed_step_leaves_nothing_behind(project: Project) -> None:
    project.revision("one", "op.create_table('kept', sa.Column('a', sa.Integer()))")
    project.revision("two", "op.create_table('half', sa.Column('a', sa.Integer()))\nop.execute('SELECT nonsense')")

    with pytest.raises(CommandError, match="nonsense"):
        command.upgrade(project.config(), "head")

    assert "half" not in read_schema(project.url)["tables"]


def test_after_a_failed_step_was_fixed_the_next_run_completes(project: Project) -> None:
    project.revision("one", "op.create_table('kept', sa.Column('a', sa.Integer()))")
    broken = project.revision("two", "op.create_table('half', sa.Column('a', sa.Integer()))\nraise SystemExit(3)")
    with pytest.raises(SystemExit):
        command.upgrade(project.config(), "head")
    broken.write_text(broken.read_text().replace("raise SystemExit(3)", "pass"))

    command.upgrade(project.config(), "head")

    assert read_schema(project.url)["tables"].keys() == {"kept", "half"}


@pytest.mark.long
@pytest.mark.parametrize("statement", [1, 8, 21, 34, 47, 60])
def test_a_killed_upgrade_is_completed_by_the_next_run(database_url: str, statement: int) -> None:
    assert _killed_before(database_url, statement)

    command.upgrade(console_config(database_url, dbtools.Limits()), "head")

    command.check(console_config(database_url))


@pytest.mark.long
def test_an_upgrade_killed_at_any_statement_is_completed_by_the_next_run(
    request: pytest.FixtureRequest, database_url: str
) -> None:
    config = console_config(database_url, dbtools.Limits())
    statement = 0
    while _killed_before(database_url, statement):
        command.upgrade(config, "head")
        command.check(config)
        if statement % 10 == 0:
            command.downgrade(config, "base")
        else:
            _empty(database_url)
        statement += 1

    assert statement > 60


def test_a_blocked_step_reports_the_lock_holder_and_changes_nothing(postgres_project: Project) -> None:
    run_sql(postgres_project.url, *FAMILY)
    postgres_project.revision("one", "op.add_column('parents', sa.Column('b', sa.Integer()))")

    with _holding(postgres_project.url, "SELECT * FROM parents") as holder:
        pid = holder.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with pytest.raises(CommandError, match=f"Blocked by process {pid} ") as refusal:
            command.upgrade(postgres_project.config(), "head")

    assert "\n" not in str(refusal.value)
    assert [column["name"] for column in read_schema(postgres_project.url)["tables"]["parents"]["columns"]] == ["id"]


def test_a_step_waits_until_a_lock_is_released(postgres_schema_url: str) -> None:
    command.downgrade(console_config(postgres_schema_url), "0f96d3b7e815")

    with _holding(postgres_schema_url, "SELECT * FROM agents") as holder:
        run = _start(postgres_schema_url)
        assert "to release a lock." in _first_line_with(run, "Waiting for process")
        holder.rollback()
        run.communicate(timeout=60)

    assert run.returncode == 0
    command.check(console_config(postgres_schema_url))


def test_equal_lines_about_waiting_are_printed_once_and_counted(
    postgres_project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    run_sql(postgres_project.url, *FAMILY)
    postgres_project.revision("one", "op.add_column('parents', sa.Column('b', sa.Integer()))")
    waits = dbtools.Limits(migration_timeout=0, table_timeout=0.01, attempts=4, retry_delay=0)

    with _holding(postgres_project.url, "SELECT * FROM parents"), pytest.raises(CommandError, match="Blocked by"):
        command.upgrade(postgres_project.config(waits), "head")

    lines = capfd.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("Waiting for process")]) == 1
    assert "Waited 3 times in all." in lines


def test_downgrade_by_two_undoes_two_steps_even_if_the_second_needs_two_attempts(postgres_project: Project) -> None:
    run_sql(postgres_project.url, "CREATE SEQUENCE tries")
    for name in ("one", "two", "three"):
        postgres_project.revision(name, "pass", BLOCKED_ONCE if name == "two" else "pass")
    command.upgrade(postgres_project.config(), "head")

    command.downgrade(postgres_project.config(), "-2")

    assert fetch_rows(postgres_project.url, "SELECT version_num FROM alembic_version") == [("one",)]
    assert fetch_rows(postgres_project.url, "SELECT nextval('tries')") == [(3,)]


def test_a_second_migration_waits_for_the_first(postgres_url: str) -> None:
    with _holding(
        postgres_url, f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK.key[0]}, {MIGRATION_LOCK.key[1]})"
    ) as first:
        run = _start(postgres_url)
        _first_line_with(run, "Another migration is running: process")
        first.rollback()
        run.communicate(timeout=60)

    assert run.returncode == 0


def test_a_migration_that_waits_too_long_for_another_fails_in_one_line(postgres_url: str) -> None:
    with (
        _holding(postgres_url, f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK.key[0]}, {MIGRATION_LOCK.key[1]})"),
        pytest.raises(CommandError, match="Another migration is still running: process"),
    ):
        command.upgrade(console_config(postgres_url), "head")


def test_on_sqlite_a_migration_fails_in_one_line_while_another_process_writes(sqlite_schema_url: str) -> None:
    with create_engine(sqlite_schema_url).execution_options(console_begin="BEGIN IMMEDIATE").connect() as writer:
        writer.begin()
        with pytest.raises(CommandError, match="database is locked"):
            command.downgrade(console_config(sqlite_schema_url), "-1")


def test_a_command_that_only_reads_does_not_wait_for_the_migration_lock(postgres_schema_url: str) -> None:
    with _holding(
        postgres_schema_url, f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK.key[0]}, {MIGRATION_LOCK.key[1]})"
    ):
        command.current(console_config(postgres_schema_url))
        command.check(console_config(postgres_schema_url))


def test_a_command_that_only_reads_does_not_wait_for_a_writer(sqlite_url: str) -> None:
    with create_engine(sqlite_url).execution_options(console_begin="BEGIN IMMEDIATE").connect() as writer:
        writer.begin()
        command.current(console_config(sqlite_url))
        with pytest.raises(CommandError, match="not at head"):
            command.check(console_config(sqlite_url))


def test_a_command_that_only_reads_creates_no_version_table(database_url: str) -> None:
    with pytest.raises(CommandError):
        command.check(console_config(database_url))

    assert fetch_rows(database_url, VERSION_TABLES[parse_url(database_url).get_backend_name()]) == []


def test_a_rebuilt_table_keeps_its_child_rows(sqlite_project: Project) -> None:
    run_sql(sqlite_project.url, *FAMILY)
    sqlite_project.revision(
        "one", "with op.batch_alter_table('parents') as batch:\n    batch.create_check_constraint('positive', 'id > 0')"
    )

    command.upgrade(sqlite_project.config(), "head")

    assert fetch_rows(sqlite_project.url, "SELECT * FROM children") == [(1, 1), (2, 1)]


def test_a_step_that_leaves_rows_without_parents_is_refused(sqlite_project: Project) -> None:
    run_sql(sqlite_project.url, *FAMILY)
    sqlite_project.revision("one", "op.execute('DELETE FROM parents')")

    with pytest.raises(CommandError, match="2 of children without parents"):
        command.upgrade(sqlite_project.config(), "head")

    assert fetch_rows(sqlite_project.url, "SELECT * FROM parents") == [(1,)]


def test_rows_that_had_no_parent_before_are_accepted(sqlite_project: Project) -> None:
    run_sql(sqlite_project.url, *FAMILY)
    with sqlite3.connect(parse_url(sqlite_project.url).database or "") as connection:
        connection.execute("DELETE FROM parents")
    connection.close()
    sqlite_project.revision("one", "op.create_table('other', sa.Column('a', sa.Integer()))")

    command.upgrade(sqlite_project.config(), "head")

    assert "other" in read_schema(sqlite_project.url)["tables"]


def test_migrations_do_not_disable_loggers(sqlite_url: str) -> None:
    logger = logging.getLogger("another.program")

    command.upgrade(console_config(sqlite_url), "head")

    assert not logger.disabled


def _start(url: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DATABASE_URL": url}
    return subprocess.Popen(UPGRADE, cwd=shared_copy(), env=environment, stderr=subprocess.PIPE, text=True)


def _first_line_with(run: subprocess.Popen[str], text: str) -> str:
    assert run.stderr is not None
    return next(line for line in run.stderr if text in line)


@contextmanager
def _holding(url: str, statement: str) -> Iterator[Connection]:
    with create_engine(url).connect() as connection:
        connection.exec_driver_sql(statement)
        yield connection


def _killed_before(url: str, statement: int) -> bool:
    """Upgrade in a child process that is killed before its nth statement. Return False if the upgrade completed."""
    child = os.fork()
    if child == 0:
        _upgrade_until(url, statement)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _empty(url: str) -> None:
    # Faster than a downgrade.
    if url.startswith("postgresql"):
        run_sql(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    else:
        Path(parse_url(url).database or "").unlink()
        create_sqlite_file(parse_url(url))


def _upgrade_until(url: str, statement: int) -> None:
    remaining = iter(range(statement))
    event.listen(Engine, "before_cursor_execute", lambda *_: next(remaining, None) is None and os.kill(os.getpid(), 9))
    try:
        command.upgrade(console_config(url, dbtools.Limits()), "head")
    finally:
        os._exit(0)
