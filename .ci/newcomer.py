"""Does what a new contributor does, in a fresh copy of the commit: `make run`, `flask demo`, a backup, `make test`.

The tests must not change any file of the copy. The long tests run in the same copy.
"""

import contextlib
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# A new contributor has no settings.
SETTINGS = re.findall(r"^#(\w+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name.removesuffix("_FILE") not in SETTINGS and not name.startswith(("FLASK_", "PG"))
}
# The first start installs the packages.
TIMEOUT_S = 600
# Generated files and folders, which git ignores.
CACHES = {".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}


def main() -> None:
    """Run every command. Exits with an error if a command fails or a file changes."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "agent-console"
        copy_commit(folder)
        run_console(folder)
        run_command(folder, ".venv/bin/flask", "demo")
        run_command(folder, ".venv/bin/flask", "db", "backup")
        before = files_of(folder)
        assert {".env", "instance/console.db", "backups"} <= before.keys()
        for target in ("test", "long"):
            run_command(folder, "make", "--no-print-directory", target)
            compare(before, files_of(folder), f"make {target}")


def copy_commit(folder: Path) -> None:
    """Copy the files of the commit. The repository may belong to another user."""
    folder.mkdir()
    commit = ["git", "-c", f"safe.directory={PROJECT}", "-C", PROJECT, "archive", "HEAD"]
    archive = subprocess.run(commit, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x"], check=True, cwd=folder, input=archive)


def run_console(folder: Path) -> None:
    """Start the console, wait until it answers, and stop it with SIGINT."""
    print("$ make run", flush=True)
    bind = free_address()
    console = subprocess.Popen(["make", "run"], cwd=folder, env={**ENVIRONMENT, "BIND": bind}, start_new_session=True)
    try:
        wait_for(lambda: console.poll() is not None or answers(f"http://{bind}/healthz"), "answer")
    finally:
        ended = console.poll()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(console.pid, signal.SIGINT)
    if ended is not None:
        sys.exit("`make run` ended before it was stopped.")
    console.wait(TIMEOUT_S)
    wait_for(lambda: not is_alive(console.pid), "end")


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Wait until `holds` returns True."""
    ends = time.monotonic() + TIMEOUT_S
    while not holds():
        if time.monotonic() > ends:
            sys.exit(f"`make run` does not {what}.")
        time.sleep(0.2)


def answers(address: str) -> bool:
    """Whether the console answers."""
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
        return True
    return False


def is_alive(group: int) -> bool:
    """Whether this process group has a process."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def free_address() -> str:
    """An address that no program listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def run_command(folder: Path, *words: str) -> None:
    """Run a command. Exits with its code if it fails."""
    print("$", *words, flush=True)
    if code := subprocess.run(words, check=False, cwd=folder, env=ENVIRONMENT).returncode:
        sys.exit(code)


def files_of(folder: Path) -> dict[str, str]:
    """Every file and folder except caches, with its mode and hash."""
    paths = [path for path in folder.rglob("*") if not CACHES & set(path.relative_to(folder).parts)]
    return {str(path.relative_to(folder)): f"{path.stat().st_mode:o} {hash_of(path)}" for path in paths}


def hash_of(path: Path) -> str:
    """The hash of a file; empty for a folder."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def compare(before: dict[str, str], after: dict[str, str], command: str) -> None:
    """Exit with an error that names the files that differ."""
    if different := sorted({path for path, _ in before.items() ^ after.items()}):
        sys.exit(f"`{command}` changed: {', '.join(different)}")
    print(f"`{command}` did not change any of {len(after)} files and folders.", flush=True)


main()
