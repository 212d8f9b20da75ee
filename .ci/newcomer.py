"""What a newcomer does, in a fresh copy of the commit: `make run`, `flask demo`, a backup, `make test`.

What was there before the tests must be there after them, byte for byte. The long tests run in the same copy.
"""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
ADDRESS = "http://127.0.0.1:8000/healthz"
# The first start installs what the console needs.
PATIENCE_S = 600
# What is made of the sources and the lists of requirements, all of it ignored by git.
CACHES = {".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}


def main() -> None:
    """Do it; ends with exit code 1 where something differs."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "agent-console"
        copy_commit(folder)
        run_console(folder)
        do(folder, ".venv/bin/flask", "demo")
        do(folder, ".venv/bin/flask", "db", "backup")
        before = files_of(folder)
        for target in ("test", "long"):
            do(folder, "make", "--no-print-directory", target)
            compare(before, files_of(folder), f"make {target}")


def copy_commit(folder: Path) -> None:
    """Copy what is committed; the folder may belong to another user than the one who runs this."""
    folder.mkdir()
    commit = ["git", "-c", f"safe.directory={PROJECT}", "-C", PROJECT, "archive", "HEAD"]
    archive = subprocess.run(commit, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x"], check=True, cwd=folder, input=archive)


def run_console(folder: Path) -> None:
    """Start the console, wait until it answers, and stop it as Ctrl-C does."""
    with subprocess.Popen(["make", "run"], cwd=folder, start_new_session=True) as console:
        ends = time.monotonic() + PATIENCE_S
        while not answers():
            if console.poll() is not None or time.monotonic() > ends:
                sys.exit("`make run` does not answer.")
            time.sleep(0.2)
        os.killpg(console.pid, signal.SIGINT)


def answers() -> bool:
    """Whether the console is there."""
    try:
        with urllib.request.urlopen(ADDRESS, timeout=5):
            return True
    except OSError:
        return False


def do(folder: Path, *words: str) -> None:
    """Run a command; where it fails, so does this one."""
    print("$", *words, flush=True)
    if code := subprocess.run(words, check=False, cwd=folder).returncode:
        sys.exit(code)


def files_of(folder: Path) -> dict[str, str]:
    """Every file and folder but caches, with its mode and the hash of its bytes."""
    paths = [path for path in folder.rglob("*") if not CACHES & set(path.relative_to(folder).parts)]
    return {
        str(path.relative_to(folder)): f"{path.stat().st_mode:o} {hash_of(path) if path.is_file() else ''}"
        for path in paths
    }


def hash_of(file: Path) -> str:
    """What changes when a byte does."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def compare(before: dict[str, str], after: dict[str, str], act: str) -> None:
    """End with the names of what differs."""
    if different := sorted({path for path, _ in before.items() ^ after.items()}):
        sys.exit(f"`{act}` changed what was there before: {', '.join(different)}")
    print(f"`{act}` left {len(after)} files and folders as they were, .env, instance/ and backups/ among them.")


main()
