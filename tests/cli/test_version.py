"""The `flask` that `make setup` installs: its version, help and exit codes, in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agents_app.paths import ROOT
from tests.cli.conftest import Checkout


@pytest.fixture
def installed(ready: Checkout) -> Path:
    """The `flask` of a copy whose requirements are installed."""
    shutil.copy(ROOT / "Makefile", ready.folder)
    bin_folder = ready.folder / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (bin_folder / "python").chmod(0o755)
    words = ["make", "--assume-old=.venv/.run", ".venv/.flask"]
    subprocess.run(words, check=True, cwd=ready.folder, capture_output=True)
    return bin_folder / "flask"


def output(flask: Path, *words: str, folder: Path) -> str:
    """What the command prints; it must succeed."""
    run = subprocess.run([flask, *words], check=False, cwd=folder, capture_output=True, text=True, env={"PATH": "/bin"})
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_version_that_cannot_be_written_is_an_error_in_one_line(installed: Path, ready: Checkout) -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [installed, "--version"],
            check=False,
            cwd=ready.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            env={"PATH": "/bin"},
        )

    sentence = b"Error: The output cannot be written: No space left on device.\n"
    assert (run.returncode, run.stderr) == (1, sentence)


def test_flask_prints_the_version_of_the_console(installed: Path, ready: Checkout) -> None:
    (ready.folder / "agents_app" / "__init__.py").write_text('"""One."""\n\n__version__ = "9.8.7"\n')

    said = output(installed, "--version", folder=ready.folder.parent)

    assert re.fullmatch(r"Agent Console 9\.8\.7\nFlask [\d.]+\nPython [\d.]+\n", said)


def test_flask_has_the_commands_of_the_console(installed: Path, ready: Checkout) -> None:
    said = output(installed, "--help", folder=ready.folder)

    assert said.startswith("Usage: flask [OPTIONS] COMMAND")
    assert {"db", "doctor", "run"} <= set(re.findall(r"^  (\w+) ", said, re.MULTILINE))


def test_flask_works_through_a_link_in_another_folder(installed: Path, ready: Checkout, tmp_path: Path) -> None:
    link = tmp_path / "flask"
    link.symlink_to(installed)

    assert output(link, "--version", folder=tmp_path) == output(installed, "--version", folder=ready.folder)


def test_a_plan_in_another_folder_than_the_consoles_is_an_error_and_not_a_change(
    installed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()

    codes = {
        words: subprocess.run([installed, *words.split()], check=False, cwd=folder, capture_output=True).returncode
        for words in ("agents plan agents.yaml", "agents list")
    }

    assert codes == {"agents plan agents.yaml": 1, "agents list": 2}
