"""The memory in which the processes count, so that any worker can answer for all, and the folder of its names.

prometheus_client writes the counts of a process to files with the id of the process in their names. On Linux, these
names are links to memory of this server, which no other program can fill. Writing to a mapped file on a full disk would
kill the process.
"""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from agents_app.errors import ConfigurationError

# prometheus_client reads it when it is imported.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Where memory cannot have a name, the counts are in files: in memory, if there is such a folder.
IN_MEMORY = Path("/dev/shm")  # noqa: S108
HAS_NAMES = hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()
# How prometheus_client begins the names of the files for each type, and the size with which it begins a file.
TYPES = ("counter", "gauge_livesum", "histogram", "summary")
FILE_BYTES = 1 << 16
PARENT, WORKER = "parent", "worker"


@cache
def folder() -> Path:
    """The folder, which is made by the first call and removed when that process ends. Raises ConfigurationError."""
    place = IN_MEMORY if os.access(IN_MEMORY, os.W_OK | os.X_OK) else None
    try:
        made = Path(tempfile.mkdtemp(prefix="agent-console-metrics-", dir=place))
        atexit.register(_remove, made, os.getpid())
        (made / "all").mkdir()
        _make_file(made / "facts", 0)
        _make_place(made, f"{PARENT}-0")
        _take(made, f"{PARENT}-0")
    except OSError as error:
        raise _refusal(error) from None
    os.environ[VARIABLE] = str(made)
    return made


def all_counts() -> Path:
    """The folder with the files of all places: each of them has one name, whichever process counts in it."""
    return folder() / "all"


def add_places(count: int) -> None:
    """Make the places of so many workers, in the parent, before it starts one. Raises ConfigurationError."""
    try:
        for number in range(count):
            if not os.path.lexists(all_counts() / f"{TYPES[0]}_{WORKER}-{number}.db"):
                _make_place(folder(), f"{WORKER}-{number}")
    except OSError as error:
        raise _refusal(error) from None


def enter() -> None:
    """Let this worker count in a free place, on top of what was counted there. Raises OSError if it cannot."""
    if processes().get(os.getpid()) == WORKER:
        return
    all_counts().stat()
    for file in sorted(all_counts().glob(f"{TYPES[0]}_{WORKER}-*.db")):
        with suppress(FileExistsError):
            _take(folder(), file.stem.partition("_")[2])
            return
    raise FileNotFoundError(2, "There is no free place in the folder of the metrics")


def leave(pid: int) -> None:
    """Free the place of a worker that has ended, and forget what it was doing. What it counted stays."""
    for name in _places().get(pid, ()):
        # The beginning of a file says how much of it is used.
        with suppress(OSError), (all_counts() / f"gauge_livesum_{name}.db").open("r+b") as file:
            file.write(bytes(4))
        for link in (*(f"{each}_{pid}.db" for each in TYPES), name):
            (folder() / link).unlink(missing_ok=True)


def processes() -> dict[int, str]:
    """The role of each process that runs, by its id."""
    return {pid: names[-1].partition("-")[0] for pid, names in _places().items()}


def _places() -> dict[int, list[str]]:
    """The names of the places that each process has."""
    found: dict[int, list[str]] = {}
    for link in sorted((*folder().glob(f"{PARENT}-*"), *folder().glob(f"{WORKER}-*"))):
        # The worker may end now.
        with suppress(FileNotFoundError):
            found.setdefault(int(link.readlink().name), []).append(link.name)
    return found


def _make_place(made: Path, name: str) -> None:
    for each in TYPES:
        _make_file(made / "all" / f"{each}_{name}.db", FILE_BYTES)


def _make_file(path: Path, size: int) -> None:
    if HAS_NAMES:
        # Every process that this one forks has the same number for it.
        number = os.memfd_create("agent-console-metrics")
        os.truncate(number, size)
        path.symlink_to(f"/proc/self/fd/{number}")
    else:
        path.write_bytes(bytes(size))


def _take(made: Path, name: str) -> None:
    """Raises FileExistsError if another process has the place."""
    pid = os.getpid()
    # A link needs no space on a full disk, and only one process can make it.
    (made / name).symlink_to(str(pid))
    for each in TYPES:
        with suppress(FileExistsError):
            (made / f"{each}_{pid}.db").symlink_to(made / "all" / f"{each}_{name}.db")


def _refusal(error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"Metrics need a folder for temporary files: {error.strerror}. Set TMPDIR to a folder that can be written."
    )


def _remove(path: Path, maker: int) -> None:
    # The workers inherit this call.
    if os.getpid() == maker:
        shutil.rmtree(path, ignore_errors=True)
