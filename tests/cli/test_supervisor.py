"""The parent process of the workers: how long it waits for the answers of a worker."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE_S, Checkout

# The supervisor looks at its workers twice a second.
LINES_MAX = 200
# The worker imports this module before it can answer, and waits there until the test opens the pipe.
SLOW = """
import multiprocessing
from pathlib import Path
from uvicorn.protocols.http.h11_impl import H11Protocol
class Protocol(H11Protocol): pass
if multiprocessing.current_process().name != "MainProcess":
    Path("start").read_text()
"""
PARENT = """
import os, socket, sys
import slow
from uvicorn import Config
from agents_app.server.supervisor import Supervisor
class Reporting(Supervisor):
    def keep_subprocess_alive(self):
        print("looks", flush=True)
        super().keep_subprocess_alive()
        print("looked at", *[process.pid for process in self.processes], flush=True)
    def _is_starting(self, process):
        is_starting = super()._is_starting(process)
        print("waits for" if is_starting else "asks", process.pid, flush=True)
        return is_starting
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    print("serves", os.getpid(), flush=True)
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    limits = {"timeout_worker_healthcheck": 5}
    config = Config("parent:app", http=slow.Protocol, ws="none", lifespan="on", log_level="error", **limits)
    Reporting(config, [listener]).run()
"""


@pytest.fixture
def parent(checkout: Checkout) -> Iterator["subprocess.Popen[str]"]:
    """A supervisor whose worker waits for the file `start`. Its output says which worker it looked at."""
    (checkout.folder / "slow.py").write_text(SLOW)
    (checkout.folder / "parent.py").write_text(PARENT)
    os.mkfifo(checkout.folder / "start")
    with subprocess.Popen(
        [sys.executable, "parent.py"],
        cwd=checkout.folder,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def read_until(parent: "subprocess.Popen[str]", pattern: str) -> tuple[str, str]:
    """Read up to the first line that matches: the id of the worker in it, and the text before it."""
    before = ""
    for line in islice(parent.stdout, LINES_MAX):
        if match := re.fullmatch(pattern, line.rstrip()):
            return match[1], before
        before += line
    pytest.fail(f"No line is {pattern}, but:\n{before}")


def start(parent: "subprocess.Popen[str]", checkout: Checkout) -> str:
    """Let the worker start. Returns its id when its parent has its first answer: until then, it may be slow."""
    (checkout.folder / "start").write_text("")
    return read_until(parent, r"asks (\d+)")[0]


def test_a_worker_that_starts_slowly_is_not_replaced(parent: "subprocess.Popen[str]", checkout: Checkout) -> None:
    looks = [read_until(parent, r"looked at (\d+)")[0] for _ in range(4)]
    assert len(set(looks)) == 1

    (checkout.folder / "start").write_text("")

    assert read_until(parent, r"serves (\d+)")[0] == looks[0]


def test_a_worker_that_stops_responding_is_replaced_and_logged(
    parent: "subprocess.Popen[str]", checkout: Checkout
) -> None:
    worker = start(parent, checkout)

    os.kill(int(worker), signal.SIGSTOP)

    _, log = read_until(parent, rf"looked at (?!{worker}$)(\d+)")
    assert f"The worker {worker} did not respond in 5 seconds. It was replaced.\n" in log


def test_a_worker_that_is_killed_while_it_is_asked_is_logged_as_killed(
    parent: "subprocess.Popen[str]", checkout: Checkout
) -> None:
    worker = start(parent, checkout)
    read_until(parent, r"(looked) at .*")
    os.kill(int(worker), signal.SIGSTOP)
    read_until(parent, r"(asks) .*")

    os.kill(int(worker), signal.SIGKILL)

    _, log = read_until(parent, rf"looked at (?!{worker}$)(\d+)")
    assert f"The worker {worker} was killed by signal 9. It was replaced.\n" in log


def test_the_other_worker_stays_while_one_is_replaced(parent: "subprocess.Popen[str]", checkout: Checkout) -> None:
    first = start(parent, checkout)
    parent.send_signal(signal.SIGTTIN)
    (checkout.folder / "start").write_text("")
    second, _ = read_until(parent, rf"asks (?!{first}$)(\d+)")

    os.kill(int(second), signal.SIGKILL)

    new, log = read_until(parent, rf"looked at (?!{second} )(\d+) {first}")
    assert new not in (first, second)
    assert log.count("It was replaced.") == 1


def test_a_signal_ends_it_while_a_worker_starts(parent: "subprocess.Popen[str]") -> None:
    worker, _ = read_until(parent, r"looked at (\d+)")

    parent.terminate()

    assert parent.wait(timeout=PATIENCE_S) == 0
    assert not Path(f"/proc/{worker}").exists()
