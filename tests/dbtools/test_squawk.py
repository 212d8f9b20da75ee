"""Our own migrations, read by a linter that was written by somebody else."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

from alembic import command

from tests.dbtools.tools import console_config
from tests.project import shared_copy

SQUAWK = Path(sys.executable).with_name("squawk")


def _read(script: str) -> "subprocess.CompletedProcess[str]":
    words = [SQUAWK, "--config", shared_copy() / ".squawk.toml", "--reporter", "gcc"]
    return subprocess.run(words, check=False, input=script, capture_output=True, text=True, cwd=shared_copy())


def test_a_step_that_locks_writers_out_is_found() -> None:
    read = _read("CREATE INDEX ix_agents_name ON agents (name);")

    assert read.returncode != 0
    assert "require-concurrent-index-creation" in read.stdout


def test_nothing_is_found_in_ours() -> None:
    config = console_config("postgresql:///nowhere")
    config.output_buffer = StringIO()
    command.upgrade(config, "head", sql=True)

    read = _read(config.output_buffer.getvalue())

    assert read.returncode == 0, read.stdout
