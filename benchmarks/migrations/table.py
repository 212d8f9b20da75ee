"""The result as Markdown: what was measured, and on which machine."""

import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from benchmarks.migrations.deployments import Measured
from benchmarks.migrations.load import Record
from benchmarks.migrations.releases import OLD_NAME

HEADINGS = ("what happens", "serving", "seconds", "requests", "failed", "median ms", "slowest ms")
PYTHON = platform.python_version()


@dataclass
class Result:
    """The lines of the table, and every failure."""

    rows: int
    rate: float
    command: str
    server_version: str
    commit: str
    lines: list[tuple[str, str, Measured]] = field(default_factory=list)
    # Every request of the whole run, also those between the lines.
    records: list[Record] = field(default_factory=list)

    def add(self, what: str, serving: str, measured: Measured) -> None:
        """Add a line, and show it at once."""
        self.lines.append((what, serving, measured))
        print(_line(_cells(what, serving, measured)), flush=True)
        for failure in measured.failures[:5]:
            print(f"  failed: {failure}", flush=True)

    @property
    def failures(self) -> list[str]:
        """Why requests failed."""
        return [record.failure for record in self.records if record.failure]

    def markdown(self) -> Iterator[str]:
        """The whole result."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        yield f"Command: `{self.command}`, {datetime.now(UTC):%Y-%m-%d}, commit {self.commit}."
        yield f"Machine: {os.cpu_count()} cores, {memory:.0f} GB of memory, {self.server_version}, Python {PYTHON}."
        yield f"Rows: {self.rows:,} agents, each with a version and an event. The release before: {OLD_NAME}."
        numbers = f"{len(self.records):,} requests in all, {len(self.failures)} failed"
        yield f"Load: {self.rate:g} requests a second; {numbers}."
        yield ""
        yield from table(self.lines)


def table(lines: Iterable[tuple[str, str, Measured]]) -> Iterator[str]:
    """The table in Markdown."""
    yield _line(HEADINGS)
    yield _line(["---", "---"] + ["---:"] * (len(HEADINGS) - 2))
    for what, serving, measured in lines:
        yield _line(_cells(what, serving, measured))


def _cells(what: str, serving: str, measured: Measured) -> list[str]:
    times = [f"{seconds * 1000:,.0f}" if measured.requests else "-" for seconds in (measured.median, measured.slowest)]
    counts = [f"{measured.requests:,}", str(len(measured.failures))]
    return [what, serving, f"{measured.seconds:,.2f}", *counts, *times]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
