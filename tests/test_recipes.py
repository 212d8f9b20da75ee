"""The recipes of CONTRIBUTING.md, followed as they are written, one after the other in one copy of the project.

Everything comes from the document. A block `diff FILE` adds lines to a file, a block `python FILE` is a new file, and
the lines of a block `sh` are typed. Each recipe ends with its nearest tests, which must pass in the copy. Tests that a
later recipe runs too are run there only.
"""

import os
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

from agents_app.paths import ROOT
from tests.project import PARTS, copy_project

RECIPES = ("Add a field to agents", "Add a connection type", "Add a migration")
APP = ROOT / "agents_app"
NOT_IN_A_CLONE = {"instance/", "backups/", ".venv/releases/"}
PLACES = (ROOT, APP, APP / "dbtools", *(ROOT / "benchmarks").iterdir())
BLOCK = re.compile(r"^ *```(\w+) ?(\S*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a recipe."""

    language: str
    file: str
    text: str


def blocks_of(recipe: str) -> list[Block]:
    """The blocks of one section of CONTRIBUTING.md."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    section = page.partition(f"\n## {recipe}\n")[2].partition("\n## ")[0]
    return [Block(match[1], match[2], _without_indent(match[3])) for match in BLOCK.finditer(section)]


def _without_indent(text: str) -> str:
    # Blocks belong to the items of a list, which are indented by three spaces.
    return re.sub(r"^ {3}", "", text, flags=re.MULTILINE)


def change(path: Path, difference: str) -> None:
    """Add the lines marked with `+` to the file, next to the other lines, which must be there exactly once."""
    lines = [(line[:1], line[1:] + "\n") for line in difference.splitlines()]
    assert {mark for mark, _ in lines} == {" ", "+"}, difference
    present = "".join(text for mark, text in lines if mark == " ")
    content = path.read_text()
    assert f"\n{content}".count(f"\n{present}") == 1, f"{path.name} does not contain once:\n{present}"
    path.write_text(content.replace(present, "".join(text for _, text in lines)))


def run(lines: str, folder: Path, server: str) -> None:
    """Type the lines into a shell in this folder; each of them must succeed. Its tests use this PostgreSQL server."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder.parent),
        "LANG": "C.UTF-8",
        "TEST_DATABASE_URL": server,
    }
    words = ["bash", "-e", "-o", "pipefail", "-c", lines]
    done = subprocess.run(words, check=False, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{lines}\n{done.stdout[-6_000:]}\n{done.stderr[-2_000:]}"


def without_repeated_tests(blocks: list[Block]) -> list[Block]:
    """The blocks without the lines whose tests are among those of a later line. The copy has more changes there."""
    tests = [line for block in blocks for line in block.text.splitlines() if line.startswith("pytest ")]
    repeated = {
        line
        for number, line in enumerate(tests, 1)
        if any(set(line.split()) < set(later.split()) for later in tests[number:])
    }
    return [
        block._replace(text="".join(line for line in block.text.splitlines(True) if line.strip() not in repeated))
        for block in blocks
    ]


def follow(blocks: list[Block], folder: Path, server: str) -> None:
    """Do in this folder what the blocks say, in their order."""
    for block in blocks:
        if block.language == "diff":
            change(folder / block.file, block.text)
        elif block.language == "python":
            assert not (folder / block.file).exists()
            (folder / block.file).parent.mkdir(exist_ok=True)
            (folder / block.file).write_text(block.text)
        else:
            assert (block.language, block.file) == ("sh", "")
            run(block.text, folder, server)


def test_every_file_that_contributing_names_is_there() -> None:
    page = re.sub(r"^ *```.*?^ *```$", "", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    names = set(re.findall(r"`([\w.-][\w./-]*(?:\.py|\.md|\.css|\.html|/))`", page)) - NOT_IN_A_CLONE

    missing = [name for name in sorted(names) if not any((folder / name).exists() for folder in PLACES)]

    assert len(names) > 40
    assert missing == []


@pytest.mark.long
def test_the_recipes_of_contributing_work_as_they_are_written(tmp_path: Path, postgres_server: str) -> None:
    blocks = [blocks_of(recipe) for recipe in RECIPES]
    folder = copy_project(tmp_path / "project", (*PARTS, "docs"))

    follow(without_repeated_tests(list(chain.from_iterable(blocks))), folder, postgres_server)
    run("ruff check . && ruff format --check . && mypy", folder, postgres_server)

    assert all(block.language == "sh" and "pytest " in block.text for *_, block in blocks)
