"""The server that `flask serve` runs: granian with our options, logs and signals."""

import signal
import threading
import time
from collections.abc import Callable
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
# Closing the terminal stops the server too; for granian it would be a wish to start its workers anew.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REPEAT_S = 0.1


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
    made.on_startup(made.heed_signals)
    made.on_shutdown(made.forget_ends)
    return made


class Server(MPServer):
    """Granian, made to end well when two signals come at once, as Ctrl-C does: from the terminal and from its parent.

    Python runs handlers in its main thread alone, which here sleeps. Of two signals the second wakes another thread,
    which may take both, and then nobody wakes the main one. So a thread of our own waits for signals instead.
    """

    def heed_signals(self) -> None:
        """Let the first signal to stop be the last thing this process waits for; its workers inherit the mask."""
        _call_at_a_stop(self.stop)

    def stop(self) -> None:
        """End. Workers that end from now on do so rightly."""
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
        _signals.set_sync_signals = _worker_signal
        MPServer._spawn_wsgi_worker(*args, **kwargs)


def _worker_signal() -> WorkerSignal:
    made = WorkerSignal()
    _call_at_a_stop(made.set)
    return made


def _call_at_a_stop(act: Callable[[], None]) -> None:
    # What is ignored stays so: `nohup` wants the server to outlive its terminal.
    heeded = [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, heeded)

    def wait() -> None:
        signal.sigwait(heeded)
        while True:
            # Again and again, as a worker that is just being born may not listen yet.
            act()
            time.sleep(REPEAT_S)

    threading.Thread(target=wait, name="signals", daemon=True).start()
