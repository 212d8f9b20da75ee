"""Finds the mode of a connection pooler between the console and PostgreSQL. It changes nothing there.

- session mode: a client keeps one session of the server until it disconnects
- transaction mode: a client keeps a session until its transaction ends, and may get another one for the next

Two clients are compared. In session mode each client always has its first session. In transaction mode a free session
goes to the client that asks next, so one of the clients soon gets another session.
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

# Poolers give out the oldest or the newest free session, and other clients may ask in between. The two clients ask in a
# random order, so that a pooler in transaction mode cannot give each one its first session by chance.
QUERIES = 40
TIMEOUT_S = 2.0


def pool_mode(first: Any, connect: dict[str, Any]) -> PoolMode:
    """Return the mode of the pooler behind a connection that is in no transaction.

    `connect` holds the connection's libpq parameters. Raises psycopg2.OperationalError if the pooler does not answer.
    """
    try:
        with _second_client(connect) as second:
            return _compare_sessions(first, second)
    except TimeoutError:
        raise psycopg2.OperationalError("the connection pooler does not answer") from None


def _compare_sessions(first: Any, second: Any) -> PoolMode:
    first_session = _query_session_id(first)
    try:
        second_session = _query_session_id(second)
    except TimeoutError:
        # The second client has waited longer. The first one gets an answer now only if it has a session of its own.
        return "session" if _query_session_id(first) == first_session else "transaction"
    if second_session == first_session:
        return "transaction"
    queries = SystemRandom().choices([(first, first_session), (second, second_session)], k=QUERIES)
    return "session" if all(_query_session_id(client) == session for client, session in queries) else "transaction"


def _query_session_id(client: Any) -> int:
    with client.cursor() as cursor, answer_timeout(client):
        cursor.execute("SELECT pg_backend_pid()")
        if client.async_:
            _wait(client)
        return int(cursor.fetchone()[0])


@contextmanager
def _second_client(connect: dict[str, Any]) -> Iterator[Any]:
    # Asynchronous, so that it can wait in the pooler's queue while the first client is used.
    client = psycopg2.connect(**connect, async_=True)
    try:
        _wait(client)
        yield client
    finally:
        client.close()


def _wait(client: Any) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while (state := client.poll()) != POLL_OK:
        waits_for = ([client], []) if state == POLL_READ else ([], [client])
        if not any(select.select(*waits_for, [], max(0.0, deadline - time.monotonic()))):
            raise TimeoutError
