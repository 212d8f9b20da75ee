"""`make bench-runtimes` with few runtimes and few seconds: every request is answered, and the tables are complete."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import shared_copy

FEW = "--runtimes 20 --agents 3 --interval 2 --seconds 4 --changes 2 --fetches 30".split()


@pytest.mark.long
def test_runtimes_that_ask_get_what_has_changed(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "benchmarks.runtimes", *FEW]

    done = subprocess.run(command, check=False, cwd=shared_copy(), env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "Failed: none" in done.stdout
    answered = dict(re.findall(r"^\| ([a-z_ ]+[a-z_,0-9 ]*) \| ([\d,]+) \|", done.stdout, re.MULTILINE))
    assert (answered["checks"], answered["changes"], answered["fetches one by one, 304"]) == ("40", "8", "30")
    assert int(answered["fetches of what changed"]) > 0
    assert {"api_tokens", "runtime_reads"} <= answered.keys()
