"""The files of steps: marks (`after_release = True`), files that do not load, and running one with another `op`."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import ModuleType

import alembic
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from agents_app.dbtools.step_files import FOLDER, MARK
from agents_app.paths import COMMAND

# As similar as a name with one or two wrong letters.
SIMILARITY = 0.85
WRITE = f"Write {MARK} = True for a step that waits for {COMMAND} db deploy --finish, and nothing for another one."


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


def load_failure(error: BaseException) -> str | None:
    """Which file of a step could not be loaded, in which line and why; None if the error is another one."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).parent.name == FOLDER:
        what = f"{Path(error.filename).name}, line {error.lineno}, is not valid Python: {error.msg}."
        return f"{what} Nothing was changed."
    for frame, line in walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file.parent.name == FOLDER and frame.f_code.co_name == "<module>":
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            return f"{file.name}, line {line}, cannot be loaded: {cause}. Nothing was changed."
    return None


@contextmanager
def op_replaced(module: ModuleType, operations: Operations) -> Iterator[None]:
    """Let the file of a step use `operations` as its `op`."""
    # Alembic's own way to replace `op` is global to the process. This replaces it in one module only, which no other
    # thread uses: each ScriptDirectory loads its files itself.
    names = [name for name, value in vars(module).items() if value is alembic.op]
    for name in names:
        setattr(module, name, operations)
    try:
        yield
    finally:
        for name in names:
            setattr(module, name, alembic.op)
