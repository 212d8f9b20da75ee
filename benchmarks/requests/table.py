"""The tables of the results, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Measured(Protocol):
    """What was measured of a route of a program."""

    server_ms: list[float]
    database_ms: list[float]
    seconds: list[float]
    seconds_alone: list[float]
    rates: list[float]
    size: int

    @property
    def cpu_ms(self) -> float:
        """CPU of a request."""


PLAIN = "straw"
HEAD = "| | | CPU ms (server + database) | against straw | at most | requests/s | p50 ms | p99 ms | p50 alone | bytes |"


def print_costs(found: Mapping[tuple[str, str], Measured], targets: Mapping[str, float]) -> None:
    """A line for each route and program: CPU, its ratio to the plain program, rate, and the times of the requests.

    `p50 alone` is the time of a request while no other is answered.
    """
    print(f"\n{HEAD}\n|---|---|{'---:|' * 8}")
    for route, target in targets.items():
        for (program, of), one in found.items():
            if of != route:
                continue
            ratio = one.cpu_ms / found[PLAIN, route].cpu_ms
            most = f"{target:.2f}" if program == "console" else ""
            parts = f"{_median(one.server_ms):.2f} + {_median(one.database_ms):.2f}"
            alone = _median(one.seconds_alone)
            times = " | ".join(f"{_quantile(one.seconds, part) * 1000:.1f}" for part in (0.5, 0.99))
            costs = (f"{one.cpu_ms:.2f} ({parts})", f"{ratio:.2f}", most, f"{_median(one.rates):.0f}", times)
            print(f"| {' | '.join((route, program, *costs))} | {alone * 1000:.1f} | {one.size:,} |")


def print_programs(found: Sequence[tuple[str, float, float, float]]) -> None:
    """A line for each program: the seconds of its start, and its memory after the load."""
    print("\n| | start s | memory MB, PSS | RSS |\n|---|---:|---:|---:|")
    for name, start, pss, rss in found:
        print(f"| {name} | {start:.2f} | {pss:.0f} | {rss:.0f} |")


def _median(values: Sequence[float]) -> float:
    return _quantile(values, 0.5)


def _quantile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
