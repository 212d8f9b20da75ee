"""What each worker process runs: the app behind the gate, made when the worker starts. It ends with its parent."""

import asyncio
import multiprocessing
import signal
from typing import Any

from agents_app import web
from agents_app.app import create_app
from agents_app.config import Settings
from agents_app.errors import ConfigurationError
from agents_app.server.buffering import Gate

# Where uvicorn keeps what lives as long as the worker.
GATE = "gate"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The console as an ASGI app."""
    if scope["type"] == "lifespan":
        await _live(scope, receive, send)
    else:
        await scope["state"][GATE](scope, receive, send)


async def _live(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    try:
        console = create_app()
    except ConfigurationError as refusal:
        await send({"type": "lifespan.startup.failed", "message": refusal.detail})
        return
    # Ctrl-C and the end of the terminal are for the parent to act on, which may ignore them.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _end_with_the_parent()
    settings: Settings = console.extensions["settings"]
    scope["state"][GATE] = Gate(console, settings.pool_size, web.password_paths(console))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _end_with_the_parent() -> None:
    # Or a worker whose parent was killed would keep the port.
    if (parent := multiprocessing.parent_process()) is None:
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(parent.sentinel)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent.sentinel, stop)
