"""The folders of the program and of its data, and the command that people type."""

import os
import stat
from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# The folder that Python imports the package from: the root of a checkout, or `site-packages`.
ROOT = PACKAGE.parent
# The wheel has these files inside the package. A checkout has them at its root.
IN_WHEEL = PACKAGE / "files"
IS_CHECKOUT = not IN_WHEEL.is_dir()
# The folder of migrations, templates, static files, the settings of Alembic and the locked requirements.
FILES = ROOT if IS_CHECKOUT else IN_WHEEL
STATIC = FILES / "static"
COMMAND = "flask" if IS_CHECKOUT else "agent-console"
# Not a setting of `.env`, because it says where `.env` is.
HOME_VARIABLE = "AGENT_CONSOLE_HOME"
REMOVED = "/nonexistent"


def _home() -> Path:
    given = os.environ.get(HOME_VARIABLE, "").strip()
    if not given and IS_CHECKOUT:
        return ROOT
    try:
        # `expanduser` of Path raises an error for a user who does not exist.
        return Path(os.path.expanduser(given)).absolute()  # noqa: PTH111
    except FileNotFoundError:
        # The current folder was removed.
        return Path(os.environ.get("PWD") or REMOVED)


# The folder of `.env`, the SQLite database and backups. Relative paths in settings start here.
HOME = _home()


def home_problem() -> str | None:
    """What is wrong with HOME, in a sentence. None if it is a folder, or if that cannot be known."""
    try:
        if stat.S_ISDIR(HOME.stat().st_mode):
            return None
        what = "is not a folder"
    except (FileNotFoundError, NotADirectoryError):
        what = "does not exist"
    except OSError:
        # Reading `.env` reports the cause.
        return None
    if os.environ.get(HOME_VARIABLE, "").strip():
        return f"{HOME_VARIABLE} names {HOME}, which {what}."
    return f"The current folder {what} any more. Change to another one, or set {HOME_VARIABLE}."


def display_path(path: Path) -> str:
    """A path as the person would type it in the current folder."""
    with suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
