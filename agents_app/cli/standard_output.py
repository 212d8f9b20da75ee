"""The standard streams of a command: what happens if they cannot be written, such as on a full disk.

One place for every command, ours and those of packages: the stream itself raises the error with its sentence.
"""

import errno
import io
import os
import sys
from typing import Any, TextIO

import click

from agents_app.db import db
from agents_app.paths import COMMAND

CANNOT_BE_WRITTEN = "The output cannot be written: {cause}."
CHANGES_ARE_STORED = f"What the command changed is stored. To see it: {COMMAND} events list"
STATE_OF_THE_DATABASE = f"To see the state of the database: {COMMAND} db status"
# The group of commands that writes to the database on a way of its own.
MIGRATIONS = "db"


class OutputFailed(click.ClickException):
    """The result of a command cannot be written. `click` prints the sentence and ends the command."""

    def __init__(self, cause: str, group: str | None) -> None:
        # A person must not take the error for a sign that nothing was changed.
        advice = STATE_OF_THE_DATABASE if group == MIGRATIONS else CHANGES_ARE_STORED if db.has_committed else ""
        super().__init__(f"{CANNOT_BE_WRITTEN.format(cause=cause)} {advice}".rstrip())

    def show(self, file: Any = None) -> None:
        """Print the sentence. What is still to be written on standard output is dropped."""
        if isinstance(raw := _raw(sys.stdout), _Results):
            raw.is_broken = True
        super().show(file)


def report_failures() -> None:
    """Let standard output raise OutputFailed if it cannot be written, and drop messages that cannot be written.

    Nothing can be printed about a message that cannot be printed, and it must not end what the command does. Changes
    nothing in another program than `flask`.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return
    program = context.find_root()
    sys.stdout = _replaced(sys.stdout, sys.__stdout__, _Results)
    sys.stderr = _replaced(sys.stderr, sys.__stderr__, _Messages)
    # Not every package flushes what it prints.
    program.call_on_close(lambda: sys.stdout and sys.stdout.flush())
    if isinstance(raw := _raw(sys.stdout), _Results):
        raw.program = program


class _Results(io.FileIO):
    is_broken = False
    program: click.Context | None = None

    def write(self, data: Any) -> int:
        if self.is_broken:
            return len(memoryview(data))
        try:
            return super().write(data)
        except OSError as error:
            # `click` ends a command whose reader has gone.
            if error.errno == errno.EPIPE:
                raise
            group = self.program.invoked_subcommand if self.program else None
            raise OutputFailed(os.strerror(error.errno or 0), group) from error


class _Messages(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            return len(memoryview(data))


def _raw(stream: TextIO | None) -> object:
    return getattr(getattr(stream, "buffer", None), "raw", None)


def _replaced(stream: TextIO, original: TextIO | None, kind: type[io.FileIO]) -> TextIO:
    # Only the stream of the process itself: a server or a test may have put another one in its place.
    if stream is not original or type(stream) is not io.TextIOWrapper:
        return stream
    stream.flush()
    raw = kind(stream.fileno(), "wb", closefd=False)
    is_by_line = stream.line_buffering or stream.write_through
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, errors=stream.errors, line_buffering=is_by_line
    )
