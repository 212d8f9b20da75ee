"""Copies of the project, in which tests run its commands as processes (`isolation.py`)."""

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agents_app.paths import ROOT
from tests.isolation import HOME

FOLDERS = ("agents_app", "benchmarks", "deploy", "migrations", "static", "templates", "tests")
PARTS = (*FOLDERS, ".squawk.toml", "pyproject.toml", "wsgi.py")
COMPILED = "__pycache__"


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


def reused_copy(tmp_path: Path, name: str = "project") -> Path:
    """A copy as new, in a folder of this name that is alone in its parent, until the test with this `tmp_path` ends.

    Later tests get the same folder, without what earlier tests added to it, and with what they changed or removed.
    """
    for copy in _reused:
        if copy.folder.name == name and copy.tmp_path != tmp_path:
            copy.tmp_path = tmp_path
            copy.restore()
            return copy.folder
    # Not from the checkout, whose files can change while tests run.
    folder = HOME / f"reused-{len(_reused)}" / name
    shutil.copytree(shared_copy(), folder, ignore=shutil.ignore_patterns("*.pyc.*"))
    _reused.append(_Reused(folder, tmp_path, _state(folder)))
    return folder


@dataclass
class _Reused:
    folder: Path
    tmp_path: Path
    state: dict[Path, tuple[int, ...]]

    def restore(self) -> None:
        for path in (*self.folder.parent.iterdir(), *self.folder.iterdir()):
            if path != self.folder and path.name not in (*PARTS, COMPILED):
                _remove(path)
        found = _state(self.folder)
        for path in found.keys() - self.state.keys():
            _remove(path)
        # A folder comes before its files.
        for path in [path for path, state in self.state.items() if found.get(path) != state]:
            source = shared_copy() / path.relative_to(self.folder)
            if not (source.is_dir() and path.is_dir()):
                _remove(path)
            if source.is_dir():
                path.mkdir(exist_ok=True)
                shutil.copystat(source, path)
            else:
                shutil.copy2(source, path)
        assert _state(self.folder) == self.state


_reused: list[_Reused] = []


def _state(folder: Path) -> dict[Path, tuple[int, ...]]:
    # A folder has a new time when Python compiles its modules.
    return {
        path: (one.st_mode, *(() if path.is_dir() else (one.st_size, one.st_mtime_ns)))
        for path in (folder, *sorted(folder.rglob("*")))
        if COMPILED not in path.parts
        for one in [path.lstat()]
    }


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
