"""Runs the generators, compilers and linters of API clients, each once for all processes of pytest."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PATIENCE_S = 300
PACKAGES = {
    "npm": "No npm: clients in TypeScript and the linters were NOT tried. Debian: apt-get install npm.",
    "java": "No Java: the clients of OpenAPI Generator were NOT tried. Debian: apt-get install default-jre-headless.",
    "go": "No Go: the client in Go was NOT tried. Debian: apt-get install golang-go.",
}
# The linters report nothing to their makers.
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
# Go uses its standard library alone.
OFFLINE = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
TSCONFIG: dict[str, Any] = {
    "strict": True,
    "noEmit": True,
    "target": "es2022",
    "lib": ["es2022", "dom", "dom.iterable"],
    "module": "node16",
    "types": [],
}


def require(*programs: str) -> None:
    """Skip the test if a program of PACKAGES is not installed; with REQUIRE_ALL=1 the test fails."""
    for program in programs:
        if shutil.which(program) is None:
            (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(PACKAGES[program])


@dataclass(frozen=True)
class Workshop:
    """A folder that all processes of pytest share, in which each part is made once."""

    folder: Path

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """The folder `name`. The first one who asks for it calls `make`, which fills it; others wait for that."""
        part, done = self.folder / name, self.folder / f"{name}.done"
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir()
                make(part)
                done.touch()
        return part

    def npm_packages(self) -> Path:
        """The folder of the programs from npm, with the versions and hashes of `package-lock.json`."""
        require("npm")
        return self.made("npm", _install) / "node_modules" / ".bin"


def _install(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(HERE / name, folder)
    run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def compile_typescript(folder: Path, workshop: Workshop, files: str, **options: Any) -> None:
    """Compile the files of this pattern with every strict check of TypeScript."""
    packages = workshop.npm_packages().parent
    if not (folder / packages.name).exists():
        (folder / packages.name).symlink_to(packages)
    config = {"compilerOptions": {**TSCONFIG, **options}, "include": [files]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    run(folder, packages / ".bin" / "tsc", "--project", ".")


def run(folder: Path, *words: str | Path, **settings: str) -> str:
    """Run a program in a folder. Returns what it printed. Fails the test if it fails."""
    ended = attempt(folder, *words, **settings)
    assert ended.returncode == 0, f"{' '.join(map(str, words))}\n{ended.stdout[-8_000:]}"
    return ended.stdout


def attempt(folder: Path, *words: str | Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a folder, with its errors among what it prints. It may fail."""
    environment: Mapping[str, str] = {**os.environ, **QUIET, **settings}
    return subprocess.run(
        words,
        check=False,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
    )
