"""Memory and start of `flask serve` with two workers: this release, 0.1.0, and a page of Flask without anything else.

Memory is the sum of PSS of all processes: what three of them share counts a third in each. A start is the time from the
start of the command to the first answer 200 of a page.
"""

import argparse
import base64
import http.cookiejar
import json
import os
import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from agents_app.paths import ROOT
from benchmarks import stop_servers_on_sigterm
from benchmarks.memory import memory
from benchmarks.migrations import rows
from benchmarks.migrations.load import API, agent_values, send
from benchmarks.migrations.releases import OLD_NAME, BenchmarkError, Release, commit, old_release
from benchmarks.requests.programs import GUNICORN, PACKAGES
from tests import postgres

CLIENTS, AGENTS = 16, 40
EMAIL = "admin@acme.example"
PAGES = ("/", "/?q=orders", "/agents/{agent}", "/agents/{agent}/edit", "/activity", "/people", "/profile")
PATIENCE_S = 60
# What the packages take that every program of this kind has.
PLAIN = """
import flask_sqlalchemy, psycopg2, pydantic, sqlalchemy.dialects.postgresql.psycopg2
from flask import Flask
app = Flask(__name__)
app.add_url_rule("/sign-in", view_func=lambda: "A page.", endpoint="page")
"""


@dataclass
class Figures:
    """What was measured of one program: seconds of its starts, and PSS and RSS in MB of all its processes."""

    name: str
    starts: list[float] = field(default_factory=list)
    idle: tuple[float, float] = (0, 0)
    rounds: list[tuple[float, float]] = field(default_factory=list)


