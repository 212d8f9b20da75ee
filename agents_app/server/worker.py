"""What each worker process runs: the app behind the middleware. A worker ends when its parent ends."""

import asyncio
import multiprocessing
import signal
from typing import Any

from agents_app import web
from agents_app.app import create_app
from agents_app.config import Settings
from agents_app.errors import ConfigurationError
from agents_app.http import paths_of_files
from agents_app.server.buffering import BufferingMiddleware

# The key of the middleware in the state that uvicorn keeps for the worker.
CONSOLE = "console"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The console as an ASGI app."""
    if scope["type"] == "lifespan":
        await _run_lifespan(scope, receive, send)
    else:
        await scope["state"][CONSOLE](scope, receive, send)


async def _run_lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    try:
        console = create_app()
    except ConfigurationError as refusal:
        await send({"type": "lifespan.startup.failed", "message": refusal.detail})
        return
    _stop_with_parent()
    settings: Settings = console.extensions["settings"]
    costly, takes_files = web.password_paths(console), paths_of_files(console)
    scope["state"][CONSOLE] = BufferingMiddleware(console, settings.pool_size, costly, takes_files=takes_files)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _stop_with_parent() -> None:
    # Otherwise a worker whose parent was killed keeps the port in use.
    if (parent := multiprocessing.parent_process()) is None:
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(parent.sentinel)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent.sentinel, stop)
