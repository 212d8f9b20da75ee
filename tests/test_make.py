"""`make` on machines without a requirement names it, and leaves nothing incomplete."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agents_app.paths import ROOT

NEEDS_VENV = "This Python does not have the module venv. On Debian and Ubuntu: apt-get install python3-venv"
NEEDS_BUILDAH = "make image needs root and two packages: apt-get install buildah mmdebstrap"
CONTENT = {"Makefile", "requirements.txt", "requirements-dev.txt"}
NEEDS_PYTHON = "Python 3.11 or later is required. Name it with: make run PYTHON=/path/to/python3.11"


def make(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(["make", *words], check=False, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the Makefile and the lists of requirements, and a space in its name."""
    folder = tmp_path / "agent console"
    folder.mkdir()
    for name in CONTENT:
        shutil.copy2(ROOT / name, folder)
    return folder


def python_that(folder: Path, refuses: str) -> str:
    """The path of a Python that fails where its program has this word in it."""
    program = folder / "python"
    program.write_text(f'#!/bin/sh\ncase "$*" in *{refuses}*) exit 1 ;; esac\n')
    program.chmod(0o755)
    return "./python"


def test_make_without_a_target_lists_the_targets(folder: Path) -> None:
    listed = make(folder)

    assert (listed.returncode, listed.stderr) == (0, "")
    targets = [line.split()[0] for line in listed.stdout.splitlines()]
    assert {"help", "run", "test", "lint", "sure", "bench-migrations"} <= set(targets)


@pytest.mark.parametrize("target", ["run", "test"])
@pytest.mark.parametrize(
    ("refuses", "sentence"), [("version_info", NEEDS_PYTHON), ("ensurepip", NEEDS_VENV)], ids=["too old", "no venv"]
)
def test_an_unsuitable_python_is_refused_with_one_sentence(
    folder: Path, target: str, refuses: str, sentence: str
) -> None:
    refused = make(folder, target, f"PYTHON={python_that(folder, refuses)}")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[0] == sentence
    assert not (folder / ".venv").exists()


def test_an_image_without_the_programs_that_build_it_is_refused_before_anything_is_built(folder: Path) -> None:
    make_only = folder / "programs"
    make_only.mkdir()
    for name in ("make", "sh", "id", "grep", "sed"):
        (make_only / name).symlink_to(str(shutil.which(name)))

    refused = make(folder, "image", f"PATH={make_only}")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[0] == NEEDS_BUILDAH
    assert {path.name for path in folder.iterdir()} == CONTENT | {"programs"}


def test_a_venv_that_could_not_be_created_is_removed(folder: Path) -> None:
    refused = make(folder, "setup", f"PYTHON={python_that(folder, '--clear')}")

    assert refused.returncode == 2
    assert refused.stdout == "Creating the virtual environment .venv (once)...\n"
    assert not (folder / ".venv").exists()
