"""The run: fill, start all programs, then rounds in which each program is asked for each route in turn."""

import argparse
import base64
import itertools
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from agents_app.paths import ROOT
from benchmarks import stop_servers_on_sigterm
from benchmarks.memory import memory
from benchmarks.migrations.releases import BenchmarkError, Release, commit, free_port
from benchmarks.migrations.rows import execute
from benchmarks.requests import databases, profiling, programs, rows, table
from benchmarks.requests.client import CONNECTIONS, LoadError, ask, load
from benchmarks.requests.cpu import worked_ms
from benchmarks.requests.programs import Program
from tests import postgres

WARM_UP = 200
# Of the requests of a round, so many are sent again on one connection.
ALONE_PART = 6
# Autovacuum would work at any time, and count for the program that is measured at that time.
SERVER = {"shared_buffers": "256MB", "max_wal_size": "4GB", "autovacuum": "off"}
# An agent that is created would be on the page. So this is asked for after everything else.
LAST = programs.CREATE
# What SQLite is for; a copy of more rows takes long.
SQLITE_ROWS_MAX = 100_000


@dataclass
class Figures:
    """What was measured of one route of one program, all rounds together."""

    server_ms: list[float] = field(default_factory=list)
    database_ms: list[float] = field(default_factory=list)
    """CPU of a request, one number for each round."""
    seconds: list[float] = field(default_factory=list)
    """Of each request."""
    seconds_alone: list[float] = field(default_factory=list)
    """Of each request that was sent while no other was answered."""
    rates: list[float] = field(default_factory=list)
    """Requests in a second, by round."""
    size: int = 0
    """Bytes of the answer, without its headers."""

    @property
    def cpu_ms(self) -> float:
        """CPU of a request, server and database together: the median of the rounds."""
        return statistics.median(map(sum, zip(self.server_ms, self.database_ms, strict=True)))


