"""One safe deployment: checks the database, takes a backup, applies the pending steps and checks again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.database.migration_limits import Limits
from agents_app.dbtools.backup.backups import Backup, create_backup
from agents_app.dbtools.backup.signals import interrupt_on_signals
from agents_app.dbtools.configuration import BACKUPS, alembic_config
from agents_app.dbtools.database.connections import connect, deployment_lock
from agents_app.dbtools.database.encoding import require_utf8
from agents_app.dbtools.database.read_only import require_writable
from agents_app.dbtools.operations.renames import require_answer
from agents_app.dbtools.output import pluralize, print_progress
from agents_app.dbtools.phases import Phase, require_not_blocked, steps_of
from agents_app.dbtools.position import Position, read_position, require_no_table_conflict
from agents_app.dbtools.problems import PENDING, Problem
from agents_app.dbtools.review.plan import Plan, make_plan
from agents_app.dbtools.review.refills import find_fills
from agents_app.dbtools.review.warnings import Level
from agents_app.dbtools.runner.phase import AppliedPhase, apply_phase
from agents_app.dbtools.status import read_status
from agents_app.errors import Unavailable
from agents_app.paths import display_path


@dataclass(frozen=True)
class DeploymentCheck:
    """The state of a database before a deployment: the steps to apply, and other problems of the database."""

    plan: Plan
    problems: tuple[Problem, ...]
    is_empty: bool
    phase: Phase = Phase.DEPLOY
    has_fills: bool = False

    @property
    def has_work(self) -> bool:
        """Whether there are steps to apply, or fills to run again."""
        return bool(self.plan.steps) or self.has_fills

    @property
    def cannot_succeed(self) -> bool:
        """Whether a problem stops the steps, or the backup before them."""
        needs_backup = not self.is_empty
        changed = {table.name for step in self.plan.steps for table in step.tables}
        return any(
            found.stops_steps(changed) or (needs_backup and found.only_prevents_backup) for found in self.problems
        )


@dataclass(frozen=True)
class Deployment:
    """The result of a deployment. `seconds` are without the backup; `position` and `problems` are those afterwards.

    `applied` can be less than was pending: if several deployments start at once, one of them applies the steps.
    `fills` ran again, and filled `refilled` rows. `refills` are the names of the applied steps whose fills `--finish`
    runs again.
    """

    backup: Backup | None
    applied: int
    fills: int
    refilled: int
    seconds: float
    position: Position
    problems: tuple[Problem, ...]
    refills: tuple[str, ...]


def check_deployment(
    url: URL, config: Config, metadata: sa.MetaData, phase: Phase = Phase.DEPLOY, *, backs_up: bool = True
) -> DeploymentCheck:
    """Check a database before a deployment. Problems of backups are left out if none is taken (`backs_up`).

    Raises CommandError if a step follows a pending marked one, and the phase does not apply that one.
    """
    script = ScriptDirectory.from_config(config)
    with connect(url) as connection:
        require_utf8(connection)
        require_writable(connection)
        position = read_position(connection, script)
        require_no_table_conflict(connection, script, position)
        require_not_blocked(position, phase)
        for step in steps_of(position, phase):
            require_answer(script.get_revision(step.revision))
        plan = make_plan(connection, script, position, steps=steps_of(position, phase))
        found = _problems(connection, config, metadata, position, backs_up=backs_up)
        has_fills = phase is Phase.FINISH and bool(find_fills(connection, script, position))
        is_empty = not sa.inspect(connection).get_table_names()
    # The deployment is about to apply the pending steps.
    problems = tuple(problem for problem in found if problem.code != PENDING)
    return DeploymentCheck(plan, problems, is_empty, phase, has_fills)


def deploy(url: URL, config: Config, metadata: sa.MetaData, check: DeploymentCheck, folder: Path | None) -> Deployment:
    """Take a backup into `folder` (None: no backup), apply the steps of `check` and check the result.

    Raises CommandError if one of these fails; a step that fails is undone.
    """
    script = ScriptDirectory.from_config(config)
    with deployment_lock(url, config.attributes.get("limits", Limits())):
        with connect(url) as connection:
            pending = {step.revision for step in read_position(connection, script).pending}
            is_done = pending.isdisjoint(step.revision for step in check.plan.steps)
        backup = None if is_done or check.is_empty or folder is None else _back_up(url, folder, check)
        started = time.monotonic()
        applied = _apply(url, config, check, backup)
        seconds = round(time.monotonic() - started, 2)
    with connect(url) as connection:
        position = read_position(connection, script)
        problems = _problems(connection, config, metadata, position, backs_up=folder is not None)
        refills = tuple(dict.fromkeys(fill.step.name for fill in find_fills(connection, script, position)))
    return Deployment(backup, len(applied.times), applied.fills, applied.filled, seconds, position, problems, refills)


def _apply(url: URL, config: Config, check: DeploymentCheck, backup: Backup | None) -> AppliedPhase:
    # Kept with the deployment.
    command_text = "deploy --finish" if check.phase is Phase.FINISH else "deploy"
    config.attributes |= {"command": command_text, "backup": str(backup.file) if backup else None}
    config.attributes["dangers"] = [
        {"revision": step.revision, "what": warning.what, "reason": warning.allowed}
        for step in check.plan.steps
        for warning in step.warnings
        if warning.level is Level.DANGER
    ]
    try:
        return apply_phase(url, config, check.plan.position, check.phase)
    except CommandError as refusal:
        advice = f" The backup from before is {display_path(backup.file)}." if backup else ""
        raise CommandError(f"{refusal}{advice}") from refusal


def _problems(
    connection: Connection, config: Config, metadata: sa.MetaData, position: Position, *, backs_up: bool
) -> tuple[Problem, ...]:
    script, console = ScriptDirectory.from_config(config), config.attributes.get("console_url")
    found = read_status(connection, script, metadata, position, console).problems
    return tuple(problem for problem in found if backs_up or not problem.only_prevents_backup)


def _back_up(url: URL, folder: Path, check: DeploymentCheck) -> Backup:
    print_progress(f"{pluralize(len(check.plan.steps), 'step')} to apply. Taking a backup first.")
    with interrupt_on_signals():
        backup = create_backup(url, folder)
    print_progress(f"Backup: {display_path(backup.file)} ({backup.bytes / 1024 / 1024:,.1f} MB in {backup.seconds} s)")
    return backup


def upgrade_to_head(
    url: URL,
    backup_folder: Path = BACKUPS,
    report: Callable[[str], None] = print_progress,
    limits: Limits | None = None,
) -> None:
    """Apply every pending step. The rows that a step drops are saved in `backup_folder`.

    `report` is called with a line for each step that is done.

    Raises Unavailable with one line that says what is wrong and what to do.
    """
    config = alembic_config(url, limits)
    config.attributes.update(backup_folder=backup_folder, report=report, command="prepare")
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(str(error), code="migration_failed") from error
