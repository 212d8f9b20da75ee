"""The run: fill, start all programs, then rounds in which each program is asked for each route in turn."""

import argparse
import base64
import itertools
import os
import secrets
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from agents_app.paths import ROOT
from benchmarks.memory import memory
from benchmarks.migrations.releases import BenchmarkError, Release, commit, free_port
from benchmarks.migrations.rows import execute
from benchmarks.requests import programs, rows, table
from benchmarks.requests.client import LoadError, Request, load
from benchmarks.requests.cpu import worked_ms
from benchmarks.requests.programs import Program
from tests import postgres

WARM_UP = 200


@dataclass
class Figures:
    """What was measured of one route of one program, all rounds together."""

    server_ms: list[float] = field(default_factory=list)
    database_ms: list[float] = field(default_factory=list)
    """CPU of a request, one number for each round."""
    seconds: list[float] = field(default_factory=list)
    """Of each request."""
    rates: list[float] = field(default_factory=list)
    """Requests in a second, by round."""

    @property
    def cpu_ms(self) -> float:
        """CPU of a request, server and database together: the median of the rounds."""
        return statistics.median(map(sum, zip(self.server_ms, self.database_ms, strict=True)))


def main() -> int:
    """Run the benchmark, and print its tables."""
    options = parse()
    try:
        with tempfile.TemporaryDirectory(prefix="console-bench-") as folder, ExitStack() as stack:
            run(options, Path(folder), stack)
    except (BenchmarkError, LoadError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    """Fill, measure and print."""
    own = stack.enter_context(postgres.cluster(shared_buffers="256MB", max_wal_size="4GB"))
    postmaster = int((own.folder / "data" / "postmaster.pid").read_text().split()[0])
    numbers = itertools.count(1)
    compared = _start_all(options, folder, own.url, stack)
    found = {(program.name, route): Figures() for program in compared for route in program.routes}
    for number in range(options.rounds + 1):
        for route in programs.TARGETS:
            for program in compared:
                if asked := program.routes.get(route):
                    count = options.requests if number else WARM_UP
                    measured = _measure(program, asked, numbers, count, postmaster)
                    # The first round warms up: caches, plans and pages.
                    if number:
                        _add(found[program.name, route], measured, count)
    print(f"Commit {commit()}, {options.rows:,} agents, {options.rounds} rounds of {options.requests} requests each")
    table.print_costs(found, programs.TARGETS)
    table.print_programs([(program.name, program.start_s, *memory(program.pid)) for program in compared])


def _start_all(options: argparse.Namespace, folder: Path, server_url: str, stack: ExitStack) -> list[Program]:
    environment = _environment(folder)
    url = _database(server_url, "console")
    release = Release("this release", ROOT, Path(sys.executable), {**environment, "DATABASE_URL": url})
    tokens = rows.prepare(release)
    console = programs.console(release.environment, free_port(), folder / "console.log")
    stack.callback(console.stop)
    console.start()
    filled = rows.fill(url, console.port, tokens, options.rows, options.events or options.rows)
    # A database is copied while nobody uses it.
    console.stop()
    settings = {"PATH": environment["PATH"], "HOME": str(folder), "ACCOUNT_ID": filled.account_id}
    compared = [console]
    for name, module in (("straw", "benchmarks.requests.straw:create_app()"), ("bare", "benchmarks.requests.bare:app")):
        settings["DATABASE_URL"] = _database(server_url, name, "console")
        # Without tenants, the indexes of the console do not fit the order of the list.
        execute(settings["DATABASE_URL"], "CREATE INDEX ON agents (updated_at, id)", "VACUUM ANALYZE agents")
        compared.append(programs.other(name, module, dict(settings), free_port(), folder / f"{name}.log"))
    for program in compared:
        stack.callback(program.stop)
        program.start()
    console.routes = programs.routes_of_console(filled, console.port)
    compared[1].routes = programs.routes_of_straw(filled)
    compared[2].routes = programs.routes_of_bare(filled)
    return compared


def _measure(
    program: Program, asked: list[Request], numbers: Iterator[int], count: int, postmaster: int
) -> tuple[float, float, list[float], float]:
    # CPU of the server and of the database in ms, the seconds of each request, and of all.
    server, database = worked_ms(program.pid), worked_ms(postmaster)
    seconds, whole = load(program.port, asked, numbers, count)
    return worked_ms(program.pid) - server, worked_ms(postmaster) - database, seconds, whole


def _add(figures: Figures, measured: tuple[float, float, list[float], float], count: int) -> None:
    server, database, seconds, whole = measured
    figures.server_ms.append(server / count)
    figures.database_ms.append(database / count)
    figures.seconds += seconds
    figures.rates.append(count / whole)


def _database(server_url: str, name: str, template: str = "template0") -> str:
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    return sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "FLASK_SKIP_DOTENV": "1",
        "AGENT_CONSOLE_HOME": str(folder),
        "SECRET_KEY": secrets.token_urlsafe(32),
        "ENCRYPTION_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "TOKEN_PEPPERS": f"p1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
    }


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.requests", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="agents (default: 10000)")
    parser.add_argument("--events", type=int, help="events (default: as many as agents)")
    parser.add_argument("--requests", type=int, default=600, help="requests of a route in a round (default: 600)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    return parser.parse_args()
