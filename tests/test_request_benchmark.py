"""`make bench`: a wrong answer or option stops it with one line; otherwise it compares all routes."""

import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.requests.client import LoadError, Request, load
from benchmarks.requests.cpu import worked_ms
from benchmarks.requests.programs import PACKAGES, TARGETS
from tests.isolation import HOME
from tests.project import shared_copy

FEW = ("--rows", "300", "--requests", "12", "--rounds", "1")


class Answers(BaseHTTPRequestHandler):
    """Answers every second request with 404."""

    protocol_version = "HTTP/1.1"
    numbers = itertools.count(1)

    def do_GET(self) -> None:
        self.send_response(404 if next(self.numbers) % 2 == 0 else 200)
        self.send_header("Content-Length", "9")
        self.end_headers()
        self.wfile.write(b"some text")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": str(HOME)}
    command = [sys.executable, "-m", "benchmarks.requests", *options]
    return subprocess.run(command, check=False, cwd=shared_copy(), env=environment, capture_output=True, text=True)


def require_packages() -> None:
    """Skips the test if gunicorn is not where `make bench` installs it; with REQUIRE_ALL=1 the test fails."""
    if not PACKAGES.exists() and os.environ.get("REQUIRE_ALL") != "1":
        pytest.skip("`make bench` has not installed gunicorn.")


def test_an_answer_with_another_status_stops_the_load_with_one_line(port: int) -> None:
    with pytest.raises(LoadError, match=r"^GET /agents was answered with 404, not 200: some text$"):
        load(port, [Request("GET", "/agents", 200, {"Authorization": "Bearer secret"})], itertools.count(), 4, 1)


def test_a_server_that_is_gone_stops_the_load() -> None:
    with pytest.raises(OSError, match="refused"):
        load(1, [Request("GET", "/", 200)], itertools.count(), 1)


@pytest.mark.parametrize("options", [("--profile", "nothing"), ("--rows", "0"), ("--rounds", "0")])
def test_a_wrong_option_is_refused_before_anything_starts(options: tuple[str, ...]) -> None:
    done = bench(*options)

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"make bench: error: {options[0]}: ")


def test_the_time_of_processes_that_have_ended_is_counted() -> None:
    before = worked_ms(os.getpid())
    # Five million additions take more than a tick.
    subprocess.run([sys.executable, "-E", "-S", "-c", "sum(range(5_000_000))"], check=True)

    assert worked_ms(os.getpid()) > before


@pytest.mark.long
def test_each_route_of_each_program_has_a_line_with_its_costs() -> None:
    require_packages()

    done = bench(*FEW)

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert re.match(r"Commit \S+, Python \S+, PostgreSQL \S+, \d+ cores; 300 agents, 300 events; ", done.stdout)
    lines = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    costs = {(cells[0].removeprefix("| "), cells[1]): cells[2:] for cells in lines if len(cells) == 10}
    assert costs.keys() >= {(route, name) for route in TARGETS for name in ("console", "straw")}
    assert {float(cells[1]) for (_, name), cells in costs.items() if name == "straw"} == {1.0}
    for (route, _), cells in costs.items():
        assert route in TARGETS
        assert re.match(r"\d+\.\d\d \(\d+\.\d\d \+ \d+\.\d\d\)$", cells[0])


@pytest.mark.long
def test_a_profile_names_the_functions_of_a_route() -> None:
    done = bench("--rows", "100", "--requests", "20", "--profile", "304")

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "## runtime, 304\n" in done.stdout
    assert re.search(r"^\d+\.\d\d ms of CPU for a request in the app, by the profiler in:$", done.stdout, re.MULTILINE)
    assert {"the console", "sqlalchemy", "psycopg2"} <= set(re.findall(r"^ *\d+% (.+)$", done.stdout, re.MULTILINE))
    assert "method 'execute' of 'psycopg2" in done.stdout
