"""Where progress goes (standard error, so that standard output keeps what was asked for), and words for it."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from agents_app.wording import number_text


def print_progress(text: str) -> None:
    """Tell the person at the terminal one thing."""
    click.echo(text, err=True)


def pluralize(number: int, thing: str) -> str:
    """A number of things: `1 row`, `2 rows`."""
    return f"{number_text(number)} {thing}" if number == 1 else f"{number_text(number)} {thing}s"


def display_path(path: Path) -> str:
    """A path as one would type it here."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


@contextmanager
def progress_bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """Draw a bar that the given function moves on, where somebody looks; nothing elsewhere."""
    file = sys.stderr if sys.stderr.isatty() else io.StringIO()
    with click.progressbar(length=length, label=label, file=file) as bar:
        yield bar.update
