"""Where a database is on the way from the first migration to the last."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.dbtools.configuration import BACKUPS, alembic_config
from agents_app.dbtools.revision import Step, current_revision
from agents_app.errors import Unavailable


@dataclass(frozen=True)
class SchemaState:
    """The revision of a database, the newest one this code knows, and the steps between.

    `is_ahead` means that a newer release has migrated the database, which this code can live with.
    """

    current: str | None
    head: str
    pending: tuple[Step, ...]
    is_ahead: bool

    @property
    def is_at_head(self) -> bool:
        return self.current == self.head


def schema_state(connection: Connection) -> SchemaState:
    """Where the database of this connection is; one small query and a half."""
    steps = _all_steps()
    current = current_revision(connection)
    known = [step.revision for step in steps]
    if current is not None and current not in known:
        return SchemaState(current, known[-1], (), is_ahead=True)
    done = known.index(current) + 1 if current else 0
    return SchemaState(current, known[-1], steps[done:], is_ahead=False)


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


@cache
def _all_steps() -> tuple[Step, ...]:
    # The files of a release do not change while it runs, and reading them takes a while.
    script = ScriptDirectory.from_config(alembic_config(sa.make_url("sqlite://")))
    return tuple(Step(found.revision, found.doc) for found in reversed(list(script.walk_revisions())))
