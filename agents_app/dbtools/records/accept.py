"""Accepts that the file of an applied step was changed: what is kept of it becomes what the file is now."""

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.database.migration_limits import Limits
from agents_app.dbtools.database.connections import migration_connection
from agents_app.dbtools.position import read_position
from agents_app.dbtools.records.checksums import ChangedStep, changed_steps
from agents_app.dbtools.records.run import Course, RunFacts, RunRecord
from agents_app.dbtools.records.steps import ACCEPT, StepRecord
from agents_app.dbtools.records.tables import APPLIED_STEPS
from agents_app.paths import COMMAND

NAME = "accept-change"
REASON_MAX = 500
REASON_RULE = f"The reason must be one line of text, of 1 to {REASON_MAX} characters."
NOT_CHANGED = f"No file of an applied step {{}} was changed. To list the changed ones: {COMMAND} db status"


def accept_change(url: URL, config: Config, revision: str, reason: str, limits: Limits) -> ChangedStep:
    """Accept the present file of an applied step, or that it is missing. The reason is kept as a deployment.

    The tables are not changed. Raises CommandError if the file was not changed, or the reason is not one line.
    """
    reason = reason.strip()
    if not (0 < len(reason) <= REASON_MAX and reason.isprintable()):
        raise CommandError(REASON_RULE)
    script = ScriptDirectory.from_config(config)
    with migration_connection(url, limits, verbose=False) as connection:
        position = read_position(connection, script)
        found = _changed(connection, script, revision)
        kept = APPLIED_STEPS.c.revision == found.revision
        if found.checksum is None:
            connection.execute(APPLIED_STEPS.delete().where(kept))
        else:
            connection.execute(APPLIED_STEPS.update().where(kept).values(checksum=found.checksum))
        record = RunRecord(RunFacts(NAME, None, [], list, limits), lambda *_: (), Course())
        step = StepRecord(found.revision, found.name or "", ACCEPT, reasons=[reason])
        record.begin_steps(connection, [step], position.current)
        record.keep_step(connection)
        connection.commit()
    return found


def _changed(connection: Connection, script: ScriptDirectory, revision: str) -> ChangedStep:
    every = changed_steps(connection, script, read_position(connection, script))
    found = [step for step in every if revision and step.revision.startswith(revision)]
    if len(found) != 1:
        raise CommandError(NOT_CHANGED.format(revision or "without a revision"))
    return found[0]
