"""The parent process: starts the workers, replaces those that die, and stops them on a signal."""

import logging
import signal
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from weakref import WeakKeyDictionary

from uvicorn import Config
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from agents_app.config import Settings
from agents_app.server.protocol import HttpProtocol

logger = logging.getLogger(__name__)

# Longer than any request can take. Workers that still run then are killed.
GRACE_S = 30
# A worker that does not answer its parent in this time is replaced.
HEALTH_CHECK_S = 10
# The same for the first answer of a worker, which first imports the program. A busy machine needs much longer for that.
START_S = 120
# The longest time between two requests on a connection.
KEEP_ALIVE_S = 15
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A terminal sends these to every process. The parent handles them, and stops the workers.
TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP)
# The log lines of uvicorn, in the format of ours.
LOG_CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": "agents_app.logs.JsonFormatter"}},
    "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
    "loggers": {"uvicorn": {"handlers": ["lines"], "level": "ERROR", "propagate": False}},
}


def serve(settings: Settings, listener: socket.socket) -> bool:
    """Serve on a bound socket until a signal stops it. Returns False if the workers could not start."""
    config = Config(
        "agents_app.server.worker:app",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        # Otherwise uvicorn uses another event loop if one is installed.
        loop="asyncio",
        interface="asgi3",
        workers=settings.workers,
        timeout_graceful_shutdown=GRACE_S,
        timeout_worker_healthcheck=HEALTH_CHECK_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        log_config=LOG_CONFIG,
        access_log=False,
        server_header=False,
        # The app reads the headers of proxies (PROXY_HOPS).
        proxy_headers=False,
    )
    supervisor = Supervisor(config, [listener])
    supervisor.run()
    return supervisor.was_stopped


class Supervisor(Multiprocess):
    """Uvicorn's supervisor, which also stops when its terminal is closed."""

    was_stopped = False

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        self._start_ends: WeakKeyDictionary[Process, float] = WeakKeyDictionary()
        # Ignored signals stay ignored: with `nohup` the server keeps running when its terminal is closed.
        ignored = [number for number in STOP_SIGNALS if signal.getsignal(number) == signal.SIG_IGN]
        super().__init__(config, sockets)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    def init_processes(self) -> None:
        """Start the workers, which never receive the signals of a terminal."""
        with _blocked_in_workers(TERMINAL_SIGNALS):
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died or hang, and log it. While a worker starts, none is replaced."""
        # All of them are asked, so that the time of each begins at its own start.
        if [process for process in self.processes if self._is_starting(process)]:
            return
        ends = {process: self._end(process) for process in self.processes}
        living = [process for process, end in ends.items() if not end]
        # Uvicorn gets only those that ended. It would ask the others once more, and kill one that hangs just then.
        self.processes = [process for process, end in ends.items() if end]
        with _blocked_in_workers(TERMINAL_SIGNALS):
            super().keep_subprocess_alive()
        for process, end in ends.items():
            if end and process not in self.processes:
                logger.warning("The worker %s %s. It was replaced.", process.pid, end)
        self.processes += living

    def _end(self, process: Process) -> str:
        """How a worker ended, or "" while it responds. A worker that does not respond is killed."""
        limit = self.config.timeout_worker_healthcheck
        if process.is_alive(timeout=limit):
            return ""
        # A worker that is killed by another program while it is asked does not respond either.
        if process.exitcode is None:
            process.process.kill()
            process.join()
            return f"did not respond in {limit} seconds"
        return _end_of(process.exitcode)

    def _is_starting(self, process: Process) -> bool:
        # Uvicorn would kill it after HEALTH_CHECK_S, and again each of its replacements.
        if process.exitcode is not None:
            return False
        if process not in self._start_ends:
            self._start_ends[process] = time.monotonic() + START_S
            process.parent_conn.send(b"ping")
        elif process.parent_conn.poll():
            process.parent_conn.recv()
            self._start_ends[process] = 0
        return time.monotonic() < self._start_ends[process]

    def handle_ttin(self) -> None:
        """Start one more worker."""
        with _blocked_in_workers(TERMINAL_SIGNALS):
            super().handle_ttin()

    def handle_int(self) -> None:
        """Stop."""
        self.was_stopped = True
        super().handle_int()

    def handle_term(self) -> None:
        """Stop."""
        self.was_stopped = True
        super().handle_term()

    def handle_hup(self) -> None:
        """Stop. Uvicorn would restart the workers."""
        self.handle_term()


def _end_of(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended by itself (exit code {code})"


@contextmanager
def _blocked_in_workers(signals: Iterable[signal.Signals]) -> Iterator[None]:
    # A process that starts here keeps them blocked, from before its first line. This process receives them later.
    # Without the first line, the tracker, which starts with the first worker, would unblock SIGINT.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
