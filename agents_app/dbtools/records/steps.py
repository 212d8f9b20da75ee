"""One step of a run as it is kept, and the checksum of its file."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.runtime.migration import StampStep
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from agents_app.db import now
from agents_app.dbtools.records.checksums import file_checksum
from agents_app.dbtools.records.tables import APPLIED_STEPS

# Release 0.1.0 kept no records. This was its last step.
LAST_OF_FIRST_RELEASE = "a5ecd374ab0b"
# The directions of steps that Alembic does not know.
FILL, ACCEPT = "fill", "accept"


@dataclass
class StepRecord:
    """One step of the run. `seconds` is None until it is done. `direction` is Alembic's, or one of those above.

    `reached` is the revision of the database after a step of Alembic.
    """

    revision: str
    name: str
    direction: str
    checksum: str | None = None
    seconds: float | None = None
    filled_rows: int = 0
    updated_rows: int = 0
    reasons: list[str] = field(default_factory=list)
    reached: str | None = None


def step_record(step: Any) -> StepRecord:
    """What is kept of a step of Alembic."""
    if isinstance(step, StampStep):
        stamped = revisions_text(step.to_revisions)
        return StepRecord(stamped or "base", "", "stamp", None, reached=stamped)
    direction = "upgrade" if step.is_upgrade else "downgrade"
    checksum = file_checksum(Path(step.revision.path)) if step.is_upgrade else None
    reached = revisions_text(step.to_revisions)
    return StepRecord(step.revision.revision, step.revision.doc, direction, checksum, reached=reached)


def steps_after_first_release(script: ScriptDirectory, revisions: Iterable[str]) -> list[StepRecord]:
    """The steps up to these revisions that a release after 0.1.0 has applied, if the project has those of 0.1.0."""
    if not any(found.revision == LAST_OF_FIRST_RELEASE for found in script.walk_revisions()):
        return []
    first = {found.revision for found in script.walk_revisions("base", LAST_OF_FIRST_RELEASE)}
    applied = [found for head in revisions for found in script.walk_revisions("base", head)]
    return [
        StepRecord(found.revision, found.doc, "upgrade", file_checksum(Path(found.path)))
        for found in {found.revision: found for found in applied}.values()
        if found.revision not in first
    ]


def keep_checksum(connection: Connection, step: StepRecord, *, is_refilled: bool) -> None:
    """Keep the checksum of a step that was applied, and remove that of a step that was undone."""
    if step.direction not in ("upgrade", "downgrade"):
        return
    connection.execute(APPLIED_STEPS.delete().where(APPLIED_STEPS.c.revision == step.revision))
    if step.checksum is not None:
        values = {"id": uuid.uuid4(), "revision": step.revision, "checksum": step.checksum, "applied_at": now()}
        connection.execute(APPLIED_STEPS.insert(), {**values, "is_refilled": is_refilled})


def revisions_text(revisions: Iterable[str]) -> str | None:
    """One or several revisions as one text; None for the state before the first step."""
    return ", ".join(revisions) or None
