"""The whole benchmark: fills a database of the old release, deploys this release, then makes everyday changes."""

import argparse
import base64
import os
import secrets
import shlex
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from benchmarks import stop_servers_on_sigterm
from benchmarks.migrations import changes, rows
from benchmarks.migrations.deployments import Part, deploy, measure
from benchmarks.migrations.load import Load
from benchmarks.migrations.releases import (
    BenchmarkError,
    Release,
    Server,
    commit,
    old_release,
    this_release,
)
from benchmarks.migrations.table import Result
from tests import postgres

# As on a server in production: nothing of its safety is switched off.
SERVER_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "256MB",
}


class Benchmark:
    """One run: the database, the releases, the load, and which server answers it."""

    def __init__(self, options: argparse.Namespace, folder: Path, cluster: postgres.Cluster) -> None:
        self.options, self.folder = options, folder
        self.url = sa.make_url(cluster.url).set(database="console").render_as_string(hide_password=False)
        rows.execute(cluster.url, "CREATE DATABASE console")
        version = str(rows.execute(self.url, "SHOW server_version")[0][0]).split()[0]
        self.result = Result(options.agents, options.rate, options.command, f"PostgreSQL {version}", commit())
        environment = self._environment()
        self.old = old_release(folder / "old", environment, options.old_release)
        self.new = this_release(folder / "new", environment)
        self.log = folder / "servers.log"
        self.server: Server
        self.load: Load

    def run(self) -> None:
        """Measure everything."""
        self.old.flask("db", "upgrade")
        say(f"Filling the database of release {self.old.name} with {self.options.agents:,} agents...")
        accounts = rows.fill(self.old, self.url, self.options.agents, self.log)
        self.server = Server(self.old, self.log)
        self.load = Load(accounts, self.options.rate, self.server.address)
        self.load.start()
        try:
            time.sleep(2)
            self.rest("nothing, before")
            self.deploy_steps()
            self.replace(self.new)
            self.deploy_steps("--finish")
            for number, change in enumerate(changes.CHANGES, 1):
                self.change(change, number)
            self.rest("nothing, after")
        finally:
            self.load.stop()
            self.server.stop()
            self.result.records = self.load.records

    def rest(self, name: str) -> None:
        """Measure a time in which only the load runs."""
        start = time.monotonic()
        time.sleep(self.options.rest)
        self.add(name, Part(name, start, time.monotonic()))

    def deploy_steps(self, *options: str) -> None:
        """Deploy this release, and measure each step by itself."""
        command = " ".join(("flask db deploy", *options))
        for part in deploy(self.new, *options):
            self.add(f"`{part.name}`" if part.is_step else f"{command}: {part.name}", part)

    def replace(self, release: Release) -> None:
        """Start the server of this release, send the load to it, and stop the one before."""
        start, before = time.monotonic(), self.server
        self.server = Server(release, self.log)
        self.load.address = self.server.address
        self.load.settle()
        before.stop()
        self.add("the release is replaced", Part("", start, time.monotonic()))

    def change(self, change: changes.Change, number: int) -> None:
        """Make a change of the models, deploy it, replace the release if steps are marked, and finish."""
        files = changes.write_files(self.new, change, number)
        first = deploy(self.new, "--no-backup")
        self.add(f"{change.title}: deploy, {steps_text(first)}", *first)
        if files > sum(part.is_step for part in first):
            self.replace(self.new)
            second = deploy(self.new, "--no-backup", "--finish")
            self.add(f"{change.title}: deploy --finish, {steps_text(second)}", *second)

    def add(self, name: str, *parts: Part) -> None:
        """Add a line for these parts to the result."""
        serving = self.server.release.name
        self.result.add(name, serving, measure(self.load, *parts))

    def _environment(self) -> dict[str, str]:
        (self.folder / "home").mkdir()
        return {
            "PATH": f"{os.environ['PATH']}{os.pathsep}{postgres.pg_ctl().parent}",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "FLASK_SKIP_DOTENV": "1",
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": self.url,
            "BACKUP_FOLDER": str(self.folder / "backups"),
            "LOG_LEVEL": "warning",
            "SECRET_KEY": secrets.token_urlsafe(32),
            "ENCRYPTION_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
            "TOKEN_PEPPERS": f"p1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        }


def steps_text(parts: Sequence[Part]) -> str:
    """How many of these parts are steps, and how long they took."""
    steps = [part for part in parts if part.is_step]
    number = "1 step" if len(steps) == 1 else f"{len(steps)} steps"
    return f"{number} in {sum(part.seconds for part in steps):.2f} s"


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def main(words: Sequence[str]) -> int:
    """Run the benchmark. Returns 0 if no request failed."""
    options = parse(words)
    stop_servers_on_sigterm()
    try:
        with tempfile.TemporaryDirectory(prefix="console-bench-") as folder, postgres.cluster(**SERVER_SETTINGS) as own:
            benchmark = Benchmark(options, Path(folder), own)
            benchmark.run()
    except BenchmarkError as error:
        say(f"Error: {error}")
        return 2
    say("\n" + "\n".join(benchmark.result.markdown()))
    return 1 if benchmark.result.failures else 0


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The options, and the command as it can be typed again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.migrations", description=__doc__)
    parser.add_argument("--agents", type=int, default=1_000_000, help="number of agents (default: a million)")
    parser.add_argument("--rate", type=float, default=40, help="requests a second (default: 40)")
    parser.add_argument("--rest", type=float, default=60, help="seconds without a migration, before and after")
    parser.add_argument("--old-release", type=Path, help="folder of the release before (default: 0.1.0 of the history)")
    options = parser.parse_args(words)
    options.command = f"make bench-migrations OPTIONS='{shlex.join(words)}'" if words else "make bench-migrations"
    return options
