"""For which other sessions a statement waits: read in a thread of its own, and said once."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from agents_app.dbtools.output import print_progress
from agents_app.errors import ConsoleError

INTERVAL_S = 1.0
BLOCKERS = """
SELECT pid, application_name, usename, now() - xact_start
FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids(%s)) ORDER BY xact_start LIMIT 3
"""


def describe_processes(rows: Iterable[Any]) -> str:
    """Describe sessions, each a process, a program, a role and the time since it began; empty without any."""
    descriptions = []
    for process, program, role, since in rows:
        # PostgreSQL hides the time of a session of another role.
        time = "" if since is None else f", for {since.total_seconds():.0f} s"
        descriptions.append(f"process {process} ({program or 'unnamed'} as {role}{time})")
    return ", ".join(descriptions)


class Waiting:
    """Says for which sessions the statements of the session `process` wait for longer than `interval` seconds.

    `holders` describes those for which the last statement waited, None if there were none.
    """

    def __init__(self, engine: Engine, process: int, interval: float = INTERVAL_S) -> None:
        self.holders: str | None = None
        self._engine, self._process, self._interval = engine, process, interval
        self._said: set[int] = set()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch the statement that runs in this block."""
        self.holders = None
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=[ended], daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def _watch(self, ended: threading.Event) -> None:
        if ended.wait(self._interval):
            return
        # What cannot be read is not said. The statement itself fails if its connection is lost.
        with suppress(SQLAlchemyError, psycopg2.Error, ConsoleError):
            raw = self._engine.raw_connection()
            try:
                # In no transaction: CREATE INDEX CONCURRENTLY would wait for it.
                driver: Any = raw.dbapi_connection
                driver.autocommit = True
                with driver.cursor() as cursor:
                    self._read(cursor, ended)
                    # A pooler may keep the session open.
                    cursor.execute("DISCARD ALL")
            finally:
                raw.invalidate()

    def _read(self, cursor: Any, ended: threading.Event) -> None:
        while True:
            cursor.execute(BLOCKERS, (self._process,))
            rows = cursor.fetchall()
            if rows:
                self.holders = describe_processes(rows)
                self._say({row[0] for row in rows})
            if ended.wait(self._interval):
                return

    def _say(self, processes: set[int]) -> None:
        if not processes <= self._said:
            print_progress(f"Waiting for {self.holders} to end its transaction.")
            self._said |= processes
