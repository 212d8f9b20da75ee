"""The run: for each database and each number of agents, fill, ask everything, and explain each statement."""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flask import Flask

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import create_sqlite_file, db
from benchmarks import stop_servers_on_sigterm
from benchmarks.growth import plans, questions, rows
from benchmarks.growth.table import Cell, print_table
from benchmarks.migrations.releases import BenchmarkError
from tests import make, postgres

DATABASES = ("postgresql", "sqlite")


def main() -> int:
    """Run the benchmark, and print its table."""
    options = parse()
    stop_servers_on_sigterm()
    os.environ["FLASK_SKIP_DOTENV"] = "1"
    for name in options.databases:
        sizes = {size: measure(name, size, options.only) for size in options.agents}
        print_table(name, sizes)
    return 0


def measure(name: str, agents: int, only: str = "") -> dict[str, Cell]:
    """How each question with this text in its name was answered by a database of this kind and size."""
    with tempfile.TemporaryDirectory(prefix="console-growth-") as folder, _database(name, Path(folder)) as app:
        filled = rows.fill(app, agents)
        print(f"{name}: {agents:,} agents are filled in.", file=sys.stderr)
        asked = questions.questions(questions.Asker(app, filled))
        return {one.name: answer(app, one) for one in asked if only in one.name}


def answer(app: Flask, question: questions.Question, setting: str = "") -> Cell:
    """Ask a question, then explain each of its statements, with a setting of the session if one is given."""
    with app.app_context():
        # On a new connection each statement is sent as it is, not as one that was prepared.
        db.engine.dispose()
    # What is written about the one who asks is written the first time.
    with suppress(BenchmarkError):
        question.ask()
    # What takes longer than the limit is seen below.
    with plans.statements_of(app) as sent, suppress(BenchmarkError):
        question.ask()
    with app.app_context(), db.reading() as connection:
        if setting:
            connection.exec_driver_sql(setting)
        found = [plans.explain(connection, statement) for statement in sent]
    return Cell(*plans.summary(found))


@contextmanager
def _database(name: str, folder: Path) -> Iterator[Flask]:
    """The app on an empty database of this kind, with every table."""
    if name == "sqlite":
        with _app(f"sqlite:///{folder / 'console.db'}") as app:
            yield app
        return
    settings = {"shared_buffers": "256MB", "max_wal_size": "4GB"}
    with postgres.cluster(**settings) as own, postgres.database(own.url) as url, _app(url) as app:
        yield app


@contextmanager
def _app(url: str) -> Iterator[Flask]:
    create_sqlite_file(parse_url(url))
    dbtools.upgrade_to_head(parse_url(url))
    app = make.make_app(url, API_RATE_LIMIT="1000000")
    logging.disable(logging.INFO)
    try:
        yield app
    finally:
        with app.app_context():
            db.engine.dispose()


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    sizes = "numbers of agents (default: 10000 1000000)"
    parser.add_argument("--agents", type=int, nargs="+", default=[10_000, 1_000_000], help=sizes)
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=list(DATABASES), help="default: both")
    parser.add_argument("--only", default="", metavar="TEXT", help="only what has this text in its name")
    return parser.parse_args()
