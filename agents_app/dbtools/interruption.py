"""How work that takes long ends when somebody asks it to: what was begun is cleaned up."""

import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, set_wait_callback


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let what was begun be cleaned up when the process is told to end. Only the main thread may ask for it."""
    before = {name: signal.signal(name, _end) for name in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _end(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Let psycopg2 hear signals while the server works; else whoever loses patience leaves a copy behind."""
    set_wait_callback(_wait)
    try:
        yield
    finally:
        set_wait_callback(None)


def _wait(connection: Any) -> None:
    while (state := connection.poll()) != POLL_OK:
        select.select([connection] if state == POLL_READ else [], [connection] if state == POLL_WRITE else [], [])
