"""The memory of a process and of those that it started, read from the kernel (Linux)."""

from contextlib import suppress
from pathlib import Path


def memory(parent: int) -> tuple[float, float]:
    """PSS and RSS in MB, of a process and the processes that it started."""
    found = {parent}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(file.read_text().rpartition(")")[2].split()[1]) == parent:
                found.add(int(file.parent.name))
    sums = {"Pss": 0.0, "Rss": 0.0}
    for number in found:
        for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in sums:
                sums[name] += int(value.split()[0]) / 1024
    return sums["Pss"], sums["Rss"]
