"""The mark `after_release = True` in the file of a step: what is marked, and marks that are not clear."""

import difflib
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

MARK = "after_release"
# As similar as a name with one or two wrong letters.
SIMILARITY = 0.85
WRITE = f"Write {MARK} = True for a step that waits for flask db deploy --finish, and nothing for another one."


def is_after_release(script: Script) -> bool:
    """Whether the file of a step says `after_release = True`."""
    return bool(getattr(script.module, MARK, False))


def unclear_mark(script: ScriptDirectory) -> tuple[str, str] | None:
    """What is wrong with the mark of a step, with its file, and what to do; None if every mark is clear."""
    for found in script.walk_revisions():
        file = Path(found.path).name
        value = getattr(found.module, MARK, False)
        if not isinstance(value, bool):
            return f"In {file}, {MARK} is {value!r}, which is neither True nor False.", WRITE
        names = [name for name in vars(found.module) if name != MARK]
        if similar := difflib.get_close_matches(MARK, names, n=1, cutoff=SIMILARITY):
            return f"{file} contains {similar[0]}, which has no meaning.", WRITE
    return None


def require_clear_marks(script: ScriptDirectory) -> None:
    """Raise CommandError if the mark of a step is not clear: it could be applied in the wrong phase."""
    if problem := unclear_mark(script):
        raise CommandError(" ".join(problem))
