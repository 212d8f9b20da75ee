"""Rows are saved before a step drops them. If they cannot be saved, nothing is dropped."""

import json
import os
import resource
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError

from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import Project, console_config, create_engine, fetch_rows, run_sql
from tests.fork_server import LANGUAGE, programs
from tests.project import shared_copy

TABLE = "op.create_table('t', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('a', sa.Text()))"
DROP_COLUMN = "with op.batch_alter_table('t') as batch:\n    batch.drop_column('a')"
DROP_TABLE = "op.drop_table('t')"


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """A table `t` that later migrations change, on SQLite and on PostgreSQL."""
    return _project(tmp_path, database_url)


@pytest.fixture
def postgres_project(tmp_path: Path, postgres_url: str) -> Project:
    """A table `t` on PostgreSQL."""
    return _project(tmp_path, postgres_url)


def _project(folder: Path, url: str) -> Project:
    project = Project(folder, url)
    project.revision("one", TABLE)
    command.upgrade(project.config(), "head")
    return project


@pytest.mark.parametrize("drop", [DROP_TABLE, DROP_COLUMN])
def test_nothing_is_dropped_if_the_rows_cannot_be_saved(project: Project, backup_folder: Path, drop: str) -> None:
    run_sql(project.url, "INSERT INTO t VALUES (1, 'x')")
    backup_folder.write_text("a file in place of the folder")
    project.revision("two", drop)

    with pytest.raises(CommandError, match=r"was not dropped: its rows cannot be saved in .*: File exists") as refusal:
        command.upgrade(project.config(), "head")

    assert "--no-backup" in str(refusal.value)
    assert "Set BACKUP_FOLDER to a folder" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert fetch_rows(project.url, "SELECT * FROM t") == [(1, "x")]


def test_a_deployment_whose_rows_cannot_be_saved_names_the_option_that_saves_none(
    project: Project, backup_folder: Path, flask_db: FlaskDb
) -> None:
    run_sql(project.url, "INSERT INTO t VALUES (1, 'x')")
    backup_folder.write_text("a file in place of the folder")
    project.revision("two", DROP_TABLE)
    words = ("deploy", "--no-backup", "--yes")

    refused = flask_db(project.url, *words, project=project)

    assert (refused.exit_code, "To save no rows: -x no_backup=1 with deploy" in refused.stderr) == (1, True)
    assert "unless you use -x no_backup=1." in refused.stdout
    flask_db(project.url, *words, "-x", "no_backup=1", project=project)
    assert "two" in fetch_rows(project.url, "SELECT version_num FROM alembic_version")[0]


def test_a_full_disk_drops_nothing_and_leaves_no_file(project: Project, backup_folder: Path) -> None:
    run_sql(project.url, f"INSERT INTO t VALUES (1, '{'x' * 300_000}')")
    project.revision("two", DROP_TABLE)
    backup_folder.mkdir()

    with _file_size_limit(200_000, project.url), pytest.raises(CommandError, match="File too large"):
        command.upgrade(project.config(), "head")

    assert fetch_rows(project.url, "SELECT count(*) FROM t") == [(1,)]
    assert list(backup_folder.iterdir()) == []


@pytest.mark.parametrize("drop", [DROP_TABLE, DROP_COLUMN])
def test_saved_rows_of_a_step_that_fails_later_are_removed(project: Project, backup_folder: Path, drop: str) -> None:
    run_sql(project.url, "INSERT INTO t VALUES (1, 'x')")
    project.revision("two", f"{drop}\nop.execute('SELECT nonsense')")

    with pytest.raises(CommandError, match="nonsense"):
        command.upgrade(project.config(), "head")

    assert fetch_rows(project.url, "SELECT * FROM t") == [(1, "x")]
    assert list(backup_folder.iterdir()) == []


def test_saved_rows_of_a_committed_part_are_kept_when_the_rest_of_the_step_fails(
    postgres_project: Project, backup_folder: Path
) -> None:
    run_sql(postgres_project.url, "INSERT INTO t VALUES (1, 'x')", "CREATE TABLE other (b integer)")
    committing = "op.create_index_concurrently('ix', 'other', ['b'])"
    postgres_project.revision("two", f"{DROP_TABLE}\n{committing}\nop.execute('SELECT nonsense')")

    with pytest.raises(CommandError, match="nonsense"):
        command.upgrade(postgres_project.config(), "head")

    assert _saved(backup_folder) == {"001-t.jsonl": [["1", "x"]]}


def test_a_step_with_two_attempts_saves_its_rows_once(postgres_project: Project, backup_folder: Path) -> None:
    run_sql(postgres_project.url, "INSERT INTO t VALUES (1, 'x')", "CREATE SEQUENCE tries")
    blocked_once = "IF nextval('tries') = 1 THEN RAISE EXCEPTION 'locked out' USING ERRCODE = '55P03'; END IF;"
    postgres_project.revision("two", f'{DROP_TABLE}\nop.execute("DO $$ BEGIN {blocked_once} END $$")')

    command.upgrade(postgres_project.config(), "head")

    assert list(_saved(backup_folder).values()) == [[["1", "x"]]]