@dataclass(frozen=True)
class Bench:
    """Programs that run, and the database server of all of them."""

    compared: list[Program]
    postmaster: int
    numbers: Iterator[int]

    def run(self, routes: Iterable[str], rounds: int, count: int) -> dict[tuple[str, str], Figures]:
        """Ask each program for each of these routes, in turn, `rounds` times. Raises LoadError."""
        pairs = [(program, route) for route in routes for program in self.compared if route in program.routes]
        found = {(program.name, route): Figures() for program, route in pairs}
        for program, route in pairs:
            # Caches, plans and pages.
            load(program.port, program.routes[route], self.numbers, WARM_UP)
            answer = ask(program.port, program.routes[route][0], next(self.numbers))
            found[program.name, route].size = len(answer.partition(b"\r\n\r\n")[2])
        for _ in range(rounds):
            for program, route in pairs:
                self._measure(program, route, count, found[program.name, route])
        return found

    def _measure(self, program: Program, route: str, count: int, figures: Figures) -> None:
        asked = program.routes[route]
        server, database = worked_ms(program.pid), worked_ms(self.postmaster)
        seconds, whole = load(program.port, asked, self.numbers, count)
        figures.server_ms.append((worked_ms(program.pid) - server) / count)
        figures.database_ms.append((worked_ms(self.postmaster) - database) / count)
        figures.seconds += seconds
        figures.rates.append(count / whole)
        figures.seconds_alone += load(program.port, asked, self.numbers, max(1, count // ALONE_PART), 1)[0]


def main() -> int:
    """Run the benchmark, and print its tables."""
    options = parse()
    stop_servers_on_sigterm()
    try:
        with tempfile.TemporaryDirectory(prefix="console-bench-") as folder, ExitStack() as stack:
            run(options, Path(folder), stack)
    except (BenchmarkError, LoadError, OSError, RuntimeError, psycopg2.Error, subprocess.CalledProcessError) as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def run(options: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    """Fill, measure and print."""
    if not Path("/proc/self/schedstat").exists():
        raise BenchmarkError("The time that a process has worked is read from /proc, which only Linux has.")
    if not options.profile:
        programs.require_packages()
    own = stack.enter_context(postgres.cluster(**SERVER))
    postmaster = int((own.folder / "data" / "postmaster.pid").read_text().split()[0])
    console, filled = start_console(options, folder, own.url, stack)
    numbers = itertools.count(1)
    print(_conditions(options, own.url), flush=True)
    if options.profile:
        for route in options.profile:
            print(f"\n## {route}\n")
            profiling.print_profile(console.routes[route], console.environment, numbers, options.requests)
        return
    compared = [console, *_start_others(filled, folder, own.url, stack)]
    if options.rows <= SQLITE_ROWS_MAX:
        compared.append(_start_on_sqlite(console, filled, folder, stack))
    programs.check_same_agents(compared)
    bench = Bench(compared, postmaster, numbers)
    found = dict[tuple[str, str], Figures]()
    for routes in ([route for route in programs.TARGETS if route != LAST], [LAST]):
        found |= bench.run(routes, options.rounds, options.requests)
    table.print_costs(found, programs.TARGETS)
    table.print_programs([(program.name, program.start_s, *memory(program.pid)) for program in compared])


def start_console(
    options: argparse.Namespace, folder: Path, server_url: str, stack: ExitStack
) -> tuple[Program, rows.Filled]:
    """Start the console on a new database with `options.rows` agents, make copies of that for the others."""
    environment = _environment(folder)
    url = databases.create(server_url, "console")
    release = Release("this release", ROOT, Path(sys.executable), {**environment, "DATABASE_URL": url})
    tokens = rows.prepare(release)
    console = programs.console(release.environment, free_port(), folder / "console.log")
    stack.callback(console.stop)
    console.start()
    filled = rows.fill(url, console.port, tokens, options.rows, options.events or options.rows)
    if not options.profile:
        # A database is copied while nobody uses it.
        console.stop()
        databases.create_copy(server_url, "straw", "console")
        databases.create(server_url, "bare", "straw")
        if options.rows <= SQLITE_ROWS_MAX:
            release.flask("db", "copy", "--to", _sqlite_url(folder))
        console.start()
    console.routes = programs.routes_of_console(filled, console.port)
    return console, filled


def _sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'console.db'}"


def _start_on_sqlite(console: Program, filled: rows.Filled, folder: Path, stack: ExitStack) -> Program:
    environment = {**console.environment, "DATABASE_URL": _sqlite_url(folder)}
    started = programs.console(environment, free_port(), folder / "sqlite.log", "console, SQLite")
    stack.callback(started.stop)
    started.start()
    started.routes = programs.routes_of_console(filled, started.port)
    return started


def _start_others(filled: rows.Filled, folder: Path, server_url: str, stack: ExitStack) -> list[Program]:
    straw, bare = (
        programs.other(name, module, folder, databases.url_of(server_url, name), filled.account_id)
        for name, module in (
            ("straw", "benchmarks.requests.straw:create_app()"),
            ("bare", "benchmarks.requests.bare:app"),
        )
    )
    straw.routes, bare.routes = programs.routes_of_straw(filled), programs.routes_of_bare(filled)
    for program in (straw, bare):
        stack.callback(program.stop)
        program.start()
    return [straw, bare]


def _conditions(options: argparse.Namespace, server_url: str) -> str:
    (version,) = execute(server_url, "SHOW server_version")[0]
    return (
        f"Commit {commit()}, Python {sys.version.split()[0]}, PostgreSQL {str(version).split()[0]}, "
        + f"{os.cpu_count()} cores; {options.rows:,} agents, {options.events or options.rows:,} events; "
        + f"{options.rounds} rounds of {options.requests} requests on {CONNECTIONS} connections"
    )


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
    parser = argparse.ArgumentParser(prog="make bench", usage="make bench OPTIONS='...'", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="agents (default: 10000)")
    parser.add_argument("--events", type=int, help="events (default: as many as agents)")
    parser.add_argument("--requests", type=int, default=600, help="requests of a route in a round (default: 600)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    parser.add_argument(
        "--profile", metavar="ROUTE", help="only print where this route of the console spends its time: part of a name"
    )
    options = parser.parse_args()
    if options.profile is not None:
        options.profile = [route for route in programs.TARGETS if options.profile in route]
        if not options.profile:
            parser.error(f"--profile: part of one of these names: {'; '.join(programs.TARGETS)}")
    for name in ("rows", "requests", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name}: a number from 1.")
    return options
