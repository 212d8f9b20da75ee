"""The command group `flask db`: Flask-Migrate's commands with more options, and the console's own commands."""

import copy
import logging
import sys
from typing import Any, cast

import click
from flask import Flask, g
from flask_migrate import Migrate

from agents_app.database.migration_limits import Limits
from agents_app.db import db
from agents_app.dbtools.commands import backup, copying, deploy, deployments, status_and_plan
from agents_app.dbtools.commands.limit_options import LIMIT_OPTIONS
from agents_app.dbtools.commands.revision import with_before
from agents_app.dbtools.configuration import BACKUPS, SETTINGS, console_url, migration_url
from agents_app.dbtools.marks import load_failure
from agents_app.dbtools.output import print_progress
from agents_app.paths import FILES, IS_CHECKOUT

# Flask-Migrate's commands that write files of steps.
WRITE_STEPS = ("init", "revision", "migrate", "edit", "merge")
OF_THE_RELEASE = (
    "The steps of this console belong to its release, so none is written here. In a checkout of the project, use: "
    + "flask db {name}"
)


def init_app(app: Flask) -> None:
    """Add the commands `flask db` to the app, for the database in its configuration."""
    # The path goes into a configuration file, where % begins a variable.
    migrate = Migrate(directory=str(FILES / "migrations").replace("%", "%%"))

    @migrate.configure
    def _configure(config: Any) -> Any:
        config.toml_file_name = str(SETTINGS)
        # Alembic keeps the stream that the process began with.
        config.stdout = sys.stdout
        config.attributes["database_url"] = migration_url(app)
        config.attributes["console_url"] = console_url(app)
        config.attributes["limits"] = app.config.get("MIGRATION_LIMITS", Limits())
        config.attributes["backup_folder"] = app.config.get("BACKUP_FOLDER", BACKUPS)
        return config

    migrate.init_app(app, db)
    app.cli.add_command(_extended_group(app.cli.commands["db"]))
    # Flask-Migrate logs its errors. Print them as plain lines, independent of the console's log format.
    logger = logging.getLogger("flask_migrate")
    logger.handlers, logger.propagate = [_ProgressHandler()], False


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A step whose file cannot be loaded is one line, at every command that reads the steps."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if failure := load_failure(error):
                raise click.ClickException(failure) from error
            raise


def _extended_group(original: click.Command) -> click.Group:
    # All apps of a process share the original group, so it must not change.
    known = cast(click.Group, original)
    group = _Group(known.name, dict(known.commands), callback=known.callback, params=known.params, help=known.help)
    for name in ("upgrade", "downgrade"):
        extended = copy.copy(group.commands[name])
        extended.params = [*extended.params, VERBOSE, NO_BACKUP, *LIMIT_OPTIONS]
        # The -1 in `downgrade -1` is a revision, not an option.
        extended.context_settings = {"ignore_unknown_options": True}
        group.commands[name] = extended
    group.commands["revision"] = with_before(group.commands["revision"])
    for module in (backup, copying, status_and_plan, deploy, deployments):
        for command in module.COMMANDS:
            group.add_command(command)
    if not IS_CHECKOUT:
        for name in WRITE_STEPS:
            group.commands[name] = _refused(group.commands[name])
    return group


def _refused(original: click.Command) -> click.Command:
    def refuse(**_values: object) -> None:
        raise click.ClickException(OF_THE_RELEASE.format(name=original.name))

    refused = copy.copy(original)
    refused.callback, refused.hidden = refuse, True
    return refused


def _set_no_backup(_context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        g.x_arg = (*g.x_arg, "no_backup=1")


def _set_verbose(_context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        g.x_arg = (*g.x_arg, "verbose=1")


VERBOSE = click.Option(
    ["-v", "--verbose"],
    is_flag=True,
    expose_value=False,
    callback=_set_verbose,
    help="Print each SQL statement and the time of each step.",
)

NO_BACKUP = click.Option(
    ["--no-backup"],
    is_flag=True,
    expose_value=False,
    callback=_set_no_backup,
    help="Do not save rows that a step drops.",
)


class _ProgressHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print_progress(record.getMessage())
