"""The parent process of the workers: how long it waits for the first answer of a worker."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE_S, Checkout

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
        super().keep_subprocess_alive()
        print("looked at", *[process.pid for process in self.processes], flush=True)
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    print("serves", os.getpid(), flush=True)
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    Reporting(Config("parent:app", http=slow.Protocol, ws="none", lifespan="on", log_level="error"), [listener]).run()
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
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_worker_that_starts_slowly_is_not_replaced(parent: "subprocess.Popen[str]", checkout: Checkout) -> None:
    first = parent.stdout.readline()
    assert {parent.stdout.readline() for _ in range(3)} == {first}

    (checkout.folder / "start").write_text("")

    serves = next(line for line in parent.stdout if line.startswith("serves"))

    assert serves.split()[-1] == first.split()[-1]


def test_a_signal_ends_it_while_a_worker_starts(parent: "subprocess.Popen[str]") -> None:
    (worker,) = parent.stdout.readline().split()[2:]

    parent.terminate()

    assert parent.wait(timeout=PATIENCE_S) == 0
    assert not Path(f"/proc/{worker}").exists()
