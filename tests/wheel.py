"""The wheel of this project, and installations of it: what an operator has, without a checkout."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.cli.conftest import PATIENCE_S, Server, free_port, wait_for
from tests.isolation import HOME
from tests.project import copy_project

# What `pyproject.toml` puts into the archives.
SOURCES = (
    *("agents_app", "deploy", "migrations", "static", "templates"),
    *(".env.example", ".gitignore", "CHANGELOG.md", "README.md", "pyproject.toml"),
    *("requirements-dev.txt", "requirements-mssql.txt", "requirements-wheel.txt", "requirements.txt"),
)


@cache
def wheel() -> Path:
    """The wheel, built once for all tests of one process."""
    source = copy_project(HOME / "wheel" / "source", SOURCES)
    return build(source, "wheel", HOME / "wheel")


def build(source: Path, kind: str, into: Path) -> Path:
    """Build an archive of this kind (`wheel` or `sdist`) from a folder with the project."""
    words = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(into)]
    run = subprocess.run(words, check=False, cwd=source, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (archive,) = into.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return archive


@cache
def programs_of_wheel() -> Path:
    """The folder with `agent-console` and `python` of an environment with the wheel, and the packages of the tests."""
    return install(wheel(), HOME / "wheel" / "environment")


def install(archive: Path, environment: Path) -> Path:
    """Install a wheel into a new environment with the packages of the tests, and return the folder of its programs."""
    run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    python = environment / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(archive)])
    (packages,) = environment.glob("lib/*/site-packages")
    ours = next(path for path in map(Path, sys.path) if (path / "flask").is_dir())
    (packages / "packages_of_the_tests.pth").write_text(f"{ours}\n")
    return python.parent


def run(words: list[str]) -> None:
    """Run a program, which must succeed, outside of the project."""
    done = subprocess.run(words, check=False, cwd=HOME, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@dataclass
class Installed:
    """An installation of the wheel that is used in a folder of its own."""

    folder: Path
    programs: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run `agent-console` with these words, and wait for its end."""
        return self._run("agent-console", words, settings)

    def python(self, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run the Python of the installation, and wait for its end."""
        return self._run("python", words, settings)

    def _run(
        self, program: str, words: tuple[str, ...], settings: dict[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.programs / program), *words],
            check=False,
            timeout=PATIENCE_S,
            cwd=self.folder,
            env=self.environment(settings),
            capture_output=True,
            text=True,
        )

    def serve(self, **settings: str) -> Server:
        """Start `agent-console serve`, and wait until it answers. The caller kills it."""
        bind = f"127.0.0.1:{free_port()}"
        process = subprocess.Popen(
            [str(self.programs / "agent-console"), "serve"],
            cwd=self.folder,
            env=self.environment({"BIND": bind, **settings}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        server = Server(process, f"http://{bind}")
        wait_for(lambda: server.answers("/healthz"))
        return server

    def environment(self, settings: dict[str, str]) -> dict[str, str]:
        """A bare environment, in which Python adds no file to the installation."""
        usual = {"PATH": f"{self.programs}:{os.environ['PATH']}", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        return {**usual, "PYTHONDONTWRITEBYTECODE": "1", **self.settings, **settings}
