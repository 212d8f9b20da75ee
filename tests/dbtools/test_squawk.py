"""The migrations of this project pass an independent linter."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

from alembic import command

from tests.dbtools.tools import console_config
from tests.project import shared_copy

SQUAWK = Path(sys.executable).with_name("squawk")


def _lint(script: str) -> "subprocess.CompletedProcess[str]":
    words = [SQUAWK, "--config", shared_copy() / ".squawk.toml", "--reporter", "gcc"]
    return subprocess.run(words, check=False, input=script, capture_output=True, text=True, cwd=shared_copy())


def test_a_step_that_blocks_writers_is_found() -> None:
    run = _lint("CREATE INDEX ix_agents_name ON agents (name);")

    assert run.returncode != 0
    assert "require-concurrent-index-creation" in run.stdout


def test_the_migrations_of_this_project_pass() -> None:
    config = console_config("postgresql:///nowhere")
    config.output_buffer = StringIO()
    command.upgrade(config, "head", sql=True)

    run = _lint(config.output_buffer.getvalue())

    assert run.returncode == 0, run.stdout
