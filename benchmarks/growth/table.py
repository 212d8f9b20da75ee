"""The table of the plans, in Markdown."""

from collections.abc import Mapping
from typing import NamedTuple


class Cell(NamedTuple):
    """How a question was answered. `rows` are the most that one step read, where the database says so."""

    plan: str
    rows: int
    ms: float


def print_table(database: str, sizes: Mapping[int, Mapping[str, Cell]]) -> None:
    """A line for each question: its plan with the most agents, and its ms with each number of agents."""
    most = max(sizes)
    print(f"\n| {database} | plan at {most:,} agents | rows | {' | '.join(f'ms at {size:,}' for size in sizes)} |")
    print(f"|---|---|---:|{'---:|' * len(sizes)}")
    for name, cell in sizes[most].items():
        times = " | ".join(f"{found[name].ms:.1f}" for found in sizes.values())
        print(f"| {name} | {cell.plan} | {'' if database == 'sqlite' else f'{cell.rows:,}'} | {times} |")
