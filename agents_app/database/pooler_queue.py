"""How long a client waits for its turn in a connection pooler. No limit of the server holds there yet.

PgBouncer keeps a client waiting for two minutes (`query_wait_timeout`) while all its connections are taken or it is
paused. The client waits where it asks outside a transaction: at BEGIN, or for a statement that stands alone.
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
    f"no answer within {ANSWER_TIMEOUT_S:.0f} s; the server, or a connection pooler before it, is busy or paused"
)


class PooledCursor(cursor):  # type: ignore[misc]  # psycopg2 comes without types.
    """A cursor of a connection that has to wait for its turn."""

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002  The driver's name.
        """Execute a statement. Raises OperationalError where the turn does not come, and closes the connection."""
        if self.connection.status != STATUS_READY:
            super().execute(query, vars)
            return
        with answer_timeout(self.connection):
            super().execute(query, vars)


@contextmanager
def answer_timeout(connection: Any) -> Iterator[None]:
    """Give up a short statement that is not answered soon. Raises psycopg2.OperationalError."""
    gave_up = threading.Event()
    timer = threading.Timer(ANSWER_TIMEOUT_S, _hang_up, [connection.fileno(), gave_up])
    timer.daemon = True
    timer.start()
    try:
        yield
    except psycopg2.Error as error:
        if gave_up.is_set():
            raise psycopg2.OperationalError(NO_ANSWER) from error
        raise
    finally:
        timer.cancel()


def _hang_up(descriptor: int, gave_up: threading.Event) -> None:
    # Only this ends the wait: a pooler does not pass on what asks to cancel a statement that waits.
    gave_up.set()
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connected:
        connected.shutdown(socket.SHUT_RDWR)
