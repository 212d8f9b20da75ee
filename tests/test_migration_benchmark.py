"""`make bench-migrations` with few rows: two releases serve through every step, and no request fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agents_app.paths import ROOT
from benchmarks.migrations.changes import CHANGES
from benchmarks.migrations.releases import OLD_COMMIT
from tests.project import PARTS, copy_project

FEW = ("--agents", "2000", "--rate", "10", "--rest", "2")


def table_rows(output: str) -> dict[str, list[str]]:
    """The cells of each line of the last table, by the first one."""
    table = output[output.rindex("| what happens |") :]
    lines = [re.split(r" ?\| ?", line)[1:-1] for line in table.splitlines()[2:] if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in lines}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with its history, which no program may read in the checkout."""
    has_history = (ROOT / ".git").is_dir()
    copy = copy_project(tmp_path / "project", (*PARTS, "benchmarks", *([".git"] if has_history else [])))
    known = ["git", "cat-file", "-e", OLD_COMMIT]
    if not has_history or subprocess.run(known, check=False, cwd=copy, capture_output=True).returncode:
        missing = f"The history of the project does not have {OLD_COMMIT}."
        pytest.fail(missing) if os.environ.get("REQUIRE_ALL") else pytest.skip(missing)
    return copy


@pytest.mark.long
def test_no_request_fails_while_steps_and_everyday_changes_are_deployed(project: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(project.parent)}
    command = [sys.executable, "-m", "benchmarks.migrations", *FEW]

    done = subprocess.run(command, check=False, cwd=project, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    rows = table_rows(done.stdout)
    assert {cells[3] for cells in rows.values()} == {"0"}
    assert {"nothing, before", "`fill_runtime_reads`", "`fold_agent_search_text`"} <= rows.keys()
    assert {change.title for change in CHANGES} <= {name.partition(": deploy")[0] for name in rows}
    assert " requests in all, 0 failed." in done.stdout
