"""Runs `flask db deploy` under the load, and measures each step of it by the lines that the command prints."""

import re
import statistics
import time
from collections import deque
from dataclasses import dataclass

from benchmarks.migrations.load import Load
from benchmarks.migrations.releases import BenchmarkError, Release

DONE = re.compile(r"Done: upgrade .* -> (?P<revision>\w+)(?: \(head\))?, (?P<name>.*) \((?P<seconds>[\d.]+) s\)")
# These are shown if the command fails.
LAST_LINES = 25


@dataclass(frozen=True)
class Part:
    """A part of a run: a step, or what comes before, between and after the steps. Times of `time.monotonic`."""

    name: str
    start: float
    end: float
    is_step: bool = True

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


@dataclass(frozen=True)
class Measured:
    """What the load has seen during a part, or during several."""

    seconds: float
    requests: int
    failures: tuple[str, ...]
    median: float
    slowest: float


def deploy(release: Release, *options: str) -> list[Part]:
    """Run `flask db deploy` to its end, and return its parts. Raises BenchmarkError if it fails."""
    start = time.monotonic()
    process = release.start("db", "deploy", *options)
    parts: list[Part] = []
    lines: deque[str] = deque(maxlen=LAST_LINES)
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if found := DONE.search(line):
            now = time.monotonic()
            before = parts[-1].end if parts else start
            begun = max(before, now - float(found["seconds"]))
            if not parts:
                parts.append(Part("checks, plan, backup", start, begun, is_step=False))
            parts.append(Part(found["name"], begun, now))
    if process.wait():
        raise BenchmarkError(f"flask db deploy {' '.join(options)} of {release.name} failed:\n{''.join(lines)}")
    parts.append(
        Part(
            "second pass of fills, checks" if parts else "whole command",
            parts[-1].end if parts else start,
            time.monotonic(),
            is_step=False,
        )
    )
    return parts


def measure(load: Load, *parts: Part) -> Measured:
    """What the load has seen during these parts, which follow each other."""
    records = load.between(parts[0].start, parts[-1].end)
    times = [record.seconds for record in records] or [0.0]
    failures = tuple(record.failure for record in records if record.failure)
    seconds = sum(part.seconds for part in parts)
    return Measured(seconds, len(records), failures, statistics.median(times), max(times))
