"""The run: fill, search without the index, apply its step, and search again. Each search is the list of the API.

The time is that of the operation, from the query to its rows: the fastest of several runs, because others work too.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from alembic import command

from agents_app.db import STATEMENT_TIMEOUT_MS, db
from agents_app.errors import Unavailable
from agents_app.operations import agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import parse
from benchmarks import stop_servers_on_sigterm
from benchmarks.migrations.releases import commit
from benchmarks.search.rows import fill
from tests import postgres
from tests.dbtools.tools import console_config, revision_before
from tests.make import agent_values, make_app, make_user

STEP = "add_agent_search_index"
RUNS, CREATES, ENOUGH_SECONDS = 5, 200, 3
SEARCHES = {
    "a missing word": {"q": "qqqxxx"},
    "a missing word, 3 letters": {"q": "qxz"},
    "a missing word, Cyrillic": {"q": "несуществ"},
    "a missing word, Chinese": {"q": "京都支店"},
    "a rare word": {"q": "zyxwvut"},
    "a rare word, by name": {"q": "zyxwvut", "sort": "name"},
    "a rare word, Cyrillic": {"q": "владивосток"},
    "a rare word, Chinese": {"q": "大阪支店"},
    "a rare and a common word": {"q": "zyxwvut sales"},
    "a rare word and a filter": {"q": "zyxwvut", "status": "disabled"},
    "one of 500 agents": {"q": "middling"},
    "one of 500 agents, by name": {"q": "middling", "sort": "name"},
    "one of 40 agents": {"q": "продажи"},
    "every agent": {"q": "sales"},
    "every agent and a filter": {"q": "sales", "status": "disabled"},
    "two letters, many agents": {"q": "sa"},
    "two letters, none": {"q": "qx"},
    "two Chinese letters, none": {"q": "支鬱"},
}


def main() -> int:
    """Run the benchmark, and print its table."""
    options = parse_options()
    stop_servers_on_sigterm()
    print(f"Commit {commit()}, {options.rows:,} agents. Milliseconds, the fastest of {RUNS}.\n")
    with tempfile.TemporaryDirectory(prefix="console-search-") as folder, ExitStack() as stack:
        urls = {}
        if options.only != "sqlite":
            own = stack.enter_context(postgres.cluster(shared_buffers="256MB", max_wal_size="4GB"))
            urls["PostgreSQL"] = stack.enter_context(postgres.database(own.url))
        if options.only != "postgresql":
            urls["SQLite"] = f"sqlite:///{folder}/console.db"
        found = {name: measure(url, Path(folder), options.rows) for name, url in urls.items()}
    print_table(found)
    return 0


def parse_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="number of agents")
    parser.add_argument("--only", choices=("postgresql", "sqlite"), help="one of the databases")
    return parser.parse_args()


def measure(url: str, folder: Path, rows: int) -> dict[str, list[str]]:
    """The columns of a database: for each line what it was without the index, and with it."""
    os.environ["BACKUP_FOLDER"] = str(folder / "backups")
    config = console_config(url)
    command.upgrade(config, revision_before(STEP))
    app = make_app(url)
    actor = make_user(app)
    with app.app_context():
        print(f"Filling {db.engine.dialect.name} ...", file=sys.stderr)
        fill(url, actor.account_id, rows)
        before = _all(actor)
        started = time.perf_counter()
        command.upgrade(config, "+1")
        seconds = time.perf_counter() - started
        command.upgrade(config, "head")
        after = _all(actor)
        db.engine.dispose()
    lines = {name: [before[name], after[name]] for name in before}
    return {**lines, "the index: seconds to create it": ["", f"{seconds:.0f}"]}


def _all(actor: Actor) -> dict[str, str]:
    found = {}
    for name, values in SEARCHES.items():
        query = parse(values)
        for kind, read in (("list", agent_reads.listing), ("page", agent_reads.listing_with_counts)):
            found[f"{name}: {kind}"] = _fastest(lambda read=read, query=query: read(actor, query))  # type: ignore[misc]
    found["a new agent (median)"] = _creates(actor)
    return found


def _fastest(search: Callable[[], object]) -> str:
    times: list[float] = []
    while len(times) < RUNS and sum(times) < ENOUGH_SECONDS:
        started = time.perf_counter()
        try:
            search()
        except Unavailable:
            return f"over {STATEMENT_TIMEOUT_MS:,}"
        times.append(time.perf_counter() - started)
    return f"{min(times) * 1000:.1f}"


def _creates(actor: Actor) -> str:
    times = []
    for number in range(CREATES):
        started = time.process_time() if db.engine.dialect.name == "sqlite" else time.perf_counter()
        agents.create(actor, agent_values(name=f"New {number}"))
        ended = time.process_time() if db.engine.dialect.name == "sqlite" else time.perf_counter()
        times.append(ended - started)
    return f"{median(times) * 1000:.1f}"


def print_table(found: dict[str, dict[str, list[str]]]) -> None:
    """Print one line for each search."""
    heads = [f"{name}, {index}" for name in found for index in ("no index", "index")]
    print("| search |", " | ".join(heads), "|")
    print("| --- |", " | ".join("---:" for _ in heads), "|")
    for name in next(iter(found.values())):
        print("|", name, "|", " | ".join(cell for lines in found.values() for cell in lines[name]), "|")
