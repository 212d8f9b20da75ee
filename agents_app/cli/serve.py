"""`flask serve`: checks everything that can be checked, then serves with granian until it is told to stop."""

import errno
import signal
import socket

import click
from flask import current_app
from flask.cli import with_appcontext
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import MPServer

from agents_app import __version__
from agents_app.cli.console import ConsoleCommand, base_url, require_keys, say
from agents_app.config import Settings, settings
from agents_app.db import db
from agents_app.errors import ConfigurationError, Unavailable
from agents_app.operations import accounts, health, keys

# Longer than any request may take; who still works then is ended.
GRACE_S = 30
# Granian's own lines in the form of ours, on the same stream.
LOGGING = {
    "formatters": {"generic": {"()": "agents_app.logs.JsonLines"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"}},
    "loggers": {"_granian": {"handlers": ["console"], "propagate": False}},
}


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
    serving = server(found)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        # Closing the terminal stops the server; granian would only start its workers anew.
        serving.on_startup(lambda: signal.signal(signal.SIGHUP, serving.signal_handler_interrupt))
    serving.serve()


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
            raise Unavailable("The database schema is behind the program. Run: flask db upgrade", code="schema_behind")
        wrong_key = keys.wrong()
        is_empty = accounts.is_empty()
    except Unavailable as refusal:
        if refusal.code == "schema_behind":
            raise
        say(f"Warning: {refusal.detail} Serving anyway; /readyz tells when it is there.")
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


def server(found: Settings) -> MPServer:
    """The server: each worker answers as many requests at once as its pool has connections, the rest wait."""
    host, port = found.bind
    return MPServer(
        "wsgi:app",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=found.workers,
        blocking_threads=found.pool_size,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_S,
        log_level=LogLevels.error,
        log_dictconfig=LOGGING,
    )
