"""Reads the secrets that a file of agents names: `env:NAME` and `file:PATH`, as the person who types the command.

A sentence never repeats what was read.
"""

import os
from collections.abc import Callable
from pathlib import Path

from agents_app.file_errors import cause_of
from agents_app.values.fields import is_empty
from agents_app.wording import number_text

# More than any secret has.
BYTES_MAX = 100_000


def reader(folder: Path) -> Callable[[str], str]:
    """A function that reads one reference. A relative path begins in `folder`. It raises ValueError with a sentence."""

    def read(reference: str) -> str:
        kind, _, name = reference.partition(":")
        if not name.strip():
            raise ValueError("Write the name after the colon, such as env:SALES_PASSWORD or file:secrets/sales.txt.")
        return _of_variable(name) if kind == "env" else _of_file(_path(folder, name), name)

    return read


def _path(folder: Path, name: str) -> Path:
    try:
        return folder / Path(name).expanduser()
    except RuntimeError:
        raise ValueError(
            f"{name} begins with ~ and a user name that does not exist on this machine. Write the whole path, or ./ "
            + "before a name that begins with ~."
        ) from None


def _of_variable(name: str) -> str:
    try:
        found = os.environ.get(name)
    except UnicodeEncodeError:
        raise ValueError("The name of the variable has a character that the terminal cannot encode.") from None
    if found is None:
        raise ValueError(f"The variable {name} is not set. Set it in the shell in which you type the command.")
    if is_empty(found):
        raise ValueError(f"The variable {name} is empty.")
    if any("\ud800" <= char <= "\udfff" for char in found):
        raise ValueError(f"The variable {name} is not valid text in the encoding of the terminal.")
    return found


def _of_file(path: Path, name: str) -> str:
    try:
        if path.is_dir():
            raise ValueError(f"{name} is a folder. Write the path of a file.")
        if not path.is_file():
            raise ValueError(f"There is no file {name}. A relative path begins in the folder of the file of agents.")
        with path.open("rb") as file:
            found = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise ValueError(f"The file {name} cannot be read: {cause_of(error)}.") from None
    if len(found) > BYTES_MAX:
        raise ValueError(
            f"The file {name} is too large for a secret. Use at most {number_text(BYTES_MAX // 1_000)} kB."
        )
    try:
        # An editor or `echo` ends the last line.
        text = found.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"The file {name} is not in UTF-8.") from None
    if is_empty(text):
        raise ValueError(f"The file {name} is empty.")
    return text
