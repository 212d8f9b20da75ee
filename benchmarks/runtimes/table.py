"""The tables of the load, in Markdown, with what follows from them for a day."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.runtimes.database import Written
from benchmarks.runtimes.load import Done

DAY_S = 86_400
MB, GB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Asked:
    """The load of all runtimes: what was answered, the CPU of server and database in ms, MB PSS, what was written."""

    done: Done
    server_ms: float
    database_ms: float
    memory: float
    written: Written


@dataclass(frozen=True)
class Fetched:
    """Fetches one by one: how many, the CPU of server and database in ms, and the seconds of each."""

    number: int
    server_ms: float
    database_ms: float
    seconds: list[float]


def print_all(asked: Asked, fetched: Fetched, options: argparse.Namespace) -> None:
    """Print the tables."""
    done = asked.done
    print("\n| | requests | a second | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|")
    asked_for = {"checks": done.checks, "fetches of what changed": done.fetches, "changes": done.changes}
    for name, times in asked_for.items():
        print(f"| {name} | {len(times):,} | {len(times) / done.seconds:.1f} | {_times(times)} |")
    print(f"| fetches one by one, 304 | {fetched.number:,} | | {_times(fetched.seconds)} |")
    print(f"\nFailed: {dict(done.failures) or 'none'}")
    _print_costs(asked, fetched, options)
    _print_writes(asked)


def _print_costs(asked: Asked, fetched: Fetched, options: argparse.Namespace) -> None:
    print("\n| | server | database |\n|---|---:|---:|")
    number, seconds = asked.done.requests, asked.done.seconds
    parts = asked.server_ms, asked.database_ms
    print(f"| CPU ms of a request of the load | {_cells([part / number for part in parts])} |")
    print(f"| cores that are busy | {_cells([part / seconds / 1000 for part in parts])} |")
    of_fetch = [part / fetched.number for part in (fetched.server_ms, fetched.database_ms)]
    print(f"| CPU ms of a fetch one by one, 304 | {_cells(of_fetch)} |")
    print(f"| cores for such fetches of {options.agents} agents | {_cells(_cores_of_fetches(of_fetch, options))} |")
    print(f"\nConnections: {asked.written.connections}. Memory of the console: {asked.memory:.0f} MB PSS.")


def _cores_of_fetches(of_fetch: Sequence[float], options: argparse.Namespace) -> list[float]:
    each_s = options.runtimes * options.agents / options.interval
    return [ms * each_s / 1000 for ms in of_fetch]


def _print_writes(asked: Asked) -> None:
    written, seconds = asked.written, asked.done.seconds
    a_day = DAY_S / seconds
    print("\n| table | rows added | rows changed | of them HOT | grown MB | changed rows a day |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, (added, changed, hot, grown) in sorted(written.tables.items()):
        cells = f"{added:,}", f"{changed:,}", f"{hot:,}", f"{grown / MB:.1f}", f"{changed * a_day / 1e6:.1f} million"
        print(f"| {name} | {' | '.join(cells)} |")
    wal = f"{written.wal / MB / seconds:.2f} MB a second, {written.wal * a_day / GB:.0f} GB a day"
    print(f"\nCommits a second: {written.commits / seconds:.0f}. WAL: {wal}.")


def _cells(values: Sequence[float]) -> str:
    return " | ".join(f"{value:.2f}" for value in values)


def _times(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    if not ordered:
        return "- | -"
    return " | ".join(f"{ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000:.1f}" for part in (0.5, 0.99))
