"""Prints progress on standard error, so that standard output has only the result of a command."""

import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from agents_app.wording import number_text

# So many names are shown, and the others counted.
NAMED = 5
SECONDS = re.compile(r"for [\d?]+ s\b")


def print_progress(text: str) -> None:
    """Print one line of progress for the person at the terminal."""
    click.echo(text, err=True)


def pluralize(number: int, noun: str) -> str:
    """A number with its noun: `1 row`, `2 rows`."""
    return f"{number_text(number)} {noun}" if number == 1 else f"{number_text(number)} {noun}s"


def first_names(names: list[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


@dataclass
class WaitingLines:
    """Prints each line about waiting once, and at the end of the block how often there was something to wait for.

    Lines that differ only in their seconds are equal.
    """

    said: set[str] = field(default_factory=set)
    count: int = 0

    def add(self, text: str) -> None:
        """Print the text, unless it was printed before."""
        self.count += 1
        key = SECONDS.sub("", text)
        if key not in self.said:
            print_progress(text)
        self.said.add(key)

    def __enter__(self) -> "WaitingLines":
        return self

    def __exit__(self, *_error: object) -> None:
        if self.count > len(self.said):
            print_progress(f"Waited {pluralize(self.count, 'time')} in all.")


@contextmanager
def progress_bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """Draw a progress bar on a terminal, and nothing otherwise. The block advances it with the given function."""
    file = sys.stderr if sys.stderr.isatty() else io.StringIO()
    with click.progressbar(length=length, label=label, file=file) as bar:
        yield bar.update
