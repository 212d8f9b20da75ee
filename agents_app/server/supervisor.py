"""The parent of the workers: starts them, replaces those that die, and ends them when it is told to stop."""

import logging
import signal
import socket

from uvicorn import Config
from uvicorn.supervisors import Multiprocess

from agents_app.config import Settings
from agents_app.server.protocol import Connection

logger = logging.getLogger(__name__)

# Longer than any request may take; what still runs then is ended.
GRACE_S = 30
# A worker that does not answer its parent for so long hangs; on a slow machine its start takes some seconds.
ANSWERS_S = 10
# Between two requests of one client.
KEEP_ALIVE_S = 15
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The server's own lines in the form of ours, on the same stream.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": "agents_app.logs.JsonLines"}},
    "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
    "loggers": {"uvicorn": {"handlers": ["lines"], "level": "ERROR", "propagate": False}},
}


def serve(settings: Settings, listener: socket.socket) -> bool:
    """Serve on a bound socket until a signal says stop. Whether one did; else the workers cannot start."""
    config = Config(
        "agents_app.server.worker:app",
        http=Connection,
        ws="none",
        lifespan="on",
        # Or uvicorn takes another loop on machines where one happens to be installed.
        loop="asyncio",
        interface="asgi3",
        workers=settings.workers,
        timeout_graceful_shutdown=GRACE_S,
        timeout_worker_healthcheck=ANSWERS_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        log_config=LOGGING,
        access_log=False,
        server_header=False,
        # Which proxies are believed is the app's decision (PROXY_HOPS).
        proxy_headers=False,
    )
    supervisor = Supervisor(config, [listener])
    supervisor.run()
    return supervisor.was_stopped


class Supervisor(Multiprocess):
    """Uvicorn's, which here also stops when its terminal is closed."""

    was_stopped = False

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        # What is ignored stays so: `nohup` wants the server to outlive its terminal.
        ignored = [number for number in STOPS if signal.getsignal(number) == signal.SIG_IGN]
        super().__init__(config, sockets)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died, and say so."""
        for process in self.processes:
            if process.exitcode is not None:
                logger.warning("The worker %s ended by itself (exit code %s).", process.pid, process.exitcode)
        super().keep_subprocess_alive()

    def handle_int(self) -> None:
        """Stop."""
        self.was_stopped = True
        super().handle_int()

    def handle_term(self) -> None:
        """Stop."""
        self.was_stopped = True
        super().handle_term()

    def handle_hup(self) -> None:
        """Stop; for uvicorn alone it would be a wish for new workers."""
        self.handle_term()
