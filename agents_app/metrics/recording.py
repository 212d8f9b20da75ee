"""Counts what happens in this process: requests, database statements, connections of the pool."""

import time
from typing import Any

from flask import Flask, Response, g, has_app_context, request, request_finished, request_started
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.pool import ConnectionPoolEntry as PoolRecord

from agents_app.config import Settings
from agents_app.db import db
from agents_app.http import COMPLETE_AT
from agents_app.metrics import instruments, pool

# The rule of a request that no rule fits, and the method of one that the console does not know: each is one label,
# whatever clients send.
UNKNOWN = "unknown"
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
STARTED, TAKEN = "metrics_statement_started", "metrics_taken"


def install(app: Flask) -> None:
    """Count what this app does from now on in this process."""
    request_started.connect(_begin, app)
    request_finished.connect(_count, app)
    with app.app_context():
        engine = db.engine
    for name, listener in (
        ("before_cursor_execute", _start_statement),
        ("after_cursor_execute", _end_statement),
        ("handle_error", _end_failed_statement),
        ("checkout", _take_connection),
        ("checkin", _return_connection),
    ):
        event.listen(engine, name, listener)
    if _observe_wait not in pool.observers:
        pool.observers.append(_observe_wait)
    settings: Settings = app.extensions["settings"]
    instruments.POOL_SIZE.set(settings.pool_size)


def is_installed() -> bool:
    """Whether this process counts. A worker that cannot share its counts has none."""
    return _observe_wait in pool.observers


def _begin(_app: Flask, **_: Any) -> None:
    started = time.perf_counter()
    complete_at = request.environ.get("asgi.scope", {}).get("state", {}).get(COMPLETE_AT, started)
    instruments.THREAD_WAIT_SECONDS.observe(started - complete_at)
    g.complete_at, g.database_seconds = complete_at, 0.0


def _count(_app: Flask, response: Response, **_: Any) -> None:
    if "complete_at" not in g:
        return
    method = request.method if request.method in METHODS else UNKNOWN
    route = request.url_rule.rule if request.url_rule else UNKNOWN
    instruments.REQUESTS.labels(method, route, str(response.status_code)).inc()
    instruments.REQUEST_SECONDS.labels(method, route).observe(time.perf_counter() - g.complete_at)
    instruments.REQUEST_DATABASE_SECONDS.labels(route).observe(g.database_seconds)


def _start_statement(connection: Connection, *_: Any) -> None:
    connection.info[STARTED] = time.perf_counter()


def _end_statement(connection: Connection, *_: Any) -> None:
    _add(connection.info.pop(STARTED, None))


def _end_failed_statement(context: Any) -> None:
    # A failed attempt to connect has no connection.
    if context.connection is not None and not context.connection.invalidated:
        _add(context.connection.info.pop(STARTED, None))


def _add(started: float | None) -> None:
    if started is None:
        return
    seconds = time.perf_counter() - started
    instruments.STATEMENT_SECONDS.observe(seconds)
    if has_app_context() and "database_seconds" in g:
        g.database_seconds += seconds


def _take_connection(_connection: Any, record: PoolRecord, _proxy: Any) -> None:
    record.info[TAKEN] = True
    instruments.POOL_IN_USE.inc()


def _return_connection(_connection: Any, record: PoolRecord) -> None:
    # One that could not be opened is returned too, and was never taken.
    if record.info.pop(TAKEN, False):
        instruments.POOL_IN_USE.dec()


def _observe_wait(seconds: float, has_failed: bool) -> None:
    instruments.POOL_WAIT_SECONDS.observe(seconds)
    if has_failed:
        instruments.POOL_TIMEOUTS.inc()
