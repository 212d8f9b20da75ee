"""The record of one run of steps: written before the first step, with each step, and when the run ends."""

import getpass
import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext, MigrationInfo, MigrationStep
from sqlalchemy.engine import Connection

from agents_app import __version__
from agents_app.database.migration_limits import Limits
from agents_app.db import now
from agents_app.dbtools.records.limits import limits_as_data
from agents_app.dbtools.records.steps import (
    ACCEPT,
    FILL,
    StepRecord,
    keep_checksum,
    revisions_text,
    step_record,
    steps_after_first_release,
)
from agents_app.dbtools.records.tables import DEPLOYMENT_STEPS, DEPLOYMENTS, DONE, FAILED, INTERRUPTED, has_records

ERROR_MAX = 500
# Not Alembic's own table.
IS_UPDATE = re.compile(r"\s*UPDATE\s+(?!alembic_version\b)", re.IGNORECASE)


@dataclass(frozen=True)
class RunFacts:
    """What is known before a run. `saved_files` returns the files of rows that were saved until now."""

    command: str
    backup: str | None
    dangers: list[dict[str, Any]]
    saved_files: Callable[[], list[dict[str, Any]]]
    limits: Limits


@dataclass
class Course:
    """What is kept as one deployment: `parts` are the runs that had steps. Another one follows unless `is_last`."""

    id: uuid.UUID = field(default_factory=uuid.uuid4)
    started_at: datetime = field(default_factory=now)
    is_last: bool = True
    parts: list["RunRecord"] = field(default_factory=list)


