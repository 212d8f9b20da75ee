"""The command `flask` that `make setup` installs: Flask's own, but `--version` also says the version of the console.

It is run as a file, without the project on the path: `flask` finds the project in the current folder or by `--app`.
"""

import platform
import runpy
from importlib import metadata
from pathlib import Path

import click
from flask.cli import FlaskGroup

HELP = """Commands of Agent Console.

They find the console in the current folder. In another folder, add --app with the path of its wsgi.py.
"""


def print_versions(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    """Print the versions of the console, Flask and Python, and end the command."""
    if not is_asked or context.resilient_parsing:
        return
    console = runpy.run_path(str(Path(__file__).with_name("__init__.py")))["__version__"]
    click.echo(f"Agent Console {console}\nFlask {metadata.version('flask')}\nPython {platform.python_version()}")
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
    FlaskGroup(name="flask", help=HELP, params=[version], add_version_option=False).main(prog_name="flask")


if __name__ == "__main__":
    main()
