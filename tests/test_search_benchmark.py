"""`make bench-search` with few rows: it measures every search on both databases."""

import os
import subprocess
import sys

import pytest

from benchmarks.search.run import SEARCHES
from tests.isolation import HOME
from tests.project import shared_copy


@pytest.mark.long
def test_every_search_is_measured_with_the_index_and_without_it() -> None:
    command = [sys.executable, "-m", "benchmarks.search", "--rows", "300"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(HOME)}

    done = subprocess.run(command, check=False, cwd=shared_copy(), env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-4000:]
    lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert {name.rpartition(":")[0] for name, *_ in lines} >= SEARCHES.keys()
    assert {len(cells) for cells in lines} == {5}
