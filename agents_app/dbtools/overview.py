"""The state of the schema for the page "System": position, pending steps and differences. Read only."""

from dataclasses import dataclass

from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, Connection

from agents_app.db import db
from agents_app.dbtools.autogenerate.drift import find_drift
from agents_app.dbtools.autogenerate.settings import console_tables
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
class Overview:
    """The schema of a database compared with what this release knows.

    `pending` has the steps to apply, oldest first. `drift` has one line for each difference between models and
    database; it is None while the database is not at head, since it must differ then. `changed` names applied steps
    whose files were changed. `deployments` are the last ones, newest first; `tables` the sizes of the console's tables.
    """

    position: Position
    pending: tuple[PlannedStep, ...]
    drift: tuple[str, ...] | None
    changed: tuple[Problem, ...]
    deployments: tuple[KeptDeployment, ...]
    tables: tuple[TableBytes, ...]


def read_overview(database: Connection | URL) -> Overview:
    """Read the state of a database. The models must be imported, as they are in a running console.

    Accepts a connection of `db.reading()`. Raises SQLAlchemy's errors if the database fails.
    """
    if isinstance(database, URL):
        with connect(database) as connection:
            return read_overview(connection)
    script = ScriptDirectory.from_config(alembic_config(database.engine.url))
    position = read_position(database, script)
    drift = find_drift(database, db.metadata, script.dir) if position.is_at_head else None
    return Overview(
        position,
        make_plan(database, script, position, counts=False).steps,
        drift,
        changed=tuple(changed_step_problems(database, script, position)),
        deployments=tuple(read_deployments(database, LAST_DEPLOYMENTS) or ()),
        tables=table_sizes(database, console_tables(db.metadata, script.dir)),
    )
