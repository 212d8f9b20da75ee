"""How a connection pooler between the console and PostgreSQL hands out the server's sessions. It leaves nothing behind.

- session mode: a client has one session of the server until it disconnects
- transaction mode: it has one until its transaction ends, and the next time perhaps another

Two clients are watched. In session mode neither ever has another session than its first, nor the other's. In
transaction mode a session that is free goes to the client that asks next, so that one of them has another one soon.
"""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import SystemRandom
from typing import Any, Literal

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ

from agents_app.database.pooler_queue import answer_timeout

PoolMode = Literal["session", "transaction"]

# Poolers hand sessions out in turn or the last one first, and between two questions other clients ask too: the clients
# ask in an order that no pooler follows by chance.
QUESTIONS = 40
PATIENCE_S = 2.0


def pool_mode(first: Any, connect: dict[str, Any]) -> PoolMode:
    """The mode of the pooler of a connection that is in no transaction; `connect` are its parameters for libpq.

    Raises psycopg2.OperationalError where the pooler does not answer.
    """
    try:
        with _second_client(connect) as second:
            return _mode_for(first, second)
    except TimeoutError:
        raise psycopg2.OperationalError("the connection pooler does not answer") from None


def _mode_for(first: Any, second: Any) -> PoolMode:
    its_session = _session_of(first)
    try:
        other_session = _session_of(second)
    except TimeoutError:
        # The second has waited longer, so that the first is answered now only in a session of its own.
        return "session" if _session_of(first) == its_session else "transaction"
    if other_session == its_session:
        return "transaction"
    asked = SystemRandom().choices([(first, its_session), (second, other_session)], k=QUESTIONS)
    return "session" if all(_session_of(client) == session for client, session in asked) else "transaction"


def _session_of(client: Any) -> int:
    with client.cursor() as cursor, answer_timeout(client):
        cursor.execute("SELECT pg_backend_pid()")
        if client.async_:
            _wait(client)
        return int(cursor.fetchone()[0])


@contextmanager
def _second_client(connect: dict[str, Any]) -> Iterator[Any]:
    # Asynchronous, so that it can be left in the queue while the first is asked.
    client = psycopg2.connect(**connect, async_=True)
    try:
        _wait(client)
        yield client
    finally:
        client.close()


def _wait(client: Any) -> None:
    ends = time.monotonic() + PATIENCE_S
    while (state := client.poll()) != POLL_OK:
        waits_for = ([client], []) if state == POLL_READ else ([], [client])
        if not any(select.select(*waits_for, [], max(0.0, ends - time.monotonic()))):
            raise TimeoutError
