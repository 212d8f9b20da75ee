"""Whether the files of applied steps are still those that were applied."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from agents_app.dbtools.position import Position
from agents_app.dbtools.records.tables import APPLIED_STEPS, has_records

LINE_END = re.compile(r"\r\n|\r|\n")


def file_checksum(path: Path) -> str:
    """The SHA-256 of a file. Line ends and white space at the ends of lines do not count."""
    lines = [line.rstrip() for line in LINE_END.split(path.read_text("utf-8-sig"))]
    return hashlib.sha256("\n".join(lines).rstrip().encode()).hexdigest()


def changed_steps(connection: Connection, script: ScriptDirectory, position: Position) -> Iterator[tuple[str, str]]:
    """Each applied step whose file was changed or removed afterwards: its name or revision, and what happened.

    Steps that were applied before checksums were kept are not compared.
    """
    if not has_records(connection):
        return
    kept = sa.select(APPLIED_STEPS.c.revision, APPLIED_STEPS.c.checksum).order_by(APPLIED_STEPS.c.applied_at)
    # The newest row of a revision counts.
    checksums = {row.revision: row.checksum for row in connection.execute(kept)}
    for step in position.steps[: position.applied_count]:
        path = Path(script.get_revision(step.revision).path)
        if checksums.get(step.revision, "") not in ("", file_checksum(path)):
            yield f"{step.revision}, {step.name}", f"{path.name} was changed after it was applied"
    if not position.is_ahead:
        for revision in sorted(checksums.keys() - {step.revision for step in position.steps}):
            yield revision, "its file is missing"
