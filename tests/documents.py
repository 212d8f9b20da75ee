"""Reads the fenced blocks of a document, and types their commands as a reader does."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.fork_server import programs

BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The databases that `on=` names.
KINDS = {"both": ("sqlite", "postgresql"), "sqlite": ("sqlite",), "postgresql": ("postgresql",)}


@dataclass(frozen=True)
class Block:
    """A fenced block. `options` are the words after its language; `printed` is the `text` block directly after it."""

    page: str
    language: str
    options: dict[str, str]
    text: str
    line: int
    printed: str

    @property
    def place(self) -> str:
        """The document and the line of the block."""
        return f"{self.page}, line {self.line}"


def read_blocks(path: Path) -> list[Block]:
    """Every fenced block of a document, in order."""
    page = path.read_text()
    matches = list(BLOCK.finditer(page))
    blocks = []
    for match, later in pairwise([*matches, None]):
        is_next = later is not None and later[1] == "text" and page[match.end() : later.start()] == "\n"
        options = {word.partition("=")[0]: word.partition("=")[2] for word in match[2].split()}
        line = page.count("\n", 0, match.start()) + 1
        blocks.append(Block(path.name, match[1], options, match[3], line, later[3] if is_next and later else ""))
    return blocks


def type_lines(lines: str, folder: Path, settings: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Type lines into bash, in a folder; all but the last one must succeed."""
    environment = {
        "PATH": f"{programs()}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONWARNINGS": "error",
        "LANG": "C.UTF-8",
        "BACKUP_FOLDER": str(folder.parent / "backups"),
        **settings,
    }
    words = ["bash", "-c", f"set -e\n{lines.strip()}"]
    return subprocess.run(words, check=False, cwd=folder, env=environment, capture_output=True, text=True)


def missing_lines(block: Block, run: "subprocess.CompletedProcess[str]") -> list[str]:
    """The lines of the `text` block that were not printed; `...` means any text."""
    output = run.stdout + run.stderr
    return [
        line
        for line in block.printed.splitlines()
        if not re.search(".*".join(map(re.escape, line.split("..."))), output)
    ]
