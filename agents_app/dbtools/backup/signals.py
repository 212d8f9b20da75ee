"""Interrupts long work on a signal, so that it can clean up."""

import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, get_wait_callback, set_wait_callback


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM and SIGHUP, so that the block can clean up. Only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def cancellable_queries() -> Iterator[None]:
    """Cancel a running query on a signal. Without this, psycopg2 waits until the query ends."""
    previous = get_wait_callback()
    set_wait_callback(_wait_for_answer)
    try:
        yield
    finally:
        set_wait_callback(previous)


def _wait_for_answer(connection: Any) -> None:
    interruption = None
    while (state := connection.poll()) != POLL_OK:
        try:
            select.select([connection] if state == POLL_READ else [], [connection] if state == POLL_WRITE else [], [])
        except KeyboardInterrupt as error:
            if interruption:
                raise
            interruption = error
            with suppress(psycopg2.Error):
                connection.cancel()
    if interruption:
        raise interruption
