"""The terminal door: the `flask` commands for operators. Each is imported when it is typed."""

from importlib import import_module

import click
from flask import Flask
from flask.cli import AppGroup

from agents_app import dbtools

# The module of each command. `agents` is the module that names all commands of its group.
MODULES = {
    "accounts": "accounts",
    "activity": "events",
    "agents": "all_of_agents",
    "demo": "demo",
    "doctor": "doctor",
    "events": "events",
    "prepare": "prepare",
    "purge": "purge",
    "secrets": "secrets",
    "serve": "serve",
    "tokens": "tokens",
    "users": "users",
}
MIGRATIONS = "db"


class Commands(AppGroup):
    """The commands of an app, which are imported when they are used."""

    def __init__(self, app: Flask) -> None:
        super().__init__(name=app.name)
        self._app = app

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted({*MODULES, MIGRATIONS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name == MIGRATIONS and cmd_name not in self.commands:
            dbtools.init_app(self._app)
        elif cmd_name in MODULES:
            module = import_module(f"{__name__}.{MODULES[cmd_name]}")
            self.commands[cmd_name] = getattr(module, cmd_name)
        return super().get_command(ctx, cmd_name)


def init_app(app: Flask) -> None:
    """Give the app its commands."""
    app.cli = Commands(app)
