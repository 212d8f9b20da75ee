"""`flask serve`: checks keys, address and database, then runs the server until it is stopped."""

import errno
import socket
from contextlib import ExitStack

import click
from flask.cli import ScriptInfo, with_appcontext

from agents_app import __version__
from agents_app.cli.actor import require_keys
from agents_app.cli.commands import ConsoleCommand, schema_behind_error
from agents_app.cli.output import print_message, print_warning
from agents_app.cli.prepare import create_what_is_missing
from agents_app.config import settings
from agents_app.db import db
from agents_app.dbtools.phases import FINISH
from agents_app.errors import ConfigurationError, Unavailable
from agents_app.operations import accounts, encryption_keys, health
from agents_app.server import supervisor
from agents_app.values.origins import Origin

# The problems that do not end by themselves.
PERMANENT_CODES = {"schema_behind", "schema_unclear", "database_encoding", "database_forbidden"}


@click.command(cls=ConsoleCommand)
@click.pass_context
@with_appcontext
def serve(context: click.Context) -> None:
    """Run the server at the address BIND, until Ctrl-C or SIGTERM.

    Without PUBLIC_URL it first creates missing keys and SQLite tables, as `prepare` does. With PUBLIC_URL it creates
    nothing. Requests in progress are finished before it stops. A worker that dies is replaced.
    """
    app = context.ensure_object(ScriptInfo).load_app()
    is_local = settings().public_url is None
    if not is_local:
        require_keys()
    with ExitStack() as sockets:
        listeners = [sockets.enter_context(bind_socket(name, *place)) for name, place in addresses()]
        if is_local:
            create_what_is_missing()
        app.secret_key = settings().keys.secret_key
        is_empty = check_for_first_start()
        for line in startup_lines(is_empty=is_empty):
            click.echo(line)
        db.close_pool()
        was_stopped = supervisor.serve(app, listeners)
    context.exit(0 if was_stopped else 1)


def addresses() -> list[tuple[str, tuple[str, int]]]:
    """The addresses to listen on, each with the name of its setting."""
    found = {"BIND": settings().bind, "METRICS_BIND": settings().metrics_bind}
    return [(name, place) for name, place in found.items() if place]


def bind_socket(name: str, host: str, port: int) -> socket.socket:
    """A socket that is bound to the address of this setting. Raises ConfigurationError."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(f"Port {port} is already in use. Stop that program, or change {name}.") from None
        raise ConfigurationError(f"{name} cannot be used: {error.strerror}.") from None
    return bound


def check_for_first_start() -> bool:
    """Check the database, and return whether it has no account yet. An unreachable database is only a warning.

    Raises Unavailable if the schema is behind the code, or if the database is not usable for the console.
    """
    try:
        state = health.schema()
        if not state.is_ready:
            raise schema_behind_error(state)
        wrong_key = encryption_keys.find_problem()
        is_empty = not accounts.is_set_up()
    except Unavailable as refusal:
        if refusal.code in PERMANENT_CODES:
            raise
        print_warning(refusal)
        return False
    if state.is_ahead:
        print_message("Warning: the database was migrated by a newer release.")
    if state.is_finish_pending:
        print_message(f"Steps are pending. {FINISH}")
    if wrong_key:
        print_message(f"Warning: {wrong_key}")
    return is_empty


def startup_lines(*, is_empty: bool) -> list[str]:
    """The lines that are printed when the server starts."""
    lines = [f"Agent Console {__version__}: {settings().base_url} (press Ctrl-C to stop)"]
    if is_empty:
        lines.append(f"There is no account yet. Create the first one at {settings().base_url}/setup")
        code = accounts.setup_code()
        lines += [f"Set-up code: {code}"] if code else []
    if place := settings().metrics_bind:
        lines.append(f"Metrics: {Origin('http', *place)}/metrics")
    return lines
