"""The server that `flask serve` runs: granian with our options, logs and signals."""

import multiprocessing
import os
import signal
from typing import Any

from granian import _signals
from granian._granian import WorkerSignal
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import MPServer

from agents_app.config import Settings

# Longer than any request may take; who still works then is ended.
GRACE_S = 30
# Granian's own lines in the form of ours, on the same stream.
LOGGING = {
    "formatters": {"generic": {"()": "agents_app.logs.JsonLines"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"}},
    "loggers": {"_granian": {"handlers": ["console"], "propagate": False}},
}
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def server(settings: Settings) -> MPServer:
    """The server: each worker answers as many requests at once as its pool has connections, the rest wait."""
    host, port = settings.bind
    made = Server(
        "wsgi:app",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=settings.workers,
        blocking_threads=settings.pool_size,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_S,
        log_level=LogLevels.error,
        log_dictconfig=LOGGING,
    )
    made.on_startup(made.heed_the_terminal)
    made.on_shutdown(made.forget_ends)
    return made


class Server(MPServer):
    """Granian, made to end well when a signal comes twice or to all processes at once, as a terminal sends it.

    Its own handlers set an event on which the same thread waits. A second signal a moment after the first then waits
    for a lock that its own thread holds, for ever.
    """

    # As `nohup` wants it; granian sets a handler of its own later.
    outlives_the_terminal = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN

    def heed_the_terminal(self) -> None:
        """Stop when the terminal is closed; granian would start its workers anew."""
        if not self.outlives_the_terminal:
            signal.signal(signal.SIGHUP, self.signal_handler_interrupt)

    def signal_handler_interrupt(self, *_args: Any, **_kwargs: Any) -> None:
        """Stop, once. Workers that end from now on do so rightly."""
        if multiprocessing.parent_process() is not None:
            # A worker that was forked a moment ago and has no handler of its own yet.
            os._exit(0)
        if self.interrupt_signal:
            return
        for worker in self.wrks:
            worker.interrupt_by_parent = True
        self.interrupt_signal = True
        self.main_loop_interrupt.set()

    def forget_ends(self) -> None:
        """End with 0 where a stop was asked for, and with 1 where workers keep dying."""
        if self.interrupt_signal:
            self.interrupt_children.clear()

    @staticmethod
    def _spawn_wsgi_worker(*args: Any, **kwargs: Any) -> None:
        _signals.set_sync_signals = _stop_once
        MPServer._spawn_wsgi_worker(*args, **kwargs)


def _stop_once() -> WorkerSignal:
    stop = WorkerSignal()
    seen: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if not seen:
            seen.append(number)
            stop.set()

    for number in STOPS:
        signal.signal(number, handle)
    return stop
