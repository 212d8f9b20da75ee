"""The state of the schema for the page "System": position, pending steps and differences. Read only."""

import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, Connection

from agents_app.db import db
from agents_app.dbtools.autogenerate.drift import find_drift
from agents_app.dbtools.autogenerate.settings import console_tables
from agents_app.dbtools.backup.backups import newest_backup
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.database.table_sizes import TableBytes, table_sizes
from agents_app.dbtools.position import Position, read_position
from agents_app.dbtools.problems import Problem
from agents_app.dbtools.records.history import KeptDeployment, read_deployments
from agents_app.dbtools.review.plan import PlannedStep, make_plan
from agents_app.dbtools.status import changed_step_problems

LAST_DEPLOYMENTS = 5


@dataclass(frozen=True)
class KnownBackup:
    """A backup: a file of BACKUP_FOLDER, or one that a deployment on another machine (`host`) has taken."""

    taken_at: datetime
    file: str
    host: str | None


@dataclass(frozen=True)
class Overview:
    """The schema of a database compared with what this release knows.

    `pending` has the steps to apply, oldest first. `drift` has one line for each difference between models and
    database; it is None while the database is not at head, since it must differ then. `changed` names applied steps
    whose files were changed. `refills` names applied steps whose fills run again. `deployments` are the last ones,
    newest first; `tables` the sizes of the console's tables. `backup` is the newest one that is known.
    """

    position: Position
    pending: tuple[PlannedStep, ...]
    drift: tuple[str, ...] | None
    changed: tuple[Problem, ...]
    refills: tuple[str, ...]
    deployments: tuple[KeptDeployment, ...]
    tables: tuple[TableBytes, ...]
    backup: KnownBackup | None


def read_overview(database: Connection | URL, backup_folder: Path | None = None) -> Overview:
    """Read the state of a database. The models must be imported, as they are in a running console.

    It takes as long for large tables as for small ones. Accepts a connection of `db.reading()`.

    Raises SQLAlchemy's errors if the database fails.
    """
    if isinstance(database, URL):
        with connect(database) as connection:
            return read_overview(connection, backup_folder)
    script = ScriptDirectory.from_config(alembic_config(database.engine.url))
    position = read_position(database, script)
    drift = find_drift(database, db.metadata, script.dir) if position.is_at_head else None
    plan = make_plan(database, script, position, counts=False)
    deployments = tuple(read_deployments(database, LAST_DEPLOYMENTS) or ())
    return Overview(
        position,
        plan.steps,
        drift,
        changed=tuple(changed_step_problems(database, script, position)),
        refills=plan.refills,
        deployments=deployments,
        tables=table_sizes(database, console_tables(db.metadata, script.dir)),
        backup=_newest_backup(database.engine.url, deployments, backup_folder),
    )


def _newest_backup(url: URL, deployments: tuple[KeptDeployment, ...], folder: Path | None) -> KnownBackup | None:
    known = [
        KnownBackup(one.started_at, Path(one.backup).name, one.host)
        for one in deployments
        if one.backup and one.host != socket.gethostname()
    ]
    # A folder that does not exist, or that this process may not read, has none that is known.
    with suppress(OSError):
        if folder is not None and (found := newest_backup(url, folder)) is not None:
            known.append(KnownBackup(found.taken_at, found.file.name, None))
    return max(known, key=lambda one: one.taken_at, default=None)