class Load:
    """The agents of a release, and requests for them."""

    def __init__(self, release: Release, port: int) -> None:
        self.port, self.agents = port, list[str]()
        person = ("--name", "Admin", "--email", EMAIL, "--organisation", "Acme", "--password-stdin")
        release.flask("accounts", "create", *person, typed=rows.PASSWORD)
        token = ("tokens", "create", "--name", "benchmark", "--scope")
        self.tokens = (release.flask(*token, "read", "--scope", "write"), release.flask(*token, "runtime"))

    def fill(self) -> None:
        """Make the agents."""
        for number in range(AGENTS):
            values = agent_values(f"Orders {number}")
            self.agents.append(json.loads(ask_api(self.port, "POST", API, self.tokens[0], values))["id"])

    def send(self, count: int) -> None:
        """Send this many requests: half of them of the API, half by people who are signed in."""
        people = [signed_in(self.port) for _ in range(CLIENTS)]

        def send_one(number: int) -> None:
            agent = self.agents[number % AGENTS]
            if number % 2:
                path = PAGES[number // 2 % len(PAGES)].format(agent=agent)
                people[number % CLIENTS].open(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_S).read()
                return
            one, (token, runtime) = f"{API}/{agent}", self.tokens
            requests: tuple[tuple[str, str, str, dict[str, object] | None], ...] = (
                ("GET", f"{API}?limit=20", token, None),
                ("GET", f"{API}?limit=20&q=orders", token, None),
                ("GET", one, token, None),
                ("GET", f"{one}/runtime", runtime, None),
                ("PATCH", one, token, {"description": f"Changed by request {number}."}),
                ("POST", API, token, agent_values(f"Made by request {number}")),
            )
            ask_api(self.port, *requests[number // 2 % len(requests)])

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(send_one, range(count)))


def ask_api(port: int, method: str, path: str, token: str, body: dict[str, object] | None) -> bytes:
    """Send a request, and return the body of the answer. Raises BenchmarkError if it is a refusal."""
    status, answer = send(("127.0.0.1", port), method, path, token, body)
    if status >= 400:
        raise BenchmarkError(f"{method} {path}: {status} {answer[:300].decode(errors='replace')}")
    return answer


def signed_in(port: int) -> urllib.request.OpenerDirector:
    """A browser in which the admin is signed in."""
    person = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    url = f"http://127.0.0.1:{port}/sign-in"
    page = person.open(url, timeout=PATIENCE_S).read().decode()
    value = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    if value is None:
        raise BenchmarkError("The page to sign in has no CSRF value.")
    form = {"csrf_token": value[1], "email": EMAIL, "password": rows.PASSWORD}
    person.open(url, urllib.parse.urlencode(form).encode(), timeout=PATIENCE_S).read()
    return person


@contextmanager
def running(words: list[str], port: int, folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[int, float]]:
    """A server that answers: the id of its parent process, and how many seconds its start took."""
    log = Path(environment["HOME"], "servers.log")
    with log.open("w") as stream:
        start = time.perf_counter()
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=stream, stderr=stream)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - start > PATIENCE_S:
                raise BenchmarkError(f"{' '.join(words)} does not answer:\n{log.read_text()[-2000:]}")
            time.sleep(0.005)
        yield process.pid, time.perf_counter() - start
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def measure(figures: Figures, words: list[str], release: Release, port: int, options: argparse.Namespace) -> None:
    """Start the server several times, the last time under load."""
    environment = {**release.environment, "BIND": f"127.0.0.1:{port}", "WORKERS": "2"}
    is_console = "serve" in words
    load = Load(release, port) if is_console else None
    for number in range(options.starts + 1):
        with running(words, port, release.folder, environment) as (parent, seconds):
            # The first start compiles modules.
            figures.starts += [seconds] if number else []
            if number < options.starts:
                continue
            figures.idle = memory(parent)
            if load:
                load.fill()
                for _ in range(options.rounds):
                    load.send(options.requests)
                    figures.rounds.append(memory(parent))
    print(line(figures), flush=True)


def line(figures: Figures) -> str:
    """A line of the table."""
    first, last = (figures.rounds[0], figures.rounds[-1]) if figures.rounds else (figures.idle, figures.idle)
    pairs = [f"{pss:.0f} ({rss:.0f})" for pss, rss in (figures.idle, first, last)]
    cells = [figures.name, f"{statistics.median(figures.starts):.2f}", f"{min(figures.starts):.2f}", *pairs]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run the benchmark."""
    options = parse()
    stop_servers_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="console-bench-") as name, postgres.cluster() as own:
        folder = Path(name)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": name,
            "LANG": "C.UTF-8",
            "FLASK_SKIP_DOTENV": "1",
            "LOG_LEVEL": "warning",
            "AGENT_CONSOLE_HOME": name,
            "SECRET_KEY": secrets.token_urlsafe(32),
            "ENCRYPTION_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
            "TOKEN_PEPPERS": f"p1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        }
        print(
            f"Commit {commit()}, Python {sys.version.split()[0]}, {os.cpu_count()} cores, {options.requests} requests"
        )
        print("| | start s | fastest | idle MB PSS (RSS) | after load | after the last round |")
        print("|---|---:|---:|---:|---:|---:|")
        for program in options.programs:
            rows.execute(own.url, f"CREATE DATABASE {program}")
            environment["DATABASE_URL"] = sa.make_url(own.url).set(database=program).render_as_string(False)
            measure_program(program, folder / program, environment, options)
    return 0


def measure_program(program: str, folder: Path, environment: Mapping[str, str], options: argparse.Namespace) -> None:
    """Measure `plain`, `old` or `new`."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    folder.mkdir()
    python = options.python or Path(sys.executable)
    if program == "old":
        release = old_release(folder, environment, None)
        release.flask("db", "upgrade")
        return measure(Figures(OLD_NAME), [str(release.python), "-m", "flask", "serve"], release, port, options)
    if program == "plain":
        (folder / "plain.py").write_text(PLAIN)
        environment = {**environment, "PYTHONPATH": str(PACKAGES)}
        words = [str(python), *GUNICORN, f"127.0.0.1:{port}", "plain:app"]
        return measure(Figures("a page of Flask"), words, Release(program, folder, python, environment), port, options)
    release = Release("this release", ROOT if options.python is None else folder, python, environment)
    release.flask("db", "upgrade")
    return measure(Figures("this release"), [str(python), "-m", "agents_app", "serve"], release, port, options)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.footprint", description=__doc__)
    parser.add_argument("programs", nargs="*", default=["plain", "old", "new"], help="plain, old, new (default: all)")
    parser.add_argument("--requests", type=int, default=3000, help="requests of a round (default: 3000)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds of the load (default: 4)")
    parser.add_argument("--starts", type=int, default=5, help="starts, of which the median counts (default: 5)")
    parser.add_argument("--python", type=Path, help="the Python in whose environment the wheel is installed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
