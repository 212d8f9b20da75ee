"""The command `flask` that `make setup` installs: Flask's own, with the console's version and exit codes.

It is run as a file, without the project on the path: `flask` finds the project in the current folder or by `--app`.
"""

import errno
import os
import platform
import runpy
import sys
from importlib import metadata
from pathlib import Path

import click
from flask.cli import FlaskGroup

HELP = """Commands of Agent Console.

They find the console in the current folder. In another folder, add --app with the path of its wsgi.py.
"""
PLAN = ["agents", "plan"]
# As in `cli/standard_output.py`, which writes it for every command that loads the console. --version does not.
CANNOT_BE_WRITTEN = "The output cannot be written: {cause}."


class Commands(FlaskGroup):
    """Flask's group of commands, for which a plan of agents that cannot begin has the exit code of an error."""

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


def main() -> None:
    """Run the command that was typed."""
    version = click.Option(
        ["--version"],
        help="Show the versions of Agent Console, Flask and Python.",
        expose_value=False,
        callback=print_versions,
        is_flag=True,
        is_eager=True,
    )
    Commands(name="flask", help=HELP, params=[version], add_version_option=False).main(prog_name="flask")


if __name__ == "__main__":
    main()
