"""`make bench-migrations` with few rows: two releases serve through every step, and no request fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.migrations.changes import CHANGES
from tests.project import PARTS, copy_project

FEW = ("--agents", "2000", "--rate", "20", "--rest", "2")


def table_rows(output: str) -> dict[str, list[str]]:
    """The cells of each line of the last table, by the first one."""
    table = output[output.rindex("| what happens |") :]
    lines = [re.split(r" ?\| ?", line)[1:-1] for line in table.splitlines()[2:] if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in lines}


@pytest.mark.long
def test_no_request_fails_while_steps_and_everyday_changes_are_deployed(tmp_path: Path) -> None:
    # The release before comes from the history, which no program may read in the checkout.
    project = copy_project(tmp_path / "project", (*PARTS, "benchmarks", ".git"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "benchmarks.migrations", *FEW]

    done = subprocess.run(command, check=False, cwd=project, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    rows = table_rows(done.stdout)
    assert {cells[3] for cells in rows.values()} == {"0"}
    deployed = {name.partition(": deploy")[0] for name in rows}
    assert {"nothing, before", "`fill_runtime_reads`", "`fold_agent_search_text`"} <= rows.keys()
    assert {change.title for change in CHANGES} <= deployed
    assert "0 failed" in done.stdout
