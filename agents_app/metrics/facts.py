"""Facts of the database and of the backups. They are read at most once in EVERY_S by all workers together."""

import fcntl
import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError
from contextlib import suppress
from typing import Any

from flask import Flask

from agents_app.errors import ConsoleError
from agents_app.metrics.client import GaugeMetricFamily, Metric
from agents_app.metrics.folder import folder
from agents_app.operations import server_facts

logger = logging.getLogger(__name__)

EVERY_S = 60
# An answer waits no longer for facts. Prometheus gives up after ten seconds.
WAIT_S = 3
# The values of each label of a fact, and its number.
Samples = list[tuple[list[str], float]]
# Each fact: its help, its labels, and the operation that reads it. Those that take long are last.
FACTS: dict[str, tuple[str, tuple[str, ...], Callable[[], server_facts.Numbers]]] = {
    "migrations_pending": (
        "Migrations that the database lacks, by the phase of the deployment.",
        ("phase",),
        server_facts.pending_migrations,
    ),
    "last_backup_timestamp_seconds": (
        "When the newest backup in BACKUP_FOLDER was made. 0: there is no backup.",
        (),
        server_facts.newest_backup,
    ),
    "agents": (
        "Agents, by status and by the last test of the present version.",
        ("status", "last_test"),
        server_facts.agents,
    ),
    "expiring": (
        "What expires within so many days: of active agents, and API tokens. 0 days: has expired.",
        ("kind", "within_days"),
        server_facts.expiring,
    ),
}


class Facts:
    """A collector for the facts. What cannot be read is missing, and `agent_console_fact_read` says so."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._thread = ThreadPoolExecutor(1, "metrics-facts")
        self._reading: Future[dict[str, Samples]] | None = None

    def collect(self) -> Iterator[Metric]:
        """Each fact, and whether it was read."""
        found = self._read_in_time()
        was_read = GaugeMetricFamily(
            "agent_console_fact_read", "1 if the fact could be read, 0 if not.", labels=["fact"]
        )
        for name, (text, labels, _) in FACTS.items():
            was_read.add_metric([name], name in found)
            family = GaugeMetricFamily(f"agent_console_{name}", text, labels=labels)
            for values, number in found.get(name, ()):
                family.add_metric(values, number)
            yield family
        yield was_read

    def _read_in_time(self) -> dict[str, Samples]:
        if self._reading is None or self._reading.done():
            self._reading = self._thread.submit(_read_or_recall, self._app)
        try:
            return self._reading.result(WAIT_S)
        # OSError: the folder was removed, or is full.
        except (NotInTimeError, OSError):
            return {}


def _read_or_recall(app: Flask) -> dict[str, Samples]:
    """The facts that any worker has read in the last EVERY_S, or new ones. One worker reads, and others wait for it."""
    file = folder() / "facts"
    with file.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        kept: dict[str, Any] = {"read_at": float("-inf")}
        # The file is empty at first. A worker that was killed can leave a part.
        with suppress(ValueError):
            kept = json.loads(stream.read())
        # This clock is the same for all processes of a machine, and nobody sets it.
        if time.monotonic() - kept["read_at"] >= EVERY_S:
            kept = {"facts": _read(app), "read_at": time.monotonic()}
            stream.truncate(0)
            stream.write(json.dumps(kept))
        found: dict[str, Samples] = kept["facts"]
        return found


def _read(app: Flask) -> dict[str, Samples]:
    found: dict[str, Samples] = {}
    ends = time.monotonic() + WAIT_S
    with app.app_context():
        for name, (_, _, read) in FACTS.items():
            # A database that is down or slow makes each of them wait.
            if time.monotonic() > ends:
                break
            try:
                found[name] = [(list(values), number) for values, number in read().items()]
            except (ConsoleError, OSError) as error:
                logger.warning("unavailable", extra={"code": name, "cause": str(error)})
            except Exception:
                # Whatever it is, the other metrics are answered.
                logger.exception("unexpected error")
    return found
