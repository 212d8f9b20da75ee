"""A database brought to where this release needs it, as one safe act: look, keep a copy, apply, look again."""

import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.dbtools.backup.backups import Backup, create_backup
from agents_app.dbtools.backup.signals import interrupt_on_signals
from agents_app.dbtools.configuration import BACKUPS, LockSettings, alembic_config
from agents_app.dbtools.database.connections import connect, deployment_lock
from agents_app.dbtools.database.encoding import require_utf8
from agents_app.dbtools.database.read_only import require_writable
from agents_app.dbtools.output import display_path, pluralize, print_progress
from agents_app.dbtools.position import require_own_tables
from agents_app.dbtools.review.plan import Plan, plan
from agents_app.dbtools.status import PENDING, Problem, status
from agents_app.errors import Unavailable


@dataclass(frozen=True)
class DeploymentCheck:
    """What a deployment would meet: the steps, and what is wrong with the database besides."""

    plan: Plan
    problems: tuple[Problem, ...]
    is_empty: bool


@dataclass(frozen=True)
class Deployment:
    """What a deployment did, and what is wrong with the database afterwards; `seconds` without the backup's.

    `applied` may be less than was pending: of several deployments at once one works.
    """

    backup: Backup | None
    applied: int
    seconds: float
    problems: tuple[Problem, ...]


def check_deployment(url: URL, config: Config, metadata: sa.MetaData, *, backs_up: bool = True) -> DeploymentCheck:
    """Look at a database before anything is done to it; what hinders only a backup is told where one is taken."""
    script = ScriptDirectory.from_config(config)
    with connect(url) as connection:
        require_utf8(connection)
        require_writable(connection)
        require_own_tables(connection, script)
        steps = plan(connection, script)
        found = _problems(connection, script, metadata, backs_up=backs_up)
        is_empty = not sa.inspect(connection).get_table_names()
    # What is pending is about to be done; what hinders it is to be told before.
    problems = tuple(problem for problem in found if problem.code != PENDING)
    return DeploymentCheck(steps, problems, is_empty)


def deploy(url: URL, config: Config, metadata: sa.MetaData, seen: DeploymentCheck, folder: Path | None) -> Deployment:
    """Take a backup into `folder` (None: take none), apply the steps that were seen, look at the result.

    Raises CommandError where one of these fails; a step that fails is undone.
    """
    script = ScriptDirectory.from_config(config)
    with deployment_lock(url, config.attributes.get("lock_settings", LockSettings())):
        with connect(url) as connection:
            is_done = not plan(connection, script).steps
        kept = None if is_done or seen.is_empty or folder is None else _backup(url, folder, seen)
        seconds = _apply(config, seen, kept)
    with connect(url) as connection:
        after = _problems(connection, script, metadata, backs_up=folder is not None)
    return Deployment(kept, len(config.attributes["times"]), seconds, after)


def _apply(config: Config, seen: DeploymentCheck, kept: Backup | None) -> float:
    started = time.monotonic()
    try:
        command.upgrade(config, seen.plan.target)
    except CommandError as refusal:
        advice = f" The backup from before is {display_path(kept.file)}." if kept else ""
        raise CommandError(f"{refusal}{advice}") from refusal
    return round(time.monotonic() - started, 2)


def _problems(
    connection: Connection, script: ScriptDirectory, metadata: sa.MetaData, *, backs_up: bool
) -> tuple[Problem, ...]:
    found = status(connection, script, metadata).problems
    return tuple(problem for problem in found if backs_up or not problem.is_of_backups)


def _backup(url: URL, folder: Path, seen: DeploymentCheck) -> Backup:
    print_progress(f"{pluralize(len(seen.plan.steps), 'step')} to apply. Taking a backup first.")
    with interrupt_on_signals():
        kept = create_backup(url, folder)
    print_progress(f"Backup: {display_path(kept.file)} ({kept.bytes / 1024 / 1024:,.1f} MB in {kept.seconds} s)")
    return kept


def upgrade_to_head(url: URL, backup_folder: Path = BACKUPS) -> None:
    """Apply every pending step; rows that one drops go to `backup_folder`.

    Raises Unavailable with one line that says what is wrong and what to do.
    """
    config = alembic_config(url)
    config.attributes["backup_folder"] = backup_folder
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(str(error), code="migration_failed") from error
