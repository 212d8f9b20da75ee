"""What commands print: results on standard output, messages and errors for people on standard error."""

import codecs
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import click
import orjson

from agents_app.errors import ConsoleError, InvalidInput

Item = TypeVar("Item")

# Stored text must not send control sequences to the reader's terminal. Line ends and tabs are kept.
CONTROL_CHARACTERS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")
# The control characters that JSON does not escape.
JSON_ESCAPES = {code: f"\\u{code:04x}" for code in range(127, 160)}
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def print_message(text: str) -> None:
    """Print a line for a person, on standard error. Standard output is for results."""
    click.echo(text.translate(CONTROL_CHARACTERS), err=True)


def print_outcome(done: str, unchanged: str, *, is_changed: bool) -> None:
    """Print that something was done, or that nothing was changed and why."""
    print_message(done if is_changed else f"Nothing was changed: {unchanged}.")


def print_warning(error: ConsoleError) -> None:
    """Print an error that does not end the command."""
    for line in [f"Warning: {error}", *_driver_lines(error)]:
        print_message(line)


def error_lines(error: Exception, labels: Mapping[str, str]) -> list[str]:
    """The lines to print for an error: its sentence, then each invalid field, or the message of the database driver.

    `labels` has the names of fields that are printed differently.
    """
    if not isinstance(error, InvalidInput):
        return [f"Error: {error}", *_driver_lines(error)]
    fields = [(pointer[1:].replace("/", "."), sentence) for pointer, sentence in error.fields]
    lines = [f"  {labels.get(name, name)}: {sentence}" if name else f"  {sentence}" for name, sentence in fields]
    return [f"Error: {error.detail}", *lines]


def print_lines(lines: Iterable[str]) -> None:
    """Print lines of a result, on standard output."""
    for line in lines:
        click.echo(line.translate(CONTROL_CHARACTERS))


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode().translate(JSON_ESCAPES)
    if codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8":
        text = NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    click.echo(text)


def print_listing(
    found: Sequence[Item], headings: Sequence[str], row: Callable[[Item], Sequence[object]], *, as_json: bool
) -> None:
    """Print a list as JSON, or as a table with a `row` for each item."""
    if as_json:
        print_json({"items": found})
    else:
        print_table(headings, map(row, found))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a line of headings and the rows, in aligned columns."""
    table = [list(headings), *([cell_text(value) for value in row] for row in rows)]
    widths = [max(_width(row[at]) for row in table) for at in range(len(headings))]
    for row in table:
        cells = [text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def print_record(record: Mapping[str, object]) -> None:
    """Print one line per field. Further lines of a value are indented."""
    width = max(len(name) for name in record)
    for name, value in record.items():
        first, *more = cell_text(value).split("\n")
        click.echo(f"{name.ljust(width)}  {first}".rstrip())
        for line in more:
            click.echo(f"{' ' * width}  {line}".rstrip())


def _driver_lines(error: Exception) -> list[str]:
    # Operators need the driver's message, such as a failed login. Pages and the API never show it.
    message = str(getattr(error.__cause__, "orig", None) or "").strip().splitlines()
    return [f"  {message[0]}"] if message else []


def cell_text(value: object) -> str:
    """The text of a value in a table or a record."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        value = [f"{name}={text}" for name, text in value.items()]
    text = (", ".join(map(str, value)) or "-") if isinstance(value, list) else str(value)
    return text.translate(CONTROL_CHARACTERS)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)
