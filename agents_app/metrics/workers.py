"""What the parent of the workers and each worker call. Every function does nothing where metrics are off."""

import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

from flask import Flask

from agents_app.config import Settings
from agents_app.errors import ConfigurationError

logger = logging.getLogger(__name__)

AsgiApp = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def before_workers(app: Flask) -> None:
    """Prepare the metrics of the app, in the parent, before it starts a worker. Raises ConfigurationError."""
    if _is_on(app):
        try:
            # Loaded here, so that the workers share it.
            from agents_app.metrics import folder, recording  # noqa: F401
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"Metrics need the package of {error.name}, which is not installed. Install this release again."
            ) from None
        settings: Settings = app.extensions["settings"]
        folder.add_places(settings.workers)


def with_metrics(app: Flask, console: AsgiApp) -> AsgiApp:
    """The ASGI app of a worker with `/metrics`, and as it is where metrics are off."""
    if not _is_on(app):
        return console
    from agents_app.metrics.endpoint import MetricsMiddleware

    return MetricsMiddleware(app, console, app.extensions["settings"])


def in_worker(app: Flask) -> None:
    """Count this process as a worker, before it answers the first request.

    If it cannot share its counts with the others, it logs why, and works without counting.
    """
    if _is_on(app):
        from agents_app.metrics import folder, recording

        try:
            folder.enter()
        except OSError as error:
            logger.warning("The worker %s counts nothing for /metrics: %s.", os.getpid(), error.strerror)
            return
        recording.install(app)


def after_worker(app: Flask, pid: int) -> None:
    """Forget what a worker that has ended was doing, in the parent. What it counted stays."""
    if _is_on(app):
        from agents_app.metrics import folder
        from agents_app.metrics.instruments import REPLACED_WORKERS

        folder.leave(pid)
        REPLACED_WORKERS.inc()


def _is_on(app: Flask) -> bool:
    settings: Settings = app.extensions["settings"]
    return settings.has_metrics
