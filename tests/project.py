"""Copies of the project, in which tests run its commands as processes (`isolation.py`)."""

import shutil
from functools import cache
from pathlib import Path

from agents_app.paths import ROOT
from tests.isolation import HOME

PARTS = ("agents_app", "migrations", "static", "templates", "tests", ".squawk.toml", "pyproject.toml", "wsgi.py")


def copy_project(folder: Path, parts: tuple[str, ...] = PARTS) -> Path:
    """Copy the project without data and settings into a folder, which need not exist, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in parts:
        source = ROOT / name
        if source.is_dir():
            # Another process may be renaming a file that it has compiled.
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy2(source, folder)
    return folder


@cache
def shared_copy() -> Path:
    """A copy that all tests of one process share, for commands that change nothing in it."""
    return copy_project(HOME / "project")
