"""What all commands share: command classes that print an error as lines, and the options --account and --json."""

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.exceptions import Exit
from flask.cli import AppGroup

from agents_app.cli.output import error_lines, print_json, print_message
from agents_app.cli.standard_output import OutputFailed
from agents_app.dbtools.branches import TWO_HEADS
from agents_app.dbtools.position import Position
from agents_app.errors import ConsoleError, Unavailable
from agents_app.paths import COMMAND, IS_CHECKOUT, ROOT

FLASK = re.compile(r"\bflask\b")

Function = TypeVar("Function", bound=Callable[..., Any])


class ConsoleCommand(click.Command):
    """A command that prints an error as plain lines on standard error and ends with exit code 1.

    With --json, the error is also printed as JSON, as `flask db` does.
    """

    error_exit_code = 1
    usage_exit_code = click.UsageError.exit_code

    def __init__(self, *words: Any, **named: Any) -> None:
        # The help is a docstring, which says `flask`.
        named["help"] = FLASK.sub(COMMAND, named.get("help") or "") or None
        super().__init__(*words, **named)

    def make_context(self, *words: Any, **named: Any) -> click.Context:
        """Read the options and arguments."""
        with self._own_exit_codes():
            return super().make_context(*words, **named)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and print the error that it raises."""
        with self._own_exit_codes():
            try:
                return super().invoke(ctx)
            except Exception as error:
                if not _is_sentence(error):
                    raise
                self._print_error(error, as_json=bool(ctx.params.get("as_json")))
                ctx.exit(self.error_exit_code)

    def _print_error(self, error: Exception, *, as_json: bool) -> None:
        options = {option.name: option.opts[0].lstrip("-") for option in self.params if option.name}
        renamed = {name: option for name, option in options.items() if option != name.replace("_", "-")}
        lines = error_lines(error, renamed)
        # First, because standard output may not be writable.
        for line in lines:
            print_message(line)
        if as_json:
            print_json({"error": " ".join(map(str.strip, lines)).removeprefix("Error: ")})

    @contextmanager
    def _own_exit_codes(self) -> Iterator[None]:
        try:
            yield
        except (click.UsageError, OutputFailed) as error:
            error.show()
            is_usage = isinstance(error, click.UsageError)
            raise Exit(self.usage_exit_code if is_usage else self.error_exit_code) from error


def _is_sentence(error: Exception) -> bool:
    # An error of Alembic exists only where Alembic was imported.
    alembic = sys.modules.get("alembic.util")
    return isinstance(error, ConsoleError) or bool(alembic and isinstance(error, alembic.CommandError))


class PlanCommand(ConsoleCommand):
    """A command for which exit code 2 means that something would change. Wrong usage is an error like others."""

    usage_exit_code = ConsoleCommand.error_exit_code


class MonitorCommand(ConsoleCommand):
    """A command for a monitor: exit code 1 means that it found something, and an error has a code of its own."""

    error_exit_code = 3


class ConsoleGroup(AppGroup):
    """A group of such commands."""

    command_class = ConsoleCommand


def account_option(command: Function) -> Function:
    """Add the option --account: the account in which a command acts."""
    text = "Name or id of the account. Required if there are several accounts."
    return click.option("--account", metavar="NAME", help=text)(command)


def json_option(command: Function) -> Function:
    """Add the option --json, which prints JSON instead of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def schema_behind_error(position: Position) -> Unavailable:
    """The error for a database schema that is behind, with the command to type in the current folder.

    With several last steps that command is `status`, which shows the files: nothing can be applied.
    """
    is_clear = len(position.heads) == 1
    words = [*(_flask() if IS_CHECKOUT else _installed_command()), "db", "deploy" if is_clear else "status"]
    what = "The database schema is behind the program."
    if not is_clear:
        what = f"{TWO_HEADS} The last ones are {' and '.join(position.heads)}; only one is allowed."
    return Unavailable(f"{what} Run: {shlex.join(words)}", code="schema_behind")


def _flask() -> list[str]:
    """The `flask` of this checkout, with its path if the shell does not find it (after `make run`).

    In another folder than the project's root, it has the option --app.
    """
    ours = Path(sys.executable).with_name("flask")
    is_at_root = Path.cwd() == ROOT
    is_by_path = shutil.which("flask") != str(ours) and ours.is_relative_to(ROOT)
    flask = str(ours.relative_to(ROOT) if is_at_root else ours) if is_by_path else "flask"
    return [flask] if is_at_root else [flask, "--app", str(ROOT / "wsgi.py")]


def _installed_command() -> list[str]:
    """The command of this installation, with its path if the shell does not find it."""
    ours = Path(sys.executable).with_name(COMMAND)
    found = shutil.which(COMMAND)
    is_found = found is not None and Path(found).resolve() == ours.resolve()
    return [COMMAND if is_found or not ours.exists() else str(ours)]
