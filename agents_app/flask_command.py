"""The command `flask` that `make setup` installs, and `agent-console`: Flask's own, with our version and exit codes.

`flask` runs it as a file, without the project on the path: it finds the project in the current folder or by `--app`.
"""

import errno
import gc
import os
import platform
import runpy
import sys
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from importlib import metadata
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo, load_dotenv

HELP = "Commands of Agent Console."
FIND_BY_FOLDER = """

They find the console in the current folder. In another folder, add --app with the path of its wsgi.py.
"""
PLAN = ["agents", "plan"]
# As in `cli/standard_output.py`, which writes it for every command that loads the console. --version does not.
CANNOT_BE_WRITTEN = "The output cannot be written: {cause}."


def load_env_file(context: click.Context, _option: click.Parameter, path: str | None) -> str | None:
    """Load the file of -e or FLASK_ENV_FILE as Flask does. The console reads it again, and reports what is wrong."""
    with_defaults = context.ensure_object(ScriptInfo).load_dotenv_defaults
    if path is not None or with_defaults:
        with suppress(OSError, UnicodeError):
            load_dotenv(path, load_defaults=with_defaults)
    return path


class Commands(FlaskGroup):
    """Flask's group of commands, for which a plan of agents that cannot begin has the exit code of an error."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        # Flask's own says of a file in a closed folder that it does not exist.
        found = next(one for one in self.params if one.name == "env_file")
        option = copy(found)
        option.type, option.callback = click.Path(), load_env_file
        self.params[self.params.index(found)] = option

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. In another folder than the console's, there is no `flask agents`."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args[:2] != PLAN:
                raise
            error.show()
            # 2 means that something would change.
            raise click.exceptions.Exit(1) from error


def print_versions(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    """Print the versions of the console, Flask and Python, and end the command."""
    if not is_asked or context.resilient_parsing:
        return
    console = runpy.run_path(str(Path(__file__).with_name("__init__.py")))["__version__"]
    versions = f"Agent Console {console}\nFlask {metadata.version('flask')}\nPython {platform.python_version()}"
    try:
        click.echo(versions)
    except OSError as error:
        # `click` ends a command whose reader has gone.
        if error.errno == errno.EPIPE:
            raise
        # Python writes what is left when it ends, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.ClickException(CANNOT_BE_WRITTEN.format(cause=os.strerror(error.errno or 0))) from error
    context.exit()


def run(name: str, create_app: Callable[[], Flask] | None = None) -> None:
    """Run the command that was typed, as the program of this name. Without `create_app`, `flask` finds the app."""
    version = click.Option(
        ["--version"],
        help="Show the versions of Agent Console, Flask and Python.",
        expose_value=False,
        callback=print_versions,
        is_flag=True,
        is_eager=True,
    )
    # To look for garbage while modules are loaded takes a sixth of the start.
    gc.disable()
    text = HELP if create_app else HELP + FIND_BY_FOLDER
    # The console reads `.env` itself, and reports an error in it on one line.
    loads_env = create_app is None
    group = Commands(
        name=name,
        help=text,
        params=[version],
        add_version_option=False,
        create_app=create_app,
        load_dotenv=loads_env,
    )
    group.main(prog_name=name)


if __name__ == "__main__":
    run("flask")
