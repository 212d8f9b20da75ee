"""Long operations show a progress bar at a terminal."""

import os
import pty
import subprocess
from pathlib import Path

from alembic import command

from agents_app.database.url import parse_url
from agents_app.dbtools.backup import backups
from tests.dbtools.tools import GUIDE_REVISION, console_config, run_sql
from tests.fork_server import LANGUAGE, programs
from tests.project import shared_copy

ID = "00000000000000000000000000000001"
AGENT = f"""
INSERT INTO agents (id, name, connection_type, connection_config, account_id, created_at)
VALUES ('{ID}', 'A', 'DB', '{{}}', '{ID}', '2026-01-01 00:00:00')
"""


def test_the_progress_bar_of_a_restore_reaches_100_percent(
    postgres_schema_url: str, postgres_url: str, tmp_path: Path
) -> None:
    file = backups.create_backup(parse_url(postgres_schema_url), tmp_path).file

    assert "100%" in _stderr_at_terminal(f"restore {file}", postgres_url)


# The next step changes the column that is restored here.
FILLED_REVISION = "a5ecd374ab0b"


def test_filling_and_restoring_rows_shows_a_progress_bar(database_url: str, backup_folder: Path) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    run_sql(database_url, f"INSERT INTO accounts VALUES ('{ID}', 'A', '2026-01-01 00:00:00')", AGENT)

    filled = _stderr_at_terminal(f"upgrade {FILLED_REVISION}", database_url)
    command.downgrade(console_config(database_url), "61e7b29d3f0c")
    command.upgrade(console_config(database_url), FILLED_REVISION)
    (folder,) = backup_folder.iterdir()
    restored = _stderr_at_terminal(f"restore-rows {folder}", database_url)

    assert "Filling agents" in filled
    assert "Reading 001-agents.search_text.jsonl" in restored
    assert "100%" in filled
    assert "100%" in restored


def _stderr_at_terminal(words: str, url: str) -> str:
    terminal, end = pty.openpty()
    settings = {"DATABASE_URL": url, "PYTHONWARNINGS": "error", "TERM": "xterm", "LANG": LANGUAGE}
    environment = os.environ | settings
    line = [str(programs() / "flask"), "db", *words.split()]
    with subprocess.Popen(line, cwd=shared_copy(), env=environment, stdout=subprocess.DEVNULL, stderr=end) as run:
        os.close(end)
        output = _read(terminal)
    assert run.returncode == 0, output
    return output


def _read(terminal: int) -> str:
    output = b""
    try:
        while part := os.read(terminal, 10_000):
            output += part
    except OSError:
        # Linux raises this when the other end is closed.
        pass
    os.close(terminal)
    return output.decode()
