"""The terminal door: `flask` commands for operators, grouped as people look for them."""

from flask import Flask

from agents_app.cli.accounts import accounts
from agents_app.cli.agents import agents
from agents_app.cli.demo import demo
from agents_app.cli.prepare import prepare
from agents_app.cli.serve import serve
from agents_app.cli.tokens import tokens


def init_app(app: Flask) -> None:
    """Register every command."""
    for command in (prepare, serve, accounts, tokens, agents, demo):
        app.cli.add_command(command)
