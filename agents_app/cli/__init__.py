"""The terminal door: the `flask` commands for operators."""

from flask import Flask

from agents_app.cli import agent_files, agent_versions, bulk_agents, connection_tests, readers
from agents_app.cli.accounts import accounts
from agents_app.cli.demo import demo
from agents_app.cli.doctor import doctor
from agents_app.cli.events import activity, events
from agents_app.cli.prepare import prepare
from agents_app.cli.purge import purge
from agents_app.cli.secrets import secrets
from agents_app.cli.serve import serve
from agents_app.cli.tokens import tokens
from agents_app.cli.users import users


def init_app(app: Flask) -> None:
    """Register every command."""
    for command in (prepare, serve, doctor, accounts, users, tokens, events, activity, secrets, purge, demo):
        app.cli.add_command(command)
    # These modules add commands to the group `agents`.
    for module in (agent_files, agent_versions, bulk_agents, connection_tests, readers):
        app.cli.add_command(module.agents)
