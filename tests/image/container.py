"""The image of `deploy/`, built once for all processes of pytest."""

import fcntl
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.project import copy_project
from tests.wheel import wheel

PROGRAMS = {
    "buildah": "buildah",
    "bwrap": "bubblewrap",
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
}


def require(*names: str) -> None:
    """Skip the test where one of these programs is missing, or nobody is root; fail it if REQUIRE_ALL is set."""
    missing = [PROGRAMS[name] for name in names if not shutil.which(name)]
    if not missing and os.geteuid() == 0:
        return
    reason = f"The image was NOT tried. Debian, as root: apt-get install {' '.join(missing)}"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def shared_folder(request: pytest.FixtureRequest, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills, once for all processes of pytest."""
    base: Path = request.getfixturevalue("tmp_path_factory").getbasetemp()
    # A process of xdist has a folder of its own in that of all.
    base = base.parent if hasattr(request.config, "workerinput") else base
    folder = base / name
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = base / f"{name}.part"
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


def run(*command: str | Path, **options: Any) -> str:
    """Run a program that must succeed, and return what it prints."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def make_image(folder: Path) -> None:
    """Write wheel and image into a folder, and unpack the image to `root`."""
    shutil.copy(wheel(), folder)
    project = copy_project(folder / "project", ("deploy",))
    said = run(project / "deploy" / "build-image", folder)
    archive = next(folder.glob("*.image.tar"))
    assert str(archive) in said
    (folder / "root").mkdir()
    with tarfile.open(archive) as image:
        image.extractall(folder / "image", filter="data")
    layers = json.loads((folder / "image" / "manifest.json").read_text())[0]["Layers"]
    for layer in layers:
        run("tar", "--extract", "--file", folder / "image" / layer, "--directory", folder / "root")
        (folder / "image" / layer).unlink()
    archive.unlink()
