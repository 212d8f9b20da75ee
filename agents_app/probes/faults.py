"""Says where an exception was raised. Its text is never used, because it may contain a password or text of a server."""

import traceback
from pathlib import Path

from agents_app.paths import PACKAGE

UNREADABLE = (ArithmeticError, AttributeError, LookupError, SystemError, TypeError, ValueError)
"""What a driver raises for values of a server that it cannot read, such as a text that is not UTF-8."""


def place(error: BaseException) -> str:
    """Where an exception was raised, and its class."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {type(error).__name__}"


def own_fault(error: BaseException) -> dict[str, str]:
    """The fact `fault`, if an exception was raised in a file of this project. A server can be the cause too."""
    file = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return {"fault": place(error)} if file.is_relative_to(PACKAGE) else {}
