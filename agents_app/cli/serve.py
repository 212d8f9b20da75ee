"""`flask serve`: checks everything that can be checked, then serves until it is told to stop."""

import errno
import socket

import click
from flask.cli import with_appcontext

from agents_app import __version__
from agents_app.cli.console import ConsoleCommand, base_url, require_keys, say, schema_behind, warn
from agents_app.config import settings
from agents_app.db import db
from agents_app.errors import ConfigurationError, Unavailable
from agents_app.operations import accounts, encryption_keys, health
from agents_app.server import supervisor

# What does not pass by itself.
FOR_GOOD = {"schema_behind", "schema_unclear", "database_encoding", "database_forbidden"}


@click.command(cls=ConsoleCommand)
@click.pass_context
@with_appcontext
def serve(context: click.Context) -> None:
    """Serve pages and API where BIND says, until Ctrl-C or SIGTERM.

    What is being answered then is finished first. A worker that dies is replaced.
    """
    found = settings()
    require_keys()
    with bound_socket(*found.bind) as listener:
        is_empty = check_database()
        for line in welcome(is_empty=is_empty):
            click.echo(line)
        db.close_pool()
        was_stopped = supervisor.serve(found, listener)
    context.exit(0 if was_stopped else 1)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at this address, on which nobody listens yet. Raises ConfigurationError."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(f"Port {port} is in use already. Stop what uses it, or set BIND.") from None
        raise ConfigurationError(f"BIND cannot be used: {error.strerror}.") from None
    return bound


def check_database() -> bool:
    """Whether there is no account yet. A database that is away is only told: it may come back while we serve.

    Raises Unavailable where the schema is behind the code, and where the database cannot be the console's.
    """
    try:
        state = health.schema()
        if state.pending:
            raise schema_behind()
        wrong_key = encryption_keys.find_problem()
        is_empty = not accounts.is_set_up()
    except Unavailable as refusal:
        if refusal.code in FOR_GOOD:
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
