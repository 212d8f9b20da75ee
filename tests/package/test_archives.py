"""The archives of a release: what is in them, and that they are installed as the documents say.

README.md has a block with `python3 -m venv program`, `program/bin/pip install ./agent_console-*.whl` and
`program/bin/agent-console serve`. It is typed here.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from agents_app import __version__
from agents_app.paths import ROOT
from tests.cli.conftest import PATIENCE_S, Server, free_port, wait_for
from tests.documents import read_blocks
from tests.project import copy_project
from tests.wheel import SOURCES, build, wheel

pytestmark = pytest.mark.long

# Of commands that install packages.
INSTALLING_S = 600


def names(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        return set(opened.namelist())


def test_the_wheel_has_every_module_and_every_file_that_the_program_reads() -> None:
    found = names(wheel())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "agents_app").rglob("*.py")}
    folders = ("migrations", "templates", "static")
    files = {
        f"agents_app/files/{path.relative_to(ROOT)}"
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert (modules | files) - found == set()
    assert {name.partition("/")[0] for name in found} == {"agents_app", f"agent_console-{__version__}.dist-info"}
    assert [name for name in found if name.endswith((".pyc", "/.env")) or "/tests/" in name] == []


def test_the_source_archive_builds_the_same_wheel(tmp_path: Path) -> None:
    source = copy_project(tmp_path / "source", SOURCES)
    archive = build(source, "sdist", tmp_path)
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "unpacked", filter="data")

    again = build(tmp_path / "unpacked" / archive.name.removesuffix(".tar.gz"), "wheel", tmp_path)

    assert again.name == wheel().name
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(wheel().read_bytes()).digest()


def test_make_dist_writes_the_archives_the_versions_an_sbom_and_hashes(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "project", (*SOURCES, "Makefile"))
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)

    made = subprocess.run(
        ["make", "--assume-old=.venv/.test", "dist"],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALLING_S,
    )

    assert made.returncode == 0, made.stdout + made.stderr
    dist = folder / "dist"
    archives = {f"agent_console-{__version__}-py3-none-any.whl", f"agent_console-{__version__}.tar.gz"}
    assert {path.name for path in dist.iterdir()} == {*archives, "requirements.txt", "sbom.cdx.json", "SHA256SUMS"}
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], check=True, cwd=dist)
    assert (dist / wheel().name).read_bytes() == wheel().read_bytes()
    bill = json.loads((dist / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    listed = {re.sub("[-_.]+", "-", part["name"]).lower(): part["version"] for part in bill["components"]}
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", (dist / "requirements.txt").read_text(), re.MULTILINE))
    assert listed.items() <= locked.items()
    assert locked.keys() - listed.keys() <= {"colorama", "tzdata"}
    assert str(tmp_path) not in json.dumps(bill)


def test_the_wheel_is_installed_and_started_in_a_bare_environment_as_the_readme_says(tmp_path: Path) -> None:
    (block,) = [block for block in read_blocks(ROOT / "README.md") if "agent_console" in block.text]
    *installing, starting = block.text.strip().splitlines()
    shutil.copy(wheel(), tmp_path)
    bind = f"127.0.0.1:{free_port()}"
    python = Path(sys.executable).resolve().parent
    environment = {"PATH": f"{python}:{os.environ['PATH']}", "HOME": str(tmp_path / "home"), "BIND": bind}

    for line in installing:
        words = ["bash", "-c", line]
        run = subprocess.run(
            words, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=INSTALLING_S
        )
        assert run.returncode == 0, run.stderr
    process = subprocess.Popen(
        ["bash", "-c", f"exec {starting}"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    server = Server(process, f"http://{bind}")
    try:
        wait_for(lambda: server.answers("/healthz"))
        assert server.get("/readyz") == (200, '{"status":"ok"}')
        assert "Create organisation and sign in" in server.get("/setup")[1]
        doctor = subprocess.run(
            [tmp_path / "program" / "bin" / "agent-console", "doctor"],
            check=False,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert "Not installed" not in doctor.stdout
        assert "Traceback" not in doctor.stderr
    finally:
        server.kill()
    assert {path.name for path in tmp_path.iterdir()} - {"home"} == {".env", "instance", "program", wheel().name}
