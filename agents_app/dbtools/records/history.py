"""Reads the deployments that a database keeps."""

import os
import socket
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from agents_app.dbtools.database import postgresql
from agents_app.dbtools.records.tables import DEPLOYMENT_STEPS, DEPLOYMENTS, has_records

RUNNING, INTERRUPTED = "running", "interrupted"
# A fill of fewer rows says little about the speed.
MEASURED_FROM = 1_000
SHORT_ID = 8


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
        """The beginning of the id, which is enough for a person."""
        return self.id.hex[:SHORT_ID]

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
        raise CommandError(f"{how_many} with {start!r}. See: flask db deployments")
    return _with_steps(connection, found)[0]


def fill_speed(connection: Connection) -> float | None:
    """The rows a second of the slowest of the last fills of many rows; None before the first of them."""
    if not has_records(connection):
        return None
    steps, runs = DEPLOYMENT_STEPS, DEPLOYMENTS
    speed = steps.c.filled_rows / steps.c.seconds
    kept = sa.select(speed).join_from(steps, runs, runs.c.id == steps.c.deployment_id)
    kept = kept.where(steps.c.filled_rows >= MEASURED_FROM, steps.c.seconds > 0)
    found = connection.scalars(kept.order_by(runs.c.started_at.desc()).limit(5)).all()
    return min(map(float, found), default=None)


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
        return True
    except OSError:
        return False
    return True
