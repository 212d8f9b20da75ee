"""What the page "Database" shows of the schema: where it is, what is pending, what differs. Read only."""

from dataclasses import dataclass

from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, Connection

from agents_app.db import db
from agents_app.dbtools.autogenerate.drift import drift
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.review.plan import PlannedStep, plan


@dataclass(frozen=True)
class Overview:
    """The schema of a database beside what this release knows.

    `current` and `current_name` are None before the first step; `current_name` also where `is_ahead`: a newer release
    has migrated the database, and nothing is pending for this one.

    Each of `pending`, oldest first, has `revision`, `name`, `tables` (each with `name`, `is_there`, `rows`,
    `is_estimate`, `bytes`), `findings` (each with `level`, which is "DANGER" or "WARN", `table`, `what`, `why`,
    `instead`) and `sql`, which is None where a step of SQLite needs the table itself.

    `drift` has a line for each difference between models and database; None where steps are pending or the database is
    ahead, since it must differ then.
    """

    current: str | None
    current_name: str | None
    head: str
    head_name: str
    is_ahead: bool
    pending: tuple[PlannedStep, ...]
    drift: tuple[str, ...] | None

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to do."""
        return not self.pending and not self.drift


def overview(where: Connection | URL) -> Overview:
    """Look at a database; nothing is changed. The models must be imported, as they are in a running console.

    A connection of `db.reading()` will do. Raises SQLAlchemy's errors where the database fails.
    """
    if isinstance(where, URL):
        with connect(where) as connection:
            return overview(connection)
    script = ScriptDirectory.from_config(alembic_config(where.engine.url))
    names = {step.revision: step.doc for step in script.walk_revisions()}
    found = plan(where, script)
    is_at_head = not found.is_ahead and not found.steps
    return Overview(
        current=found.current,
        current_name=names.get(found.current or ""),
        head=found.target,
        head_name=names[found.target],
        is_ahead=found.is_ahead,
        pending=found.steps,
        drift=drift(where, db.metadata, script.dir) if is_at_head else None,
    )
