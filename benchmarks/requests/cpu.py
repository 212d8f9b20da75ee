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
            found[int(file.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    ticks, family = 0, {parent}
    # A parent that is newer than its child has a lower number only after the numbers have begun again.
    while more := {pid for pid, (of, _) in found.items() if of in family} - family:
        family |= more
    for pid in family:
        ticks += found.get(pid, (0, 0))[1]
    return ticks * TICK_MS
