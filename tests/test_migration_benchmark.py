"""`make bench-migrations` with few rows: two releases serve through every step, and no request fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.migrations.changes import CHANGES
from tests.project import copy_project

FEW = ("--agents", "1000", "--rate", "10", "--rest", "1")
LAST_STEP = "add_filter_indexes"


def table_rows(output: str) -> dict[str, list[str]]:
    """The cells of each line of the last table, by the first one."""
    table = output[output.rindex("| what happens |") :]
    lines = [re.split(r" ?\| ?", line)[1:-1] for line in table.splitlines()[2:] if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in lines}


@pytest.fixture
def projects(tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the project, and one without its last step, which takes the place of the release before.

    The real one needs the history of the project, which a copy of its files does not have.
    """
    copy, before = (copy_project(tmp_path / name) for name in ("project", "before"))
    for file in (before / "migrations/versions").glob(f"*_{LAST_STEP}.py"):
        file.unlink()
    return copy, before


@pytest.mark.long
def test_no_request_fails_while_steps_and_everyday_changes_are_deployed(projects: tuple[Path, Path]) -> None:
    project, before = projects
    environment = {"PATH": os.environ["PATH"], "HOME": str(project.parent)}
    command = [sys.executable, "-m", "benchmarks.migrations", *FEW, "--old-release", str(before)]

    done = subprocess.run(command, check=False, cwd=project, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    rows = table_rows(done.stdout)
    assert {cells[3] for cells in rows.values()} == {"0"}
    assert {"nothing, before", f"`{LAST_STEP}`"} <= rows.keys()
    assert {change.title for change in CHANGES} <= {name.partition(": deploy")[0] for name in rows}
    assert " requests in all, 0 failed." in done.stdout
