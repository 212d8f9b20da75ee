"""The parent process: forks the workers, replaces those that die or hang, and stops them on a signal.

A forked process shares the memory of what its parent has loaded, and can serve at once. A lock that another thread
holds, or a connection, would be shared too: the parent has no thread and no open connection to the database.
"""

import ctypes
import gc
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from flask import Flask

from agents_app import metrics
from agents_app.db import db
from agents_app.server import worker
from agents_app.server.process import TICK_S, Worker
from agents_app.server.worker import GRACE_S

logger = logging.getLogger(__name__)

# A worker that shows no sign of life in this time is replaced.
HEALTH_CHECK_S = 10
# A worker that ended in its first ticks may do so again. The pause before the next one doubles, up to the longest.
YOUNG_TICKS, LONGEST_PAUSE_TICKS = 20, 20
# A worker ends by itself after GRACE_S. One that still runs after this time is killed.
STOP_S = GRACE_S + 5
# One that has not begun to serve is killed after this time.
STARTING_STOP_S = 2
# How many connections wait while all workers are busy, as in uvicorn.
BACKLOG = 2048
# The options of glibc's `mallopt`, and from how many bytes a block is mapped, and free memory returned.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
BLOCK = 1024 * 1024
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(app: Flask, listeners: Sequence[socket.socket]) -> bool:
    """Serve on bound sockets until a signal stops it. Returns False if the workers cannot start."""
    for listener in listeners:
        listener.listen(BACKLOG)
    metrics.before_workers(app)
    server = worker.configure(app)
    _give_memory_back()
    # What is loaded is not collected again: a collection would write to every page of it, and so end the sharing.
    gc.collect()
    gc.freeze()

    def close() -> None:
        for listener in listeners:
            listener.close()

    def work(pulse: socket.socket) -> None:
        metrics.in_worker(app)
        try:
            worker.run(server, listeners, pulse)
        finally:
            db.close_pool_of(app)

    supervisor = Supervisor(work, app.extensions["settings"].workers, on_end=partial(metrics.after_worker, app))
    return supervisor.run(close)


