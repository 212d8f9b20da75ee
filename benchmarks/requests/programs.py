"""The programs that are compared: each is started, asked and stopped in the same way.

Every program has two processes of four threads and a database of its own, with the same rows.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents_app.paths import ROOT
from benchmarks.migrations.load import agent_values
from benchmarks.migrations.releases import BenchmarkError, free_port
from benchmarks.migrations.rows import PASSWORD
from benchmarks.requests import rows
from benchmarks.requests.client import LoadError, Request, ask

# gunicorn is not a package of the console. `make bench` puts it here.
PACKAGES = Path(sys.prefix) / "benchmarks"
GUNICORN = "-m gunicorn --workers 2 --threads 4 --worker-class gthread --log-level error --keep-alive 60 --bind".split()
JSON = {"Content-Type": "application/json"}
START_S, STOP_S = 60, 30
# What the routes are called in the table, and the most that the console may cost, as a part of the plain program.
LIST, READ, UNCHANGED, FETCH = "list of 20, JSON", "read one, JSON", "runtime, 304", "runtime, 200"
CREATE, PAGE = "create", "page of 20, HTML"
TARGETS = {LIST: 0.45, READ: 0.75, UNCHANGED: 0.50, FETCH: 1.2, CREATE: 1.0, PAGE: 0.25}


@dataclass
class Program:
    """A program with its command, its environment, and what is asked of it, by route."""

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    port: int
    log: Path
    first: str
    """The path whose first answer ends the start."""
    routes: dict[str, list[Request]] = field(default_factory=dict)
    start_s: float = 0.0
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        """The id of its first process."""
        return self.process.pid if self.process else 0

    def start(self) -> None:
        """Start it, and wait for its first answer. Raises BenchmarkError."""
        began = time.perf_counter()
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, *self.words],
                cwd=ROOT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        while not self._answers():
            if self.process.poll() is not None or time.perf_counter() - began > START_S:
                raise BenchmarkError(f"{self.name} does not answer:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.005)
        self.start_s = time.perf_counter() - began

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def answer(self, route: str) -> str:
        """The body of its answer to the first request of a route. Raises LoadError."""
        return ask(self.port, self.routes[route][0]).partition(b"\r\n\r\n")[2].decode()

    def _answers(self) -> bool:
        try:
            ask(self.port, Request("GET", self.first, 200))
        except (OSError, LoadError):
            return False
        return True


def console(environment: Mapping[str, str], port: int, log: Path, name: str = "console") -> Program:
    """This console, as in production."""
    settings = {
        **environment,
        "BIND": f"127.0.0.1:{port}",
        "WORKERS": "2",
        "POOL_SIZE": "4",
        "API_RATE_LIMIT": "1000000",
    }
    return Program(name, ["-m", "agents_app", "serve"], settings, port, log, "/sign-in")


def other(name: str, module: str, folder: Path, url: str, account_id: str) -> Program:
    """A program on gunicorn, with a log in this folder. `module` is its WSGI object."""
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ACCOUNT_ID": account_id,
        "DATABASE_URL": url,
        "PYTHONPATH": str(PACKAGES),
    }
    port = free_port()
    return Program(name, [*GUNICORN, f"127.0.0.1:{port}", module], settings, port, folder / f"{name}.log", "/agents")


def require_packages() -> None:
    """Raise BenchmarkError if gunicorn is not installed."""
    if not (PACKAGES / "gunicorn").exists():
        raise BenchmarkError(f"gunicorn is not installed in {PACKAGES}. `make bench` installs it.")


def routes_of_console(filled: rows.Filled, port: int) -> dict[str, list[Request]]:
    """What is asked of the console."""
    token = {"Authorization": f"Bearer {filled.token}"}
    runtime = {"Authorization": f"Bearer {filled.runtime_token}"}
    # A version that the runtime has is recorded at its first fetch.
    known = {agent: _tag(ask(port, Request("GET", _runtime(agent), 200, runtime))) for agent in filled.agents}
    new = json.dumps(agent_values("New agent {n}"))
    return {
        LIST: [Request("GET", f"{rows.API}?limit=20", 200, token)],
        READ: [Request("GET", f"{rows.API}/{agent}", 200, token) for agent in filled.agents],
        UNCHANGED: [
            Request("GET", _runtime(agent), 304, {**runtime, "If-None-Match": tag}) for agent, tag in known.items()
        ],
        FETCH: [Request("GET", _runtime(agent), 200, runtime) for agent in filled.agents],
        CREATE: [Request("POST", rows.API, 201, {**token, **JSON, "Idempotency-Key": "bench-{n}"}, new)],
        PAGE: [Request("GET", "/agents", 200, {"Cookie": _signed_in(port)})],
    }


def routes_of_straw(filled: rows.Filled) -> dict[str, list[Request]]:
    """What is asked of the plain program. It is read, where the console is asked for a working configuration."""
    read = [Request("GET", f"/agents/{agent}", 200) for agent in filled.agents]
    return {**routes_of_bare(filled), UNCHANGED: read, FETCH: read, PAGE: [Request("GET", "/", 200)]}


def routes_of_bare(filled: rows.Filled) -> dict[str, list[Request]]:
    """What is asked of the least program."""
    return {
        LIST: [Request("GET", "/agents", 200)],
        READ: [Request("GET", f"/agents/{agent}", 200) for agent in filled.agents],
        CREATE: [Request("POST", "/agents", 201, JSON, json.dumps(agent_values("New agent {n}")))],
    }


def check_same_agents(compared: Sequence[Program]) -> None:
    """Compare what the programs answer: they list the same agents in the same order. Raises BenchmarkError."""
    for route in (LIST, PAGE):
        found = {program.name: _listed(program.answer(route)) for program in compared if route in program.routes}
        if len(set(found.values())) != 1 or not all(found.values()):
            raise BenchmarkError(f"{route}: the programs do not answer with the same agents: {found}")


def _listed(body: str) -> tuple[str, ...]:
    """The ids of the agents in a list or on a page, in order."""
    if body.startswith("{"):
        return tuple(item["id"] for item in json.loads(body)["items"])
    return tuple(dict.fromkeys(re.findall(r'href="/agents/([0-9a-f-]{36})', body)))


def _runtime(agent: str) -> str:
    return f"{rows.API}/{agent}/runtime"


def _tag(answer: bytes) -> str:
    head = answer.partition(b"\r\n\r\n")[0].decode()
    return next(line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("etag:"))


def _signed_in(port: int) -> str:
    """The cookie of the admin."""
    jar = urllib.request.HTTPCookieProcessor()
    person, url = urllib.request.build_opener(jar), f"http://127.0.0.1:{port}/sign-in"
    page = person.open(url, timeout=START_S).read().decode()
    token = page.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
    form = {"csrf_token": token, "email": rows.EMAIL, "password": PASSWORD}
    person.open(url, urllib.parse.urlencode(form).encode(), timeout=START_S).read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar.cookiejar)
