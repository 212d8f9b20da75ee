"""The parent process of the workers: which workers it replaces, and what ends it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE_S, Checkout

# The supervisor looks at its workers twice a second.
LINES_MAX = 200
LIMIT_S = 3
# A worker waits until the test opens the pipe `start`, then gives signs of life.
PARENT = f"""
import logging, os, signal, sys, time
from pathlib import Path
from agents_app.server.supervisor import Supervisor
class Reporting(Supervisor):
    def look_at_workers(self):
        print("looks", flush=True)
        super().look_at_workers()
        print("looked at", *[worker.pid for worker in self._workers], flush=True)
def work(pulse):
    if Path("start").read_text():
        raise ValueError("canary")
    print("serves", os.getpid(), flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    while True:
        pulse.send(b".")
        time.sleep(0.05)
logging.basicConfig(format="%(message)s")
sys.exit(not Reporting(work, int(sys.argv[1]), {LIMIT_S}).run(lambda: print("closes", flush=True)))
"""
Parent = Callable[[int], "subprocess.Popen[str]"]


@pytest.fixture
def parent(checkout: Checkout) -> Iterator[Parent]:
    """Starts a supervisor with this many workers. Its output says which workers it looked at."""
    (checkout.folder / "parent.py").write_text(PARENT)
    os.mkfifo(checkout.folder / "start")
    with contextlib.ExitStack() as stack:

        def begin(count: int) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "parent.py", str(count)],
                cwd=checkout.folder,
                env={"PATH": os.environ["PATH"]},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(kill_all, process)
            return process

        yield begin


def kill_all(process: "subprocess.Popen[str]") -> None:
    """Kill a supervisor and its workers."""
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


def start(parent: "subprocess.Popen[str]", checkout: Checkout, text: str = "") -> None:
    """Let a worker serve; with a text, let it fail."""
    read_until(parent, r"(looks)")
    (checkout.folder / "start").write_text(text)


def test_a_worker_that_fails_before_it_serves_ends_it_with_1(parent: Parent, checkout: Checkout) -> None:
    process = parent(1)

    start(process, checkout, "fail")

    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "ValueError: canary\n" in printed
    assert "could not start: it ended by itself (exit code 1).\n" in printed
    assert "replaced" not in printed


def test_a_signal_to_stop_does_not_interrupt_the_start_of_a_worker(parent: Parent, checkout: Checkout) -> None:
    process = parent(1)
    worker, _ = read_until(process, r"looked at (\d+)")

    os.kill(int(worker), signal.SIGTERM)
    assert [read_until(process, r"looked at (\d+)")[0] for _ in range(2)] == [worker, worker]
    start(process, checkout)

    assert read_until(process, r"serves (\d+)")[0] == worker
    read_until(process, rf"The worker ({worker}) was killed by signal 15\. It is replaced\.")


def test_a_worker_that_starts_slowly_is_not_replaced(parent: Parent, checkout: Checkout) -> None:
    process = parent(1)
    looks = [read_until(process, r"looked at (\d+)")[0] for _ in range(2 * LIMIT_S + 2)]
    assert len(set(looks)) == 1

    (checkout.folder / "start").write_text("")

    assert read_until(process, r"serves (\d+)")[0] == looks[0]


def test_a_worker_that_stops_responding_is_replaced_and_logged(parent: Parent, checkout: Checkout) -> None:
    process = parent(1)
    start(process, checkout)
    worker, _ = read_until(process, r"serves (\d+)")
    read_until(process, r"(looked) at .*")
    read_until(process, r"(looked) at .*")

    os.kill(int(worker), signal.SIGSTOP)

    _, log = read_until(process, rf"looked at (?!{worker}$)(\d+)")
    assert f"The worker {worker} did not respond in {LIMIT_S} seconds. It is replaced.\n" in log


def test_a_hanging_worker_that_is_killed_is_logged_as_killed(parent: Parent, checkout: Checkout) -> None:
    process = parent(1)
    start(process, checkout)
    worker, _ = read_until(process, r"serves (\d+)")
    os.kill(int(worker), signal.SIGSTOP)
    read_until(process, r"(looked) at .*")

    os.kill(int(worker), signal.SIGKILL)

    _, log = read_until(process, rf"looked at (?!{worker}$)(\d+)")
    assert f"The worker {worker} was killed by signal 9. It is replaced.\n" in log


def test_the_other_worker_stays_while_one_is_replaced(parent: Parent) -> None:
    process = parent(2)
    both, _ = read_until(process, r"looked at (\d+ \d+)")
    first, second = both.split()

    os.kill(int(second), signal.SIGKILL)

    new, log = read_until(process, rf"looked at {first} (?!{second}$)(\d+)")
    assert new not in (first, second)
    assert log.count("It is replaced.") == 1


def test_a_worker_that_fails_while_others_serve_is_tried_again_with_a_pause(parent: Parent, checkout: Checkout) -> None:
    process = parent(2)
    start(process, checkout)
    for _ in range(2):
        worker, _ = read_until(process, r"serves (\d+)")
    (checkout.folder / "start").unlink()
    (checkout.folder / "start").write_text("fail")
    looks = read_until(process, r"looked at (\d+ \d+)")[0].split()
    other = next(one for one in looks if one != worker)

    os.kill(int(worker), signal.SIGKILL)

    first = read_until(process, r"The worker (\d+) could not start: it ended by itself .* It is tried again\.")[0]
    alone, _ = read_until(process, r"looked at (\d+)")
    (checkout.folder / "start").write_text("")
    new, _ = read_until(process, r"serves (\d+)")
    assert (alone, new in (worker, other, first)) == (other, False)
    assert Path(f"/proc/{other}").exists()


def test_a_signal_ends_it_while_a_worker_starts(parent: Parent) -> None:
    process = parent(1)
    worker, _ = read_until(process, r"looked at (\d+)")

    process.terminate()

    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, "closes\n" in printed) == (0, True)
    assert not Path(f"/proc/{worker}").exists()
