"""Limits how long a client waits in the queue of a connection pooler, where no time limit of the server applies yet.

PgBouncer lets a client wait for two minutes (`query_wait_timeout`) while all its connections are in use or it is
paused. A client waits there when it sends BEGIN, or a statement outside a transaction.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2.extensions import STATUS_READY, cursor

ANSWER_TIMEOUT_S = 3.0
NO_ANSWER = (
    f"no answer within {ANSWER_TIMEOUT_S:.0f} s; the server or a connection pooler in front of it is busy or paused"
)


class PooledCursor(cursor):  # type: ignore[misc]  # psycopg2 comes without types.
    """A cursor that limits how long a statement outside a transaction waits in the pooler's queue."""

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002  The driver's name.
        """Execute a statement. After the time limit, closes the connection and raises OperationalError."""
        if self.connection.status != STATUS_READY:
            super().execute(query, vars)
            return
        with answer_timeout(self.connection):
            super().execute(query, vars)


@contextmanager
def answer_timeout(connection: Any) -> Iterator[None]:
    """Close the connection and raise psycopg2.OperationalError if a short statement gets no answer in time."""
    timed_out = threading.Event()
    timer = threading.Timer(ANSWER_TIMEOUT_S, _disconnect, [connection.fileno(), timed_out])
    timer.daemon = True
    timer.start()
    try:
        yield
    except psycopg2.Error as error:
        if timed_out.is_set():
            raise psycopg2.OperationalError(NO_ANSWER) from error
        raise
    finally:
        timer.cancel()


def _disconnect(descriptor: int, timed_out: threading.Event) -> None:
    # Closing the socket is the only way: a pooler does not pass on a request to cancel a queued statement.
    timed_out.set()
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
