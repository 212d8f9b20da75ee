"""The run: fill, start the console with two workers, let the runtimes ask, and compare with fetches one by one."""

import argparse
import itertools
import logging
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import db
from benchmarks import stop_servers_on_sigterm
from benchmarks.memory import memory
from benchmarks.migrations.releases import BenchmarkError, commit, free_port
from benchmarks.requests import client, programs
from benchmarks.requests.cpu import worked_ms
from benchmarks.requests.programs import Program
from benchmarks.runtimes import fleet, load, table
from benchmarks.runtimes.database import written
from benchmarks.runtimes.fleet import Runtime
from tests import make, postgres

# As in production: what is committed is on disk, and a crash loses nothing.
SAFE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "wal_level": "replica"}
# The statistics of the database are a little late.
SETTLE_S = 1.5


def main() -> int:
    """Run the benchmark, and print its tables."""
    options = parse()
    stop_servers_on_sigterm()
    os.environ["FLASK_SKIP_DOTENV"] = "1"
    try:
        with tempfile.TemporaryDirectory(prefix="console-runtimes-") as folder, ExitStack() as stack:
            return run(options, Path(folder), stack)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1


def run(options: argparse.Namespace, folder: Path, stack: ExitStack) -> int:
    """Fill, measure and print. Returns 1 if a request failed."""
    own = stack.enter_context(postgres.cluster(shared_buffers="256MB", max_wal_size="4GB", **SAFE))
    postmaster = int((own.folder / "data" / "postmaster.pid").read_text().split()[0])
    url = stack.enter_context(postgres.database(own.url))
    runtimes, writer = _fill(url, options)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "FLASK_SKIP_DOTENV": "1", **make.KEYS}
    environment |= {"DATABASE_URL": url, "BACKUP_FOLDER": str(folder / "backups")}
    console = programs.console(environment, free_port(), folder / "console.log")
    stack.callback(console.stop)
    console.start()
    print(f"Commit {commit()}, {len(runtimes):,} runtimes with {options.agents} agents each, {options.seconds:g} s")
    asked = _ask(options, console, postmaster, url, runtimes, writer)
    fetched = _fetch(console, postmaster, runtimes, asked.done.changed, options.fetches)
    table.print_all(asked, fetched, options)
    return 1 if asked.done.failures else 0


def _fill(url: str, options: argparse.Namespace) -> tuple[list[Runtime], Runtime]:
    dbtools.upgrade_to_head(parse_url(url))
    app = make.make_app(url)
    logging.disable(logging.INFO)
    filled = fleet.fill(app, options.runtimes, options.agents)
    with app.app_context():
        db.engine.dispose()
    return filled


def _ask(
    options: argparse.Namespace, console: Program, postmaster: int, url: str, runtimes: list[Runtime], writer: Runtime
) -> table.Asked:
    time.sleep(SETTLE_S)
    before, server, database = written(url), worked_ms(console.pid), worked_ms(postmaster)
    done = load.run(console.port, runtimes, writer, options.seconds, options.interval, options.changes)
    server, database = worked_ms(console.pid) - server, worked_ms(postmaster) - database
    time.sleep(SETTLE_S)
    return table.Asked(done, server, database, memory(console.pid)[0], written(url).since(before))


def _fetch(console: Program, postmaster: int, runtimes: list[Runtime], changed: set[str], count: int) -> table.Fetched:
    """Fetch agents one by one that have not changed, on kept connections."""
    pairs = ((one.token, *pair) for one in runtimes for pair in one.tags.items() if pair[0] not in changed)
    asked = [
        client.Request(
            "GET",
            f"/api/v1/agents/{agent_id}/runtime",
            304,
            {"Authorization": f"Bearer {token}", "If-None-Match": tag},
        )
        for token, agent_id, tag in itertools.islice(pairs, count)
    ]
    server, database = worked_ms(console.pid), worked_ms(postmaster)
    seconds, _ = client.load(console.port, asked, itertools.count(), len(asked))
    return table.Fetched(len(asked), worked_ms(console.pid) - server, worked_ms(postmaster) - database, seconds)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runtimes", description=__doc__)
    parser.add_argument("--runtimes", type=int, default=5_000, help="runtimes (default: 5000)")
    parser.add_argument("--agents", type=int, default=20, help="agents of each runtime (default: 20)")
    parser.add_argument("--interval", type=float, default=60, help="seconds between two checks (default: 60)")
    parser.add_argument("--seconds", type=float, default=120, help="seconds of the load (default: 120)")
    parser.add_argument("--changes", type=float, default=1, help="agents that are changed in a second (default: 1)")
    parser.add_argument("--fetches", type=int, default=2_000, help="fetches one by one (default: 2000)")
    return parser.parse_args()
