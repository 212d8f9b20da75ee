"""The files that commands read and write.

--output: a result goes into a file, which is complete if it has its name, or to standard output.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from agents_app.errors import Unavailable
from agents_app.file_errors import cause_of

Function = TypeVar("Function", bound=Callable[..., Any])


class InputFile(click.File):
    """A file that is read, or standard input. Its refusal says who may not read it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IO[Any]:
        """Open the file. Raises BadParameter if it cannot be read."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            if isinstance(error.__context__, PermissionError):
                self.fail(f"'{value}': {cause_of(error.__context__)}.", param, ctx)
            raise


def output_option(command: Function) -> Function:
    """Add the option --output."""
    text = "Write to this file, which only its owner can read. By default, or with -, to standard output."
    return click.option("--output", metavar="FILE", help=text)(command)


def write_file(output: str | None, parts: Iterable[bytes]) -> None:
    """Write all parts to the file, or to standard output if it is None or `-`.

    The file gets its name when it is complete. Raises Unavailable if it cannot be written, and what `parts` raises.
    """
    if output in (None, "-"):
        _write(sys.stdout.buffer, parts)
        sys.stdout.flush()
        return
    path = Path(str(output))
    try:
        # A pipe or a device is written itself: no other file can take its place.
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                _write(file, parts)
        else:
            _replace(path.resolve(), parts)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {cause_of(error)}.", code="output") from error
    except RuntimeError as error:  # of `resolve`
        raise Unavailable(f"{path} is a symbolic link that leads to itself.", code="output") from error


def _replace(path: Path, parts: Iterable[bytes]) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            _write(file, parts)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _write(file: Any, parts: Iterable[bytes]) -> None:
    for part in parts:
        file.write(part)
