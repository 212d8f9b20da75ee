"""Prints progress on standard error, so that standard output has only the result of a command."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from agents_app.wording import number_text


def print_progress(text: str) -> None:
    """Print one line of progress for the person at the terminal."""
    click.echo(text, err=True)


def pluralize(number: int, noun: str) -> str:
    """A number with its noun: `1 row`, `2 rows`."""
    return f"{number_text(number)} {noun}" if number == 1 else f"{number_text(number)} {noun}s"


def display_path(path: Path) -> str:
    """A path as the person would type it in the current folder."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


@contextmanager
def progress_bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """Draw a progress bar on a terminal, and nothing otherwise. The block advances it with the given function."""
    file = sys.stderr if sys.stderr.isatty() else io.StringIO()
    with click.progressbar(length=length, label=label, file=file) as bar:
        yield bar.update
