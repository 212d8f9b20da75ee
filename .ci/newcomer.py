"""What a newcomer does, in a fresh copy of the commit: `make run`, `flask demo`, a backup, `make test`.

What was there before the tests must be there after them, byte for byte. The long tests run in the same copy.
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
# A newcomer has set nothing.
SETTINGS = re.findall(r"^#(\w+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name.removesuffix("_FILE") not in SETTINGS and not name.startswith(("FLASK_", "PG"))
}
# The first start installs what the console needs.
PATIENCE_S = 600
# What is made of the sources and the lists of requirements, all of it ignored by git.
CACHES = {".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}


def main() -> None:
    """Do it; ends with an exit code other than 0 where a command fails or a file differs."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "agent-console"
        copy_commit(folder)
        run_console(folder)
        do(folder, ".venv/bin/flask", "demo")
        do(folder, ".venv/bin/flask", "db", "backup")
        before = files_of(folder)
        assert {".env", "instance/console.db", "backups"} <= before.keys()
        for target in ("test", "long"):
            do(folder, "make", "--no-print-directory", target)
            compare(before, files_of(folder), f"make {target}")


def copy_commit(folder: Path) -> None:
    """Copy what is committed; it may belong to another user than the one who runs this."""
    folder.mkdir()
    commit = ["git", "-c", f"safe.directory={PROJECT}", "-C", PROJECT, "archive", "HEAD"]
    archive = subprocess.run(commit, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x"], check=True, cwd=folder, input=archive)


def run_console(folder: Path) -> None:
    """Start the console, wait until it answers, and stop it as Ctrl-C does."""
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
        sys.exit("`make run` ended by itself.")
    console.wait(PATIENCE_S)
    wait_for(lambda: not is_alive(console.pid), "end")


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Look again until it holds."""
    ends = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > ends:
            sys.exit(f"`make run` does not {what}.")
        time.sleep(0.2)


def answers(address: str) -> bool:
    """Whether the console is there."""
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
        return True
    return False


def is_alive(group: int) -> bool:
    """Whether a process of this group is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def free_address() -> str:
    """An address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def do(folder: Path, *words: str) -> None:
    """Run a command; where it fails, so does this one."""
    print("$", *words, flush=True)
    if code := subprocess.run(words, check=False, cwd=folder, env=ENVIRONMENT).returncode:
        sys.exit(code)


def files_of(folder: Path) -> dict[str, str]:
    """Every file and folder but caches, with its mode and the hash of its bytes."""
    paths = [path for path in folder.rglob("*") if not CACHES & set(path.relative_to(folder).parts)]
    return {str(path.relative_to(folder)): f"{path.stat().st_mode:o} {hash_of(path)}" for path in paths}


def hash_of(path: Path) -> str:
    """What changes when a byte of a file does; nothing for a folder."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def compare(before: dict[str, str], after: dict[str, str], act: str) -> None:
    """End with the names of what differs."""
    if different := sorted({path for path, _ in before.items() ^ after.items()}):
        sys.exit(f"`{act}` changed what was there before: {', '.join(different)}")
    print(f"`{act}` left all {len(after)} files and folders as they were.", flush=True)


main()
