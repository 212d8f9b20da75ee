"""Releases of the console in folders of their own: their commands, and their servers."""

import compileall
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from agents_app.paths import ROOT

OLD_COMMIT = "4a157d2"
OLD_NAME = "0.1.0"
# The old release has other packages than this one, so they are in an environment of its own inside that of this one.
OLD_ENVIRONMENT = Path(sys.prefix) / "releases" / OLD_NAME
PARTS = ("agents_app", "migrations", "static", "templates", "pyproject.toml", "wsgi.py")
START_SECONDS, STOP_SECONDS = 180, 180


class BenchmarkError(Exception):
    """The benchmark cannot go on. The text says why."""


@dataclass(frozen=True)
class Release:
    """A release in a folder, with the Python of its packages and the environment of its processes."""

    name: str
    folder: Path
    python: Path
    environment: Mapping[str, str]

    def start(self, *words: str, **settings: str) -> "subprocess.Popen[str]":
        """Start a command of `flask`. Its standard output and error are one stream of lines."""
        return subprocess.Popen(
            [self.python, "-m", "flask", *words],
            cwd=self.folder,
            env={**self.environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def flask(self, *words: str, typed: str = "") -> str:
        """Run a command of `flask`, and return its standard output. Raises BenchmarkError if it fails."""
        command: list[str | Path] = [self.python, "-m", "flask", *words]
        done = subprocess.run(
            command, check=False, cwd=self.folder, env=self.environment, input=typed, capture_output=True, text=True
        )
        if done.returncode:
            raise BenchmarkError(f"flask {' '.join(words)} of {self.name} failed:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()


class Server:
    """`flask serve` of a release, with two worker processes, on a free port."""

    def __init__(self, release: Release, log: Path) -> None:
        self.release = release
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        with log.open("a") as stream:
            self._process = subprocess.Popen(
                [release.python, "-m", "flask", "serve"],
                cwd=release.folder,
                env={**release.environment, "BIND": f"127.0.0.1:{self.port}", "WORKERS": "2"},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self._wait(log)

    def _wait(self, log: Path) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                return
            time.sleep(0.1)
        self.stop()
        raise BenchmarkError(f"flask serve of {self.release.name} does not answer:\n{log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Stop the server. It finishes the requests in progress."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def old_release(folder: Path, environment: Mapping[str, str], given: Path | None) -> Release:
    """The release before: 0.1.0 from the history of the project, or the one in the folder `given`."""
    if given is not None:
        return Release("the release before", given, Path(sys.executable), environment)
    _install_old_packages()
    _unpack_old_release(folder)
    _compile(folder)
    return Release(OLD_NAME, folder, OLD_ENVIRONMENT / "bin" / "python", environment)


def this_release(folder: Path, environment: Mapping[str, str]) -> Release:
    """A copy of this checkout, whose models can be changed."""
    folder.mkdir()
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder)
    _compile(folder)
    return Release("this release", folder, Path(sys.executable), environment)


def commit() -> str:
    """The commit of this checkout, with `+` if files were changed since; "unknown" in a copy without history."""
    try:
        return _git("describe", "--always", "--dirty=+", "--abbrev=7", "--exclude=*").decode().strip()
    except BenchmarkError:
        return "unknown"


def _install_old_packages() -> None:
    """Install the packages of the old release, unless they are installed."""
    marker = OLD_ENVIRONMENT / ".done"
    if marker.exists():
        return
    print(f"Installing the packages of release {OLD_NAME} (once)...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", OLD_ENVIRONMENT], check=True)
    requirements = OLD_ENVIRONMENT / "requirements.txt"
    requirements.write_bytes(_git("show", f"{OLD_COMMIT}:requirements.txt"))
    pip: list[str | Path] = [
        OLD_ENVIRONMENT / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "--require-hashes", "-r", requirements], check=True)
    marker.touch()


def _unpack_old_release(folder: Path) -> None:
    with tarfile.open(fileobj=BytesIO(_git("archive", OLD_COMMIT))) as archive:
        archive.extractall(folder, filter="data")


def _compile(folder: Path) -> None:
    # So that the first start of its server does not do it, beside the load.
    compileall.compile_dir(folder / "agents_app", quiet=1)


def _git(*words: str) -> bytes:
    done = subprocess.run(["git", *words], check=False, cwd=ROOT, capture_output=True)
    if done.returncode:
        why = done.stderr.decode().strip()
        raise BenchmarkError(f"A clone of the project with its whole history is required, for {OLD_COMMIT}. git: {why}")
    return done.stdout


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port
