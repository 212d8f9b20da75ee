"""Runs commands: in this process for most tests, as real processes in a copy of the project for the others."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result
from flask import Flask

from tests.cli.installation import Installation
from tests.fork_server import LANGUAGE, programs
from tests.make import KEYS, make_account
from tests.project import reused_copy

PATIENCE_S = 60
# The state of a listening socket in the kernel's table of connections.
LISTENS = "0A"


@dataclass
class Terminal:
    """Runs `flask` commands for one account."""

    app: Flask
    account_id: UUID

    def __call__(self, *words: object, stdin: str = "", account: bool = True) -> Result:
        """Run a command, and return its output and exit code."""
        tail = ["--account", str(self.account_id)] if account else []
        runner = self.app.test_cli_runner()
        return runner.invoke(args=[*(str(word) for word in words), *tail], input=stdin, catch_exceptions=False)

    def json(self, *words: object) -> Any:
        """Run a command with --json, and return its output."""
        result = self(*words, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)


@pytest.fixture
def terminal(console: Flask) -> Terminal:
    """A terminal with a new account."""
    return Terminal(console, make_account(console))


@dataclass
class Checkout:
    """A copy of the project in a folder of its own, whose commands run as real processes."""

    folder: Path
    settings: dict[str, str]
    python: str = ""

    @property
    def env_file(self) -> Path:
        """The path of its `.env`."""
        return self.folder / ".env"

    def flask(self, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a command, and wait for its end."""
        return subprocess.run(
            self._command(*words, python=str(programs() / "python")),
            check=False,
            timeout=PATIENCE_S,
            cwd=self.folder,
            env={"LANG": LANGUAGE, **self._environment(settings)},
            capture_output=True,
            text=True,
        )

    def start(self, *words: str, **settings: str) -> "subprocess.Popen[str]":
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            self._command(*words),
            cwd=self.folder,
            env=self._environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _command(self, *words: str, python: str = sys.executable) -> list[str]:
        return [self.python or python, "-m", "flask", *words]

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.settings, **settings}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A copy of the project, without any setting, in a folder with a space in its name."""
    return Checkout(reused_copy(tmp_path, "agent console"), {})


@pytest.fixture
def ready(checkout: Checkout, sqlite_schema_url: str) -> Checkout:
    """A copy of the project with keys, an SQLite file with every table, and a free port."""
    checkout.settings.update(KEYS, DATABASE_URL=sqlite_schema_url, BIND=f"127.0.0.1:{free_port()}")
    return checkout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for an installation."""
    folder = tmp_path / "installation"
    folder.mkdir()
    return folder


@pytest.fixture
def on_sqlite(folder: Path, sqlite_schema_url: str) -> Installation:
    """An installation without problems, with an SQLite file in its folder."""
    moved = shutil.move(sqlite_schema_url.removeprefix("sqlite:///"), folder)
    return Installation.with_database(folder, f"sqlite:///{moved}")


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, folder: Path) -> Installation:
    """An installation without problems, on each database."""
    if request.param == "sqlite":
        found: Installation = request.getfixturevalue("on_sqlite")
        return found
    return Installation.with_database(folder, request.getfixturevalue("postgres_schema_url"))


@pytest.fixture
def serve() -> Iterator[Callable[..., "Server"]]:
    """Starts `flask serve` and waits until it answers; kills what still runs at the end of the test."""
    started: list[Server] = []

    def start(checkout: Checkout, **settings: str) -> Server:
        bind = settings.get("BIND", checkout.settings.get("BIND", ""))
        started.append(Server(checkout.start("serve", **settings), f"http://{bind}"))
        wait_for(lambda: started[-1].answers("/healthz"))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@dataclass
class Server:
    """A running server."""

    process: "subprocess.Popen[str]"
    url: str

    def get(self, path: str) -> tuple[int, str]:
        """The status and the body of the response."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def answers(self, path: str) -> bool:
        """Whether a server answers."""
        assert self.process.poll() is None, self.process.stdout.read()
        try:
            return bool(self.get(path))
        except OSError:
            return False

    def workers(self) -> list[int]:
        """The ids of the worker processes: those that listen, without the parent."""
        port = f":{urllib.parse.urlsplit(self.url).port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        sockets = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == LISTENS}
        found = [int(process.name) for process in Path("/proc").glob("[0-9]*") if sockets & set(_open_files(process))]
        return [number for number in found if number != self.process.pid]

    def children(self) -> set[int]:
        """The ids of the processes that it started: the workers, also those that do not listen yet, and helpers."""
        return {int(process.name) for process in Path("/proc").glob("[0-9]*") if _parent(process) == self.process.pid}

    def end(self) -> tuple[int, str]:
        """Wait for the end, and return the exit code and the output."""
        printed, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, printed

    def kill(self) -> None:
        """Kill the processes that still run, workers too."""
        with self.process, contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def _open_files(process: Path) -> Iterator[str]:
    # A process can end or close a file at any time, and files of other users cannot be read.
    with contextlib.suppress(OSError):
        for file in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield str(file.readlink())


def _parent(process: Path) -> int | None:
    # The name of the program, which can have spaces, is in brackets. A process can end at any time.
    with contextlib.suppress(OSError):
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return None


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    ends = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def free_port() -> int:
    """A port that no program listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
