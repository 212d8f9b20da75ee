"""The time that processes have worked, read from the kernel (Linux)."""

import os
from contextlib import suppress
from pathlib import Path

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def worked_ms(parent: int) -> float:
    """The milliseconds that a process, and those that it started, have worked, also those that have ended."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = file.read_text().rpartition(")")[2].split()
            # The state is the first of them; user and system time follow, of the process and of its ended children.
            found[int(file.parent.name)] = int(fields[1]), sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    family = {parent}
    # A parent that is newer than its child has a lower number only after the numbers have begun again.
    while more := {pid for pid, (of, *_) in found.items() if of in family} - family:
        family |= more
    # The number of whole ticks has the time of threads that have ended, too.
    return sum(
        max(_of_threads_ms(pid), own * TICK_MS) + ended * TICK_MS
        for pid, (_, own, ended) in found.items()
        if pid in family
    )


def _of_threads_ms(pid: int) -> float:
    """The time of the threads of a process, which the kernel counts in nanoseconds."""
    worked = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            worked += int(file.read_text().split()[0])
    return worked / 1_000_000
