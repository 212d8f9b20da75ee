"""Runs a part of a test as a user who may not use its files."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def another_user(*paths: Path) -> Iterator[None]:
    """Run as a user without access to these files, if this process can."""
    if os.geteuid() != 0:
        modes = {path: path.stat().st_mode for path in paths}
        for path in paths:
            path.chmod(0)
        yield
        for path, mode in modes.items():
            path.chmod(mode)
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def let_others_pass(folder: Path) -> None:
    """Let other users reach what is in a folder of this user."""
    for parent in (folder, *folder.parents):
        if parent.owner() == folder.owner() and not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(0o711)
