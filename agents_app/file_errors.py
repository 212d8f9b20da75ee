"""Whether a file is there, and why a file that a person named cannot be used, for a sentence of a command."""

import os
import pwd
from pathlib import Path

from agents_app.paths import HOME


def is_missing(file: Path) -> bool:
    """Whether there is no such file. False if that cannot be known."""
    try:
        file.lstat()
    except OSError as error:
        # Reading the file reports every other error.
        return isinstance(error, FileNotFoundError)
    return False


def cause_of(error: OSError) -> str:
    """The cause, without a full stop. Names the user who was refused: root types commands that another user runs."""
    cause = os.strerror(error.errno or 0)
    if not isinstance(error, PermissionError):
        return cause
    where = f", who can write to {HOME}" if os.access(HOME, os.W_OK | os.X_OK) else ""
    return f"{cause}. This command runs as the user {_user()}{where}"


def _user() -> str:
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        # A container can run as a number that has no name.
        return str(number)
