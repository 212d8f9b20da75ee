"""The file of a backup gets its name when it is complete, replaces no other file, and is removed after an error."""

import os
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.backup import backups
from tests.dbtools.tools import GUIDE_REVISION, console_config, create_engine, run_sql
from tests.project import shared_copy

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'other_table'::regclass"


class FixedTime(datetime):
    """A clock that always shows the same time."""

    @classmethod
    def now(cls, tz: tzinfo | None = UTC) -> "FixedTime":
        """Return the same time on every call."""
        return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)


def test_two_backups_in_the_same_second_have_different_names(
    schema_url: str, backup_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "datetime", FixedTime)

    first, second = (backups.create_backup(parse_url(schema_url), backup_folder).file for _ in range(2))

    assert second.stem == f"{first.stem}-2"
    assert {first, second} == set(backup_folder.iterdir())


def test_a_full_disk_is_reported_and_no_file_remains(schema_url: str, backup_folder: Path) -> None:
    run_sql(schema_url, "CREATE TABLE wide (a text)", f"INSERT INTO wide VALUES ('{_random_text()}')")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(CommandError) as refusal:
            backups.create_backup(parse_url(schema_url), backup_folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert str(refusal.value).startswith(f"No backup was written to {backup_folder}: ")
    assert list(backup_folder.iterdir()) == []


def test_a_deployment_that_gets_sigterm_removes_its_incomplete_backup(postgres_url: str, backup_folder: Path) -> None:
    command.upgrade(console_config(postgres_url), GUIDE_REVISION)
    run_sql(postgres_url, "CREATE TABLE other_table (a integer)")

    with create_engine(postgres_url).connect() as connection:
        # The backup waits for this lock, so it is still running when the signal arrives.
        connection.exec_driver_sql("LOCK TABLE other_table")
        with _start("deploy", postgres_url) as run:
            while not connection.exec_driver_sql(WAITING).scalar():
                assert run.poll() is None
            run.send_signal(signal.SIGTERM)
            _, errors = run.communicate(timeout=60)

    assert run.returncode == 1
    assert "Aborted!" in errors
    assert list(backup_folder.iterdir()) == []


def _start(words: str, url: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONWARNINGS": "error"}
    line = [sys.executable, "-m", "flask", "db", *words.split()]
    return subprocess.Popen(
        line, cwd=shared_copy(), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _random_text() -> str:
    # Random data, which a backup cannot compress.
    return os.urandom(300_000).hex()
