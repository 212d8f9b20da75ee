"""`flask serve`: checks everything that can be checked, then serves with granian until it is told to stop."""

import errno
import socket

import click
from flask import current_app
from flask.cli import with_appcontext

from agents_app import __version__
from agents_app.cli.console import ConsoleCommand, base_url, require_keys, say, schema_behind, warn
from agents_app.cli.server import server
from agents_app.config import settings
from agents_app.db import db
from agents_app.errors import ConfigurationError, Unavailable
from agents_app.operations import accounts, health, keys


@click.command(cls=ConsoleCommand)
@with_appcontext
def serve() -> None:
    """Serve pages and API where BIND says, until Ctrl-C or SIGTERM.

    What is being answered then is finished first. A worker that dies is replaced.
    """
    found = settings()
    require_keys()
    check_address(*found.bind)
    is_empty = check_database()
    for line in welcome(is_empty=is_empty):
        click.echo(line)
    # Only this command needs it: under the others the app does without keys.
    current_app.secret_key = found.keys.secret_key
    db.forget_connections()
    server(found).serve()


def check_address(host: str, port: int) -> None:
    """Raise ConfigurationError where the server could not listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(f"Port {port} is in use already. Stop what uses it, or set BIND.") from None
        raise ConfigurationError(f"BIND cannot be used: {error.strerror}.") from None


def check_database() -> bool:
    """Whether there is no account yet. A database that is away is only told: it may come back while we serve.

    Raises Unavailable where the schema is behind the code.
    """
    try:
        state = health.schema()
        if state.pending:
            raise schema_behind()
        wrong_key = keys.wrong()
        is_empty = accounts.is_empty()
    except Unavailable as refusal:
        if refusal.code == "schema_behind":
            raise
        warn(refusal)
        return False
    if state.is_ahead:
        say("Warning: the database was migrated by a newer release.")
    if wrong_key:
        say(f"Warning: {wrong_key}")
    return is_empty


def welcome(*, is_empty: bool) -> list[str]:
    """What a person at the terminal needs to know."""
    lines = [f"Agent Console {__version__}: {base_url()} (Ctrl-C stops it)"]
    if is_empty:
        lines.append("There is no account yet. Open the address above to make the first one.")
        code = accounts.setup_code()
        lines += [f"Set-up code: {code}"] if code else []
    return lines
