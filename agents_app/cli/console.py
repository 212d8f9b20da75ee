"""What all commands share: how they refuse, print, and find out who acts. Options live in `options.py`."""

import codecs
import getpass
import json
import os
import re
import shlex
import shutil
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson
from alembic.util import CommandError
from flask.cli import AppGroup

from agents_app.config import settings
from agents_app.errors import ConsoleError, InvalidInput, Unavailable
from agents_app.operations import accounts
from agents_app.operations.permissions import Actor
from agents_app.paths import ROOT

Function = TypeVar("Function", bound=Callable[..., Any])
Item = TypeVar("Item")

# What people write into an agent must be no command to the terminal of whoever reads it; line ends and tabs may stay.
CONTROL = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")
# JSON writes those below the space as escapes anyhow.
ESCAPED = {code: f"\\u{code:04x}" for code in range(127, 160)}
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


class ConsoleCommand(click.Command):
    """A command whose refusals are plain lines on standard error, with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; the one place where a refusal becomes lines of text."""
        try:
            return super().invoke(ctx)
        except (ConsoleError, CommandError) as refusal:
            for line in refusal_lines(refusal, _spellings(self)):
                say(line)
            ctx.exit(1)


class ConsoleGroup(AppGroup):
    """A group of such commands."""

    command_class = ConsoleCommand


def refusal_lines(refusal: ConsoleError | CommandError, spellings: Mapping[str, str]) -> list[str]:
    """A refusal in words: its sentence, and below it each wrong field with its own, or what the database said.

    A field is called as `spellings` says, else by its own name.
    """
    if not isinstance(refusal, InvalidInput):
        return [f"Error: {refusal}", *_driver_lines(refusal)]
    fields = [(pointer[1:].replace("/", "."), sentence) for pointer, sentence in refusal.fields]
    lines = [f"  {spellings.get(name, name)}: {sentence}" if name else f"  {sentence}" for name, sentence in fields]
    return [f"Error: {refusal.detail}", *lines]


def warn(refusal: ConsoleError) -> None:
    """Tell a refusal that does not end the command."""
    for line in [f"Warning: {refusal}", *_driver_lines(refusal)]:
        say(line)


def schema_behind() -> Unavailable:
    """The refusal to work on a database that is behind, with the command as it can be typed here.

    `make run` needs no `flask` that the shell finds; then it is named by its path below the project's root. In another
    folder `flask` must be given the app.
    """
    ours = Path(sys.executable).with_name("flask")
    is_at_root = Path.cwd() == ROOT
    is_by_path = shutil.which("flask") != str(ours) and ours.is_relative_to(ROOT)
    flask = str(ours.relative_to(ROOT) if is_at_root else ours) if is_by_path else "flask"
    words = [flask, *([] if is_at_root else ["--app", str(ROOT / "wsgi.py")]), "db", "deploy"]
    return Unavailable(f"The database schema is behind the program. Run: {shlex.join(words)}", code="schema_behind")


def say(text: str) -> None:
    """Tell a person something. What a program would read goes to standard output instead."""
    click.echo(text.translate(CONTROL), err=True)


def say_done(done: str, already: str, *, is_changed: bool) -> None:
    """Say that an act was done, or that nothing was changed and why not."""
    say(done if is_changed else f"Nothing was changed: {already}.")


def ask_hidden(title: str, instead: str, *, twice: bool = False) -> str:
    """What a person types unseen. Raises UsageError, which says what to do instead, where that cannot be."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            typed: str = click.prompt(title, hide_input=True, confirmation_prompt=twice, err=True)
        except getpass.GetPassWarning:
            raise click.UsageError(f"There is no terminal here to type it hidden. {instead}") from None
    return typed


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode().translate(ESCAPED)
    if codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8":
        text = NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    click.echo(text)


def print_listing(
    found: Sequence[Item], headings: Sequence[str], row: Callable[[Item], Sequence[object]], *, as_json: bool
) -> None:
    """Print all that was found: to a program as it is, to a person as a table with a `row` for each."""
    if as_json:
        print_json({"items": found})
    else:
        print_table(headings, map(row, found))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns as wide as they need, with a line of headings."""
    table = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(_width(row[at]) for row in table) for at in range(len(headings))]
    for row in table:
        cells = [text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def print_record(record: Mapping[str, object]) -> None:
    """Print one thing, a line a field; further lines of a value are indented."""
    width = max(len(name) for name in record)
    for name, value in record.items():
        first, *more = _cell(value).split("\n")
        click.echo(f"{name.ljust(width)}  {first}".rstrip())
        for line in more:
            click.echo(f"{' ' * width}  {line}".rstrip())


def acting(account: str | None) -> Actor:
    """Who the person at the terminal is: an admin of the account, called after the operating-system user.

    Raises ConfigurationError without usable keys, and NotFound where `account` does not say which one.
    """
    require_keys()
    return accounts.terminal_actor(operator(), account)


def require_keys() -> None:
    """Raise ConfigurationError, naming the setting, unless every key is set and strong."""
    _ = settings().keys


def base_url() -> str:
    """Where people find the console in a browser."""
    return settings().base_url


def operator() -> str:
    """What the person at the terminal is called in the record of who did what."""
    try:
        # The name comes from the environment, which may hold any bytes.
        return getpass.getuser().encode(errors="replace").decode()
    except (OSError, KeyError):
        # In a container the user often has a number and no name.
        return f"user {os.getuid()}"


def account_option(command: Function) -> Function:
    """The option that says in which account a command acts."""
    text = "Name or id of the account, where there is more than one."
    return click.option("--account", metavar="NAME", help=text)(command)


def json_option(command: Function) -> Function:
    """The option that asks for JSON instead of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def _spellings(command: click.Command) -> dict[str, str]:
    """The fields that the command's options call by another word."""
    words = {option.name: option.opts[0].lstrip("-") for option in command.params if option.name}
    return {name: word for name, word in words.items() if word != name.replace("_", "-")}


def _driver_lines(refusal: Exception) -> list[str]:
    # Operators need the driver's words, such as a refused login; they are in no page and in no answer of the API.
    said = str(getattr(refusal.__cause__, "orig", None) or "").strip().splitlines()
    return [f"  {said[0]}"] if said else []


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return str(value).lower()
    text = (", ".join(map(str, value)) or "-") if isinstance(value, list) else str(value)
    return text.translate(CONTROL)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)
