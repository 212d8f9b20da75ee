"""Reads the deployments that a database keeps."""

import os
import socket
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from agents_app.dbtools.database import postgresql
from agents_app.dbtools.records.tables import DEPLOYMENT_STEPS, DEPLOYMENTS, INTERRUPTED, has_records
from agents_app.paths import COMMAND

RUNNING = "running"
# A fill of fewer rows says little about the speed.
MEASURED_FROM = 1_000
LAST_MEASURED = 5
SHORT_ID = 8
CLOCK_TOLERANCE_S = 5


def short_id(deployment: uuid.UUID) -> str:
    """The beginning of an id, which is enough for a person."""
    return deployment.hex[:SHORT_ID]


class Measured(Enum):
    """A way to change many rows: the column with their number, and how a sentence says it."""

    FILL = ("filled_rows", "fills")
    UPDATE = ("updated_rows", "updates")

    def __init__(self, column: str, verb: str) -> None:
        self.column, self.verb = column, verb


@dataclass(frozen=True)
class Speed:
    """How fast rows were changed, and the beginning of the id of the deployment that did it."""

    rows_a_second: float
    deployment: str


@dataclass(frozen=True)
class KeptStep:
    """One step of a deployment. `seconds` is None if it was not done."""

    revision: str
    name: str
    direction: str
    seconds: float | None
    filled_rows: int | None
    updated_rows: int | None
    reason: str | None
    error: str | None


@dataclass(frozen=True)
class KeptDeployment:
    """One run of steps. `outcome` is `done`, `failed`, `interrupted` or `running`."""

    id: uuid.UUID
    command: str
    release: str
    os_user: str
    host: str
    role: str | None
    from_revision: str | None
    to_revision: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    backup: str | None
    saved_files: list[dict[str, Any]]
    dangers: list[dict[str, Any]]
    limits: dict[str, Any]
    steps: tuple[KeptStep, ...]

    @property
    def short_id(self) -> str:
        return short_id(self.id)

    @property
    def seconds(self) -> float | None:
        """How long it took; None if it has no end."""
        return round((self.ended_at - self.started_at).total_seconds(), 2) if self.ended_at else None

    @property
    def done_count(self) -> int:
        """How many of its steps were done."""
        return sum(step.seconds is not None for step in self.steps)


def read_deployments(connection: Connection, limit: int) -> list[KeptDeployment] | None:
    """The newest deployments, newest first; None if the database does not keep them yet. Sends at most four queries."""
    if not has_records(connection):
        return None
    newest = sa.select(DEPLOYMENTS).order_by(DEPLOYMENTS.c.started_at.desc(), DEPLOYMENTS.c.id).limit(limit)
    return _with_steps(connection, list(connection.execute(newest)))


def find_deployment(connection: Connection, start: str) -> KeptDeployment:
    """The deployment whose id begins with `start`. Raises CommandError without exactly one."""
    wanted = start.replace("-", "").lower()
    every = list(connection.execute(sa.select(DEPLOYMENTS))) if has_records(connection) else []
    found = [row for row in every if row.id.hex.startswith(wanted)] if wanted else []
    if len(found) != 1:
        how_many = "More than one deployment begins" if found else "There is no deployment that begins"
        raise CommandError(f"{how_many} with {start!r}. See: {COMMAND} db deployments")
    return _with_steps(connection, found)[0]


def measured_speed(connection: Connection, kind: Measured) -> Speed | None:
    """The slowest of the last runs that changed many rows in this way; None before the first of them."""
    if not has_records(connection):
        return None
    steps, runs = DEPLOYMENT_STEPS, DEPLOYMENTS
    rows = steps.c[kind.column]
    kept = sa.select((rows / steps.c.seconds).label("speed"), runs.c.id)
    kept = kept.join_from(steps, runs, runs.c.id == steps.c.deployment_id)
    kept = (
        kept.where(rows >= MEASURED_FROM, steps.c.seconds > 0).order_by(runs.c.started_at.desc()).limit(LAST_MEASURED)
    )
    found = [Speed(float(row.speed), short_id(row.id)) for row in connection.execute(kept)]
    return min(found, key=lambda one: one.rows_a_second, default=None)


def deployment_as_data(found: KeptDeployment) -> dict[str, Any]:
    """A deployment as plain data, for JSON."""
    times = {"started_at": found.started_at.isoformat(), "ended_at": found.ended_at and found.ended_at.isoformat()}
    return {**asdict(found), "id": str(found.id), **times, "seconds": found.seconds}


def _with_steps(connection: Connection, rows: list[Any]) -> list[KeptDeployment]:
    of_these = DEPLOYMENT_STEPS.c.deployment_id.in_([row.id for row in rows])
    query = sa.select(DEPLOYMENT_STEPS).where(of_these).order_by(DEPLOYMENT_STEPS.c.position)
    steps: dict[uuid.UUID, list[KeptStep]] = {row.id: [] for row in rows}
    for step in connection.execute(query) if rows else ():
        values = {name: value for name, value in step._mapping.items() if name not in ("deployment_id", "position")}
        steps[step.deployment_id].append(KeptStep(**values))
    return [_deployment(connection, row, steps[row.id]) for row in rows]


def _deployment(connection: Connection, row: Any, steps: list[KeptStep]) -> KeptDeployment:
    values = {name: value for name, value in row._mapping.items() if name != "process_id"}
    if row.outcome is None:
        values["outcome"] = RUNNING if _is_running(connection, row) else INTERRUPTED
    return KeptDeployment(**values, steps=tuple(steps))


def _is_running(connection: Connection, row: Any) -> bool:
    if connection.dialect.name == "postgresql":
        return postgresql.running_migration(connection) is not None
    # A file of SQLite is only used on one machine.
    if row.host != socket.gethostname():
        return False
    try:
        os.kill(row.process_id, 0)
    except PermissionError:
        pass
    except OSError:
        return False
    # After a restore, or in another container, another process may have this number.
    began = _begin_of_process(row.process_id)
    return began is None or began <= row.started_at.timestamp() + CLOCK_TOLERANCE_S


def _begin_of_process(process_id: int) -> float | None:
    # Only Linux has files with it.
    try:
        ticks = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[19]
        boot = next(line.split()[1] for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
        return int(boot) + int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError, StopIteration):
        return None