class Supervisor:
    """Keeps `count` processes running that each call `work` with their end of a socket.

    A byte that `work` sends there is a sign of life. When the parent ends, sending fails. `work` begins with SIGTERM
    blocked, and unblocks it when it can handle it. `on_end` is called with the id of a process that has ended before it
    is replaced.
    """

    def __init__(
        self,
        work: Callable[[socket.socket], None],
        count: int,
        limit_s: float = HEALTH_CHECK_S,
        on_end: Callable[[int], object] = lambda _pid: None,
    ) -> None:
        self._work, self._count, self._limit_s, self._on_end = work, count, limit_s, on_end
        self._workers: list[Worker] = []
        self._is_stopped = self._has_failed = self._has_served = False
        self._young_ends = self._pause_ticks = 0
        # Ignored signals stay ignored: with `nohup` the server keeps running when its terminal is closed.
        self._signals = {number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN}

    def run(self, on_stop: Callable[[], object]) -> bool:
        """Run until a signal stops it. Returns False if the workers cannot start. `on_stop` is called before they end.

        A terminal sends its signals to every process. Only the parent handles them, and stops the workers.
        """
        with self._woken_by_signals() as woken:
            self._start_workers()
            while not (self._is_stopped or self._has_failed):
                select.select([woken], [], [], TICK_S)
                self.look_at_workers()
            on_stop()
            self._stop_workers()
        return not self._has_failed

    def look_at_workers(self) -> None:
        """Replace the workers that died or hang."""
        ended = [(one, how) for one in self._workers if (how := one.look(self._limit_s))]
        self._has_served = self._has_served or any(one.has_started for one in self._workers)
        for one, how in ended:
            self._workers.remove(one)
            self._on_end(one.pid)
            if one.has_started or not how.startswith("ended"):
                logger.warning("The worker %s %s. It is replaced.", one.pid, how)
                continue
            # The next one would do the same, unless others could: then what is wrong may pass.
            self._has_failed = not self._has_served
            again = "" if self._has_failed else " It is tried again."
            logger.error("The worker %s could not start: it %s.%s", one.pid, how, again)
        self._set_pause([one for one, _ in ended])
        if not (self._has_failed or self._pause_ticks):
            self._start_workers()

    def _set_pause(self, ended: Sequence[Worker]) -> None:
        self._pause_ticks = max(0, self._pause_ticks - 1)
        if any(one.ticks <= YOUNG_TICKS for one in ended):
            self._young_ends += 1
            # The first one is replaced at once.
            self._pause_ticks = min(2**self._young_ends - 2, LONGEST_PAUSE_TICKS)
        elif all(one.ticks > YOUNG_TICKS for one in self._workers):
            self._young_ends = 0

    def _start_workers(self) -> None:
        try:
            while len(self._workers) < self._count and not self._is_stopped:
                self._workers.append(self._fork())
        except OSError as error:
            # It is tried again.
            logger.error("A worker cannot be started: %s.", error.strerror)

    def _fork(self) -> Worker:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        # Text that waits in a buffer would be written by both processes.
        sys.stdout.flush()
        with _blocked(self._signals):
            if not (pid := os.fork()):
                self._work_until_the_end(near, far)
        far.close()
        return Worker(pid, near)

    def _work_until_the_end(self, near: socket.socket, far: socket.socket) -> None:
        """What a forked process does. The parent's signals stay blocked in it, but for what `work` unblocks."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            # Uvicorn sends the signal again when it has stopped. The default would end the process at once.
            signal.signal(signal.SIGTERM, lambda *_: None)
            # If this process kept these, the others would not see the end of the parent.
            for pulse in (near, *(one.pulse for one in self._workers)):
                pulse.close()
            self._work(far)
            code = 0
        except SystemExit:
            code = 0
        except BaseException:
            logger.exception("The worker failed.")
        finally:
            # Nothing of what the parent has still to do.
            os._exit(code)

    def _stop_workers(self) -> None:
        for one in self._workers:
            os.kill(one.pid, signal.SIGTERM)
        left = _ended_late(self._workers, STARTING_STOP_S)
        for one in left:
            # One that has not begun to serve does not handle the signal yet, and has no request to finish.
            if not one.has_begun():
                os.kill(one.pid, signal.SIGKILL)
        for one in _ended_late(left, STOP_S):
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)

    @contextmanager
    def _woken_by_signals(self) -> Iterator[socket.socket]:
        woken, waking = socket.socketpair()
        waking.setblocking(False)

        def stop(_number: int, _frame: object) -> None:
            self._is_stopped = True

        with woken, waking:
            signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
            before = {number: signal.signal(number, stop) for number in self._signals}
            try:
                yield woken
            finally:
                signal.set_wakeup_fd(-1)
                for number, handler in before.items():
                    signal.signal(number, handler)


def _ended_late(workers: Sequence[Worker], seconds: float) -> list[Worker]:
    """Wait for the end of these workers, at most this time. Returns those that still run."""
    end, left = time.monotonic() + seconds, list(workers)
    while (left := [one for one in left if not one.poll()]) and time.monotonic() < end:
        time.sleep(TICK_S / 10)
    return left


def _give_memory_back() -> None:
    """Let glibc return the memory that was freed, in this process and its workers. Other libraries are not changed.

    The 19 MB for the hash of a password are in a block of their own then. Otherwise each of many arenas keeps them.
    """
    with suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        for option, value in ((M_MMAP_THRESHOLD, BLOCK), (M_TRIM_THRESHOLD, BLOCK), (M_ARENA_MAX, 1)):
            set_option(option, value)


@contextmanager
def _blocked(signals: set[signal.Signals]) -> Iterator[None]:
    # In a new process, a signal would meet the parent's handler, or none yet. The parent receives it afterwards.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
