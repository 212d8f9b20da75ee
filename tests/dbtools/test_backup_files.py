"""The file of a backup: it gets its name when it is whole, replaces no other, and nothing is left of one that fails."""

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

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'of_others'::regclass"


class Standing(datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz: tzinfo | None = UTC) -> "Standing":
        """The same moment every time."""
        return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)


def test_backups_of_one_second_have_names_of_their_own(
    schema_url: str, backup_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "datetime", Standing)

    first, second = (backups.create_backup(parse_url(schema_url), backup_folder).file for _ in range(2))

    assert second.stem == f"{first.stem}-2"
    assert {first, second} == set(backup_folder.iterdir())


def test_where_room_runs_out_it_is_told_and_nothing_is_left(schema_url: str, backup_folder: Path) -> None:
    run_sql(schema_url, "CREATE TABLE wide (a text)", f"INSERT INTO wide VALUES ('{_random_text()}')")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(CommandError) as refusal:
            backups.create_backup(parse_url(schema_url), backup_folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert str(refusal.value).startswith(f"No backup was written to {backup_folder}: ")
    assert list(backup_folder.iterdir()) == []


def test_a_deployment_that_is_told_to_end_leaves_nothing_of_its_backup(postgres_url: str, backup_folder: Path) -> None:
    command.upgrade(console_config(postgres_url), GUIDE_REVISION)
    run_sql(postgres_url, "CREATE TABLE of_others (a integer)")

    with create_engine(postgres_url).connect() as connection:
        # The backup waits for this lock, so that it is still going on when it is told to end.
        connection.exec_driver_sql("LOCK TABLE of_others")
        with _started("deploy", postgres_url) as run:
            while not connection.exec_driver_sql(WAITING).scalar():
                assert run.poll() is None
            run.send_signal(signal.SIGTERM)
            _, told = run.communicate(timeout=60)

    assert run.returncode == 1
    assert "Aborted!" in told
    assert list(backup_folder.iterdir()) == []


def _started(words: str, url: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONWARNINGS": "error"}
    line = [sys.executable, "-m", "flask", "db", *words.split()]
    return subprocess.Popen(
        line, cwd=shared_copy(), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _random_text() -> str:
    # What a backup cannot press together.
    return os.urandom(300_000).hex()
