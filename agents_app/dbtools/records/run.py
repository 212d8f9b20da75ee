"""The record of one run of steps: written before the first step, with each step, and when the run ends."""

import getpass
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext, MigrationInfo, MigrationStep, StampStep
from sqlalchemy.engine import Connection

from agents_app import __version__
from agents_app.db import now
from agents_app.dbtools.records.checksums import file_checksum
from agents_app.dbtools.records.tables import APPLIED_STEPS, DEPLOYMENT_STEPS, DEPLOYMENTS, has_records

ERROR_MAX = 500


@dataclass
class StepRecord:
    """One step of the run. `seconds` is None until it is done."""

    revision: str
    name: str
    direction: str
    checksum: str | None
    seconds: float | None = None
    filled_rows: int = 0
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunFacts:
    """What is known before a run. `saved_files` returns the files of rows that were saved until now."""

    command: str
    backup: str | None
    dangers: list[dict[str, Any]]
    saved_files: Callable[[], list[dict[str, Any]]]


class RunRecord:
    """Keeps a run in the database. Without the tables it waits until a step creates them.

    Each step is kept in the transaction of the step, so that what is kept and what was done never differ.
    """

    def __init__(self, facts: RunFacts, plan: Callable[..., Iterable[MigrationStep]], *, is_kept: bool = True) -> None:
        self._facts, self._plan, self._is_kept = facts, plan, is_kept
        self._id, self._started_at = uuid.uuid4(), now()
        self._steps: list[StepRecord] = []
        self._ends: tuple[str | None, str | None] = (None, None)
        self._done = 0
        self._is_written = False
        self._step_started = time.monotonic()

    def begin(self, connection: Connection, context: MigrationContext) -> bool:
        """Read which steps will run, and write them. Return whether the caller must commit.

        A second call, after a commit that let another run through, corrects what was written.
        """
        if not self._is_kept:
            return False
        heads = () if context.opts.get("purge") else context.get_current_heads()
        steps: list[Any] = list(self._plan(heads, context))
        self._ends = (_revisions(heads), _revisions(steps[-1].to_revisions) if steps else None)
        self._steps = [_step_record(step) for step in steps]
        if not self._steps and not self._is_written:
            return False
        if has_records(connection):
            # Only one run at a time has the lock, so that a run without an end was interrupted.
            is_open = DEPLOYMENTS.c.outcome.is_(None) & (DEPLOYMENTS.c.id != self._id)
            connection.execute(DEPLOYMENTS.update().where(is_open).values(outcome="interrupted"))
            self._write(connection)
        return self._is_written

    def begin_attempt(self, done: int) -> None:
        """Continue after the steps that are `done`, and measure the time of the next one."""
        self._done, self._step_started = done, time.monotonic()
        for step in self._steps[done:]:
            step.seconds, step.filled_rows, step.reasons = None, 0, []

    def step_done(self, ctx: MigrationContext, step: MigrationInfo, heads: Any, run_args: Any) -> None:
        """Keep a step at its end, in its transaction. Alembic calls this."""
        if ctx.connection is None or self._done >= len(self._steps):
            return
        done = self._steps[self._done]
        done.seconds = round(time.monotonic() - self._step_started, 3)
        self._done += 1
        self._step_started = time.monotonic()
        self._keep(ctx.connection, [self._steps[self._done - 1]] if self._is_written else self._steps[: self._done])

    def note_filled_rows(self, count: int) -> None:
        """Add to the number of rows that the current step has filled."""
        for step in self._steps[self._done : self._done + 1]:
            step.filled_rows += count

    def note_reason(self, reason: str) -> None:
        """Keep why the current step allows a danger."""
        for step in self._steps[self._done : self._done + 1]:
            step.reasons.append(reason)

    def fail(self, connection: Connection, error: str, done: int) -> None:
        """Keep that the run failed after `done` steps, in a transaction of its own after the failed step was undone."""
        if not self._steps or not has_records(connection):
            return
        self._done = min(done, len(self._steps) - 1)
        # A run on SQLite is one transaction.
        for step in self._steps[0 if connection.dialect.name == "sqlite" else self._done :]:
            step.seconds = None
        self._write(connection, outcome="failed", error=error[:ERROR_MAX])

    def _keep(self, connection: Connection, unkept: list[StepRecord]) -> None:
        if not has_records(connection):
            self._is_written = False
            return
        for step in unkept:
            # Nobody used an empty database while its steps ran.
            _keep_checksum(connection, step, is_refilled=self._ends[0] is None)
        self._write(connection, outcome="done" if self._done == len(self._steps) else None)

    def _write(self, connection: Connection, outcome: str | None = None, error: str | None = None) -> None:
        connection.execute(DEPLOYMENT_STEPS.delete().where(DEPLOYMENT_STEPS.c.deployment_id == self._id))
        connection.execute(DEPLOYMENTS.delete().where(DEPLOYMENTS.c.id == self._id))
        self._is_written = bool(self._steps)
        if self._is_written:
            connection.execute(DEPLOYMENTS.insert(), self._row(connection, outcome))
            connection.execute(DEPLOYMENT_STEPS.insert(), list(self._step_rows(error)))

    def _row(self, connection: Connection, outcome: str | None) -> dict[str, Any]:
        is_postgresql = connection.dialect.name == "postgresql"
        return {
            "id": self._id,
            "command": self._facts.command,
            "release": __version__,
            "os_user": _user_name(),
            "host": socket.gethostname(),
            "process_id": os.getpid(),
            "role": connection.scalar(sa.text("SELECT current_user")) if is_postgresql else None,
            "from_revision": self._ends[0],
            "to_revision": self._ends[1],
            "started_at": self._started_at,
            "ended_at": now() if outcome else None,
            "outcome": outcome,
            "backup": self._facts.backup,
            "saved_files": self._facts.saved_files(),
            "dangers": self._facts.dangers,
        }

    def _step_rows(self, error: str | None) -> Iterable[dict[str, Any]]:
        for position, step in enumerate(self._steps):
            yield {
                "deployment_id": self._id,
                "position": position,
                "revision": step.revision,
                "name": step.name,
                "direction": step.direction,
                "seconds": step.seconds,
                "filled_rows": step.filled_rows or None,
                "reason": "; ".join(step.reasons) or None,
                "error": error if position == self._done else None,
            }


def _step_record(step: Any) -> StepRecord:
    if isinstance(step, StampStep):
        return StepRecord(_revisions(step.to_revisions) or "base", "", "stamp", None)
    direction = "upgrade" if step.is_upgrade else "downgrade"
    checksum = file_checksum(Path(step.revision.path)) if step.is_upgrade else None
    return StepRecord(step.revision.revision, step.revision.doc, direction, checksum)


def _keep_checksum(connection: Connection, step: StepRecord, *, is_refilled: bool) -> None:
    if step.direction == "stamp":
        return
    connection.execute(APPLIED_STEPS.delete().where(APPLIED_STEPS.c.revision == step.revision))
    if step.checksum is not None:
        values = {"id": uuid.uuid4(), "revision": step.revision, "checksum": step.checksum, "applied_at": now()}
        connection.execute(APPLIED_STEPS.insert(), {**values, "is_refilled": is_refilled})


def _revisions(revisions: Iterable[str]) -> str | None:
    return ", ".join(revisions) or None


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run as a number without a name.
        return str(os.getuid())
