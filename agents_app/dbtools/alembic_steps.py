"""Reads the steps with Alembic, however their files are made."""

from alembic.script import Script, ScriptDirectory
from alembic.util import to_tuple

from agents_app.dbtools.marks import is_after_release
from agents_app.dbtools.step_files import Step


def steps_of(script: ScriptDirectory) -> tuple[Step, ...]:
    """Every step, each after those that it follows."""
    return tuple(
        Step(found.revision, found.doc, is_after_release(found), after, len(after) > 1 and _changes_nothing(found))
        for found in reversed(list(script.walk_revisions()))
        for after in [to_tuple(found.down_revision, default=())]
    )


def _changes_nothing(script: Script) -> bool:
    # A function that names nothing calls nothing.
    return not script.module.upgrade.__code__.co_names
