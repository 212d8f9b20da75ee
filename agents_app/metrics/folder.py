"""The folder through which the workers share what they count, so that any of them can answer for all.

prometheus_client keeps there the counts of each process, in a file that stays when the process is killed.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from agents_app.errors import ConfigurationError

# prometheus_client reads it when it is imported.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# The files are mapped into memory. On a disk that is full, writing to them would kill the process.
IN_MEMORY = Path("/dev/shm")  # noqa: S108
PROCESS = "process-"


@cache
def folder() -> Path:
    """The folder, which is made by the first call and removed when that process ends. Raises ConfigurationError."""
    place = IN_MEMORY if os.access(IN_MEMORY, os.W_OK | os.X_OK) else None
    try:
        made = tempfile.mkdtemp(prefix="agent-console-metrics-", dir=place)
    except OSError as error:
        raise ConfigurationError(
            f"Metrics need a folder for temporary files: {error.strerror}. Set TMPDIR to a folder that can be written."
        ) from None
    os.environ[VARIABLE] = made
    atexit.register(_remove, made, os.getpid())
    return Path(made)


def add_process(role: str) -> None:
    """Note that this process runs. `role` is parent or worker."""
    (folder() / f"{PROCESS}{os.getpid()}").write_text(role)


def remove_process(pid: int) -> None:
    """Note that a process has ended."""
    (folder() / f"{PROCESS}{pid}").unlink(missing_ok=True)


def processes() -> dict[int, str]:
    """The role of each process that runs, by its id."""
    found = {}
    for file in sorted(folder().glob(f"{PROCESS}*")):
        try:
            found[int(file.name.removeprefix(PROCESS))] = file.read_text()
        except FileNotFoundError:
            continue
    return found


def _remove(path: str, maker: int) -> None:
    # The workers inherit this call.
    if os.getpid() == maker:
        shutil.rmtree(path, ignore_errors=True)
