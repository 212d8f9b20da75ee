"""How work that takes long ends when somebody asks it to: what was begun is cleaned up."""

import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, set_wait_callback


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Let what was begun be cleaned up when the process gets SIGTERM or SIGHUP; signals reach the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.signal(name, _end) for name in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _end(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def cancellable_queries() -> Iterator[None]:
    """Let a signal end what the server works at: psycopg2 would wait for its end first."""
    set_wait_callback(_wait)
    try:
        yield
    finally:
        set_wait_callback(None)


def _wait(connection: Any) -> None:
    interruption = None
    while (state := connection.poll()) != POLL_OK:
        try:
            select.select([connection] if state == POLL_READ else [], [connection] if state == POLL_WRITE else [], [])
        except KeyboardInterrupt as asked:
            if interruption:
                raise
            interruption = asked
            with suppress(psycopg2.Error):
                connection.cancel()
    if interruption:
        raise interruption
