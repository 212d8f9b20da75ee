"""What each worker process runs: the app behind the middleware. A worker ends when its parent ends."""

import asyncio
import contextvars
import signal
import socket
from collections.abc import Sequence

import uvloop
from flask import Flask
from uvicorn import Config, Server

from agents_app import metrics, web
from agents_app.config import Settings
from agents_app.http import paths_of_files
from agents_app.server.buffering import BufferingMiddleware
from agents_app.server.protocol import HttpProtocol
from agents_app.web import icons

# Longer than any request can take. Requests that still run then are cancelled.
GRACE_S = 30
# The longest time between two requests on a connection.
KEEP_ALIVE_S = 15
PULSE_S = 1.0


def configure(app: Flask) -> Config:
    """Uvicorn's configuration for this app, with everything loaded that a worker needs."""
    settings: Settings = app.extensions["settings"]
    costly, takes_files = web.password_paths(app), paths_of_files(app)
    console = BufferingMiddleware(app, settings.pool_size, costly, takes_files=takes_files)
    config = server_config(metrics.with_metrics(app, console))
    config.load()
    # Every page needs it.
    icons.sprite()
    return config


def server_config(console: metrics.AsgiApp, http: type[HttpProtocol] = HttpProtocol) -> Config:
    """Uvicorn's configuration for an ASGI app: the limits of requests and connections."""
    return Config(
        console,
        http=http,
        ws="none",
        lifespan="off",
        interface="asgi3",
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        # `logs.py` has set its lines up.
        log_config=None,
        access_log=False,
        server_header=False,
        # The app reads the headers of proxies (PROXY_HOPS).
        proxy_headers=False,
    )


def run(config: Config, listeners: Sequence[socket.socket], pulse: socket.socket) -> None:
    """Serve until SIGTERM, or until the parent ends."""
    # Without the context of the command: every request would be part of it, and share its `g`.
    contextvars.Context().run(uvloop.run, _serve(config, listeners, pulse))


async def _serve(config: Config, listeners: Sequence[socket.socket], pulse: socket.socket) -> None:
    beating = asyncio.create_task(_beat(pulse))
    await Server(config).serve(list(listeners))
    beating.cancel()


async def _beat(pulse: socket.socket) -> None:
    """Show the parent that this process is not stuck. Without a parent it would keep the port in use, so it stops."""
    # The server handles it now. Before, it would have ended the start in the middle of anything.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while True:
        try:
            pulse.send(b".")
        except BlockingIOError:
            # The parent does not read just now.
            pass
        except OSError:
            signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(PULSE_S)