def test_no_row_can_be_added_between_saving_and_dropping(
    postgres_project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    run_sql(postgres_project.url, "INSERT INTO t VALUES (1, 'x')")
    postgres_project.revision("two", DROP_TABLE)
    config = postgres_project.config()
    config.cmd_opts = Namespace(x=["verbose=1"])

    command.upgrade(config, "head")

    output = capfd.readouterr().err
    locked = output.index('LOCK TABLE "t" IN ACCESS EXCLUSIVE MODE')
    assert locked < output.index("SELECT CAST(id AS TEXT)") < output.index("DROP TABLE t")


@pytest.mark.parametrize("drop", [DROP_TABLE, DROP_COLUMN, "op.drop_table('not_there', if_exists=True)"])
def test_no_file_is_created_if_there_is_nothing_to_save(project: Project, backup_folder: Path, drop: str) -> None:
    if drop == DROP_COLUMN:
        run_sql(project.url, "INSERT INTO t VALUES (1, NULL)")
    project.revision("two", drop)

    command.upgrade(project.config(), "head")

    assert not backup_folder.exists()


def test_only_the_owner_can_read_saved_rows(project: Project, backup_folder: Path) -> None:
    run_sql(project.url, "INSERT INTO t VALUES (1, 'x')")
    project.revision("two", DROP_TABLE)

    command.upgrade(project.config(), "head")

    (folder,) = backup_folder.iterdir()
    (file,) = folder.iterdir()
    assert [path.stat().st_mode & 0o777 for path in (backup_folder, folder, file)] == [0o700, 0o700, 0o600]


def test_two_runs_in_the_same_second_use_two_folders(project: Project, backup_folder: Path) -> None:
    project.revision("two", DROP_TABLE, TABLE)
    for value in ("first", "second"):
        run_sql(project.url, f"INSERT INTO t VALUES (1, '{value}')")
        command.upgrade(project.config(), "head")
        command.downgrade(project.config(), "one")

    assert sorted(rows[0][1] for rows in _saved(backup_folder).values()) == ["first", "second"]
    assert len(list(backup_folder.iterdir())) == 2


def test_each_column_is_saved_with_its_key(project: Project, backup_folder: Path) -> None:
    run_sql(project.url, "INSERT INTO t VALUES (1, 'x'), (2, NULL)")
    project.revision("two", DROP_COLUMN)

    command.upgrade(project.config(), "head")

    ((name, rows),) = _saved(backup_folder).items()
    assert name == "001-t.a.jsonl"
    assert [[str(key), value] for key, value in rows] == [["1", "x"], ["2", None]]


def test_an_sql_script_says_that_it_saves_nothing(sqlite_url: str) -> None:
    config = console_config(sqlite_url)
    config.output_buffer = StringIO()

    command.downgrade(config, "18ad6f3c902e:e7c49a1056bf", sql=True)

    assert "-- This script takes no backup of the table encryption_keys" in config.output_buffer.getvalue()


@pytest.mark.parametrize(
    ("words", "is_saved"),
    [
        ("flask db downgrade e7c49a1056bf", True),
        ("flask db downgrade --no-backup e7c49a1056bf", False),
        ("alembic downgrade e7c49a1056bf", True),
        ("alembic -x no_backup=1 downgrade e7c49a1056bf", False),
    ],
)
def test_both_command_lines_save_rows_unless_the_option_disables_it(
    sqlite_schema_url: str, backup_folder: Path, words: str, is_saved: bool
) -> None:
    run_sql(sqlite_schema_url, "INSERT INTO encryption_keys VALUES ('k1', 'value', '2026-01-01 00:00:00')")

    output = _run(words, sqlite_schema_url)

    assert backup_folder.exists() == is_saved
    assert ("Saved 1 row of table encryption_keys in" in output) == is_saved
    if is_saved:
        (folder,) = backup_folder.iterdir()
        assert output.strip().splitlines()[-1].endswith(f"flask db restore-rows {folder}")


def _run(words: str, url: str) -> str:
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONWARNINGS": "error", "LANG": LANGUAGE}
    run = subprocess.run(
        [programs() / "python", "-m", *words.split()],
        cwd=shared_copy(),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stderr


def _saved(folder: Path) -> dict[str, list[list[object]]]:
    rows: dict[str, list[list[object]]] = {}
    for number, path in enumerate(sorted(folder.glob("*/*"))):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines[-1] == {"rows": len(lines) - 2}
        rows[path.name if path.name not in rows else f"{number}-{path.name}"] = lines[1:-1]
    return rows


@contextmanager
def _file_size_limit(size: int, url: str) -> Iterator[None]:
    # SQLite's own files must stay below the limit.
    with create_engine(url).connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
