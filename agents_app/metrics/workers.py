"""What the parent of the workers and each worker call. Every function does nothing where metrics are off."""

from collections.abc import Awaitable, Callable
from typing import Any

from flask import Flask

from agents_app.config import Settings

AsgiApp = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def before_workers(app: Flask) -> None:
    """Prepare the metrics of the app, in the parent, before it starts a worker. Raises ConfigurationError."""
    if _is_on(app):
        from agents_app.metrics import folder, recording

        recording.install(app)
        folder.add_process("parent")


def with_metrics(app: Flask, console: AsgiApp) -> AsgiApp:
    """The ASGI app of a worker with `/metrics`, and as it is where metrics are off."""
    if not _is_on(app):
        return console
    from agents_app.metrics.endpoint import MetricsMiddleware

    return MetricsMiddleware(app, console, app.extensions["settings"])


def in_worker(app: Flask) -> None:
    """Count this process as a worker, before it answers the first request."""
    if _is_on(app):
        from agents_app.metrics import folder, recording

        recording.count_worker(app.extensions["settings"])
        folder.add_process("worker")


def after_worker(app: Flask, pid: int) -> None:
    """Forget what a worker that has ended was doing, in the parent. What it counted stays."""
    if _is_on(app):
        from agents_app.metrics import folder
        from agents_app.metrics.client import mark_process_dead
        from agents_app.metrics.instruments import REPLACED_WORKERS

        mark_process_dead(pid, str(folder.folder()))
        folder.remove_process(pid)
        REPLACED_WORKERS.inc()


def _is_on(app: Flask) -> bool:
    settings: Settings = app.extensions["settings"]
    return settings.has_metrics