class RunRecord:
    """Keeps a run in the database. Without the tables it waits until a step creates them.

    Each step is kept in the transaction of the step, so that what is kept and what was done never differ.
    """

    def __init__(
        self, facts: RunFacts, plan: Callable[..., Iterable[MigrationStep]], course: Course, *, is_kept: bool = True
    ) -> None:
        self._facts, self._plan, self._is_kept, self._course = facts, plan, is_kept, course
        self._steps: list[StepRecord] = []
        self._earlier: list[StepRecord] = []
        self._start: str | None = None
        self._limits: dict[str, Any] = {}
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
        if context.environment_context is not None:
            self._earlier = steps_after_first_release(context.environment_context.script, heads)
        steps: list[Any] = list(self._plan(heads, context))
        return self.begin_steps(connection, [step_record(step) for step in steps], revisions_text(heads))

    def begin_steps(self, connection: Connection, steps: list[StepRecord], start: str | None) -> bool:
        """Write these steps of a database at the revision `start`. Return whether the caller must commit."""
        self._steps, self._start, self._done = steps, start, 0
        if not steps and not self._is_written:
            return False
        if self not in self._course.parts:
            self._course.parts.append(self)
        self._limits = limits_as_data(connection, self._facts.limits)
        if has_records(connection):
            # Only one run at a time has the lock, so that a run without an end was interrupted.
            is_open = DEPLOYMENTS.c.outcome.is_(None) & (DEPLOYMENTS.c.id != self._course.id)
            connection.execute(DEPLOYMENTS.update().where(is_open).values(outcome=INTERRUPTED))
            self._write(connection)
        return self._is_written

    def begin_attempt(self, done: int) -> None:
        """Continue after the steps that are `done`, and measure the time of the next one."""
        self._done, self._step_started = done, time.monotonic()
        for step in self._steps[done:]:
            step.seconds, step.filled_rows, step.updated_rows, step.reasons = None, 0, 0, []

    def step_done(self, ctx: MigrationContext, step: MigrationInfo, heads: Any, run_args: Any) -> None:
        """Keep a step at its end, in its transaction. Alembic calls this."""
        if ctx.connection is not None:
            self.keep_step(ctx.connection)

    def keep_step(self, connection: Connection) -> None:
        """Keep the current step at its end, in its transaction."""
        if self._done >= len(self._steps):
            return
        done = self._steps[self._done]
        done.seconds = round(time.monotonic() - self._step_started, 3)
        self._done += 1
        self._step_started = time.monotonic()
        self._keep(connection, [self._steps[self._done - 1]] if self._is_written else self._steps[: self._done])

    def end(self, connection: Connection) -> None:
        """Keep that the deployment ended with this run, although another one was expected."""
        self._course.is_last = True
        if self._steps and has_records(connection):
            self._write(connection, outcome=DONE)

    def note_statement(
        self, _connection: Any, cursor: Any, statement: str, _values: Any, _context: Any, executemany: bool
    ) -> None:
        """Add the rows that one UPDATE has changed. SQLAlchemy calls this after each statement."""
        # The batches of a fill are counted by the fill.
        if not executemany and IS_UPDATE.match(statement):
            for step in self._steps[self._done : self._done + 1]:
                step.updated_rows += max(cursor.rowcount, 0)

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
        if not (self._steps or self._course.parts) or not has_records(connection):
            return
        self._done = max(min(done, len(self._steps) - 1), 0)
        # A run on SQLite is one transaction.
        for step in self._steps[0 if connection.dialect.name == "sqlite" else self._done :]:
            step.seconds, step.filled_rows, step.updated_rows = None, 0, 0
        self._write(connection, outcome=FAILED, error=error[:ERROR_MAX])

    def _keep(self, connection: Connection, unkept: list[StepRecord]) -> None:
        if not has_records(connection):
            self._is_written = False
            return
        # Runs that were interrupted before the tables were created could not keep their steps.
        for step in () if self._is_written else self._earlier:
            keep_checksum(connection, step, is_refilled=False)
        for step in unkept:
            # Nobody used an empty database while its steps ran.
            keep_checksum(connection, step, is_refilled=self._start is None)
        is_end = self._done == len(self._steps) and self._course.is_last
        self._write(connection, outcome=DONE if is_end else None)

    def _write(self, connection: Connection, outcome: str | None = None, error: str | None = None) -> None:
        connection.execute(DEPLOYMENT_STEPS.delete().where(DEPLOYMENT_STEPS.c.deployment_id == self._course.id))
        connection.execute(DEPLOYMENTS.delete().where(DEPLOYMENTS.c.id == self._course.id))
        self._is_written = any(part._steps for part in self._course.parts)
        if self._is_written:
            connection.execute(DEPLOYMENTS.insert(), self._row(connection, outcome))
            connection.execute(DEPLOYMENT_STEPS.insert(), list(self._step_rows(error)))

    def _row(self, connection: Connection, outcome: str | None) -> dict[str, Any]:
        is_postgresql = connection.dialect.name == "postgresql"
        # A part whose steps another process has applied has none left.
        parts = [part for part in self._course.parts if part._steps]
        return {
            "id": self._course.id,
            "command": self._facts.command,
            "release": __version__,
            "os_user": _user_name(),
            "host": socket.gethostname(),
            "process_id": os.getpid(),
            "role": connection.scalar(sa.text("SELECT current_user")) if is_postgresql else None,
            "from_revision": parts[0]._start,
            "to_revision": self._reached(parts),
            "started_at": self._course.started_at,
            "ended_at": now() if outcome else None,
            "outcome": outcome,
            "backup": self._facts.backup,
            "saved_files": [file for part in parts for file in part._facts.saved_files()],
            "dangers": self._facts.dangers,
            "limits": self._limits,
        }

    def _reached(self, parts: list["RunRecord"]) -> str | None:
        """The revision that the database has now, also if the run ends here."""
        done = [step for part in parts for step in part._steps if step.seconds is not None]
        moved = [step.reached for step in done if step.direction not in (FILL, ACCEPT)]
        return moved[-1] if moved else parts[0]._start

    def _step_rows(self, error: str | None) -> Iterable[dict[str, Any]]:
        every = [(part, number, step) for part in self._course.parts for number, step in enumerate(part._steps)]
        for position, (part, number, step) in enumerate(every):
            yield {
                "deployment_id": self._course.id,
                "position": position,
                "revision": step.revision,
                "name": step.name,
                "direction": step.direction,
                "seconds": step.seconds,
                "filled_rows": step.filled_rows or None,
                "updated_rows": step.updated_rows or None,
                "reason": "; ".join(step.reasons) or None,
                "error": error if part is self and number == self._done else None,
            }


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run as a number without a name.
        return str(os.getuid())
