"""The commands `flask db ...`: those of Flask-Migrate with our options, and our own."""

import copy
import logging
from typing import Any, cast

import click
from flask import Flask, g
from flask_migrate import Migrate

from agents_app.db import db
from agents_app.dbtools.commands import backup, deploy, status_and_plan
from agents_app.dbtools.configuration import BACKUPS, SETTINGS, console_url, migration_url
from agents_app.dbtools.output import print_progress
from agents_app.paths import ROOT


def init_app(app: Flask) -> None:
    """Give the app the commands `flask db ...`, for the database in its configuration."""
    # It is written into a file of settings, where a % begins the name of another one.
    migrate = Migrate(directory=str(ROOT / "migrations").replace("%", "%%"))

    @migrate.configure
    def _configure(config: Any) -> Any:
        config.toml_file_name = str(SETTINGS)
        config.attributes["database_url"] = migration_url(app)
        config.attributes["console_url"] = console_url(app)
        config.attributes["backup_folder"] = app.config.get("BACKUP_FOLDER", BACKUPS)
        return config

    migrate.init_app(app, db)
    app.cli.add_command(_with_details(app.cli.commands["db"]))
    _print_refusals()


def _with_details(stock: click.Command) -> click.Group:
    # The stock group is one object for all apps of a process; ours is a copy.
    group = copy.copy(cast(click.Group, stock))
    group.commands = dict(group.commands)
    for name in ("upgrade", "downgrade"):
        command = copy.copy(group.commands[name])
        command.params = [*command.params, VERBOSE, NO_BACKUP]
        # `downgrade -1` names a revision, not an option.
        command.context_settings = {"ignore_unknown_options": True}
        group.commands[name] = command
    for own in (*backup.COMMANDS, *status_and_plan.COMMANDS, *deploy.COMMANDS):
        group.add_command(own)
    return group


def _ask_for_no_backup(_context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        g.x_arg = (*g.x_arg, "no_backup=1")


def _ask_for_details(_context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        g.x_arg = (*g.x_arg, "verbose=1")


VERBOSE = click.Option(
    ["-v", "--verbose"],
    is_flag=True,
    expose_value=False,
    callback=_ask_for_details,
    help="Show each statement and the time of each step.",
)

NO_BACKUP = click.Option(
    ["--no-backup"],
    is_flag=True,
    expose_value=False,
    callback=_ask_for_no_backup,
    help="Do not save the rows of what a step drops.",
)


class _Terminal(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print_progress(record.getMessage())


def _print_refusals() -> None:
    # Flask-Migrate logs its errors; at a terminal they are plain lines, whatever format the console logs in.
    logger = logging.getLogger("flask_migrate")
    logger.handlers, logger.propagate = [_Terminal()], False
