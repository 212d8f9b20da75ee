"""The database as the console uses it: reached, new enough, and with connections for every worker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from agents_app.config import Settings
from agents_app.database.session import is_pooled
from agents_app.database.url import printable_url
from agents_app.dbtools.database.connections import read_only_connection
from agents_app.dbtools.runner.error_messages import cause_and_advice
from agents_app.doctor.check import Check, ok, problem, warning
from agents_app.errors import ConsoleError

# The oldest that this release is written for.
OLDEST = {"postgresql": (13,), "sqlite": (3, 35)}
CALLED = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
# What else a refusal says, and what to do then; the first that fits. `dbtools.advice` knows the server's words.
ADVICE = (
    ("no password supplied", "Write the password into DATABASE_URL: postgresql://user:password@host:5432/dbname"),
    ("pg_hba.conf", "Allow this user and this machine in the server's pg_hba.conf, or correct DATABASE_URL."),
    ("connection slots", "Lower WORKERS or POOL_SIZE, or raise max_connections of the server."),
    ("too many", "Lower WORKERS or POOL_SIZE, or raise the limit of the server, the role or the database."),
    ("there is no such file", "flask db deploy, which makes it; or correct DATABASE_URL."),
    (
        "Permission denied",
        "Look again as the user who owns the file: sudo -u USER flask doctor",
    ),
    ("not a database", "Let DATABASE_URL name the console's file, or restore a backup: flask db restore FILE"),
    ("malformed", "Restore a backup into a new file: flask db restore FILE"),
    ("is another program's", "Give the console a database or a schema of its own: DATABASE_SCHEMA=console"),
    ("There is no schema", "flask db deploy, which makes it; or correct DATABASE_SCHEMA."),
    ("more than one row", "flask db stamp --purge REVISION, with the one that the database is at: flask db history"),
)
START = "Start the server, or correct host and port in DATABASE_URL."
AGAIN = "Try again when the database is less busy."
LIMITS = """
SELECT CAST(current_setting('max_connections') AS integer)
     - CAST(current_setting('superuser_reserved_connections') AS integer) AS "the server",
    rolconnlimit AS "the role", datconnlimit AS "the database"
FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""
REFUSALS = (DBAPIError, ConsoleError, CommandError, OSError)
Ask = Callable[[Connection], Iterator[Check]]


class Unreachable(Exception):
    """The check that says why a database cannot be asked."""

    def __init__(self, check: Check) -> None:
        self.check = check


@contextmanager
def reached(url: URL, name: str, code: str) -> Iterator[Connection]:
    """A connection that can change nothing. `name` is the setting that holds the URL. Raises Unreachable."""
    try:
        with read_only_connection(url) as connection:
            yield connection
    except REFUSALS as error:
        what, advice = _in_words(error, url)
        check = problem(
            code, f"Cannot use {printable_url(url)}: {what}", (advice or START).replace("DATABASE_URL", name)
        )
        raise Unreachable(check) from error


def answers(connection: Connection, code: str, ask: Ask) -> Iterator[Check]:
    """What a check says; where the database refuses to be asked, that is what it says."""
    try:
        yield from ask(connection)
    except REFUSALS as error:
        what, advice = _in_words(error, connection.engine.url)
        yield problem(code, what, advice or AGAIN)
    finally:
        connection.rollback()


def _in_words(error: Exception, url: URL) -> tuple[str, str | None]:
    advice = None
    if isinstance(error, DBAPIError):
        cause, advice = cause_and_advice(error, url)
        what = f"{cause}."
    elif isinstance(error, OSError):
        what = f"{error.strerror}."
    else:
        what = str(error)
    return what, advice or next((advice for words, advice in ADVICE if words in what), None)


def checks(connection: Connection, settings: Settings) -> Iterator[Check]:
    """What the database is."""
    kind, dialect = CALLED[connection.dialect.name], connection.dialect
    version = tuple(int(part) for part in dialect.server_version_info or ())
    text = ".".join(map(str, version))
    yield ok("database.reachable", f"{printable_url(connection.engine.url)}: {kind} {text}.")
    yield old(connection.dialect.name, version)
    # A pooler gives out more connections than it has.
    if connection.dialect.name == "postgresql" and not is_pooled(connection):
        yield from answers(connection, "database.connections", lambda found: iter([_connections(found, settings)]))


def old(kind: str, version: tuple[int, ...]) -> Check:
    """Whether a database is as new as this release needs it."""
    text, oldest = ".".join(map(str, version)), ".".join(map(str, OLDEST[kind]))
    if version < OLDEST[kind]:
        what = f"{CALLED[kind]} {text} is older than this release is tested with ({oldest})."
        return warning("database.version", what, f"Upgrade to {CALLED[kind]} {oldest} or later.", version=text)
    return ok("database.version", f"{CALLED[kind]} {text} is new enough ({oldest} or later).", version=text)


def _connections(connection: Connection, settings: Settings) -> Check:
    code, needed = "database.connections", settings.workers * settings.pool_size
    limits = {name: limit for name, limit in connection.execute(sa.text(LIMITS)).mappings().one().items() if limit >= 0}
    who = min(limits, key=lambda name: limits[name])
    facts = {"needed": needed, "allowed": limits[who]}
    if needed > limits[who]:
        what = f"WORKERS x POOL_SIZE is {needed} connections, and {who} allows {limits[who]}."
        return problem(code, what, "Lower WORKERS or POOL_SIZE, or raise the limit there.", **facts)
    if needed == limits[who]:
        what = f"WORKERS x POOL_SIZE is all of the {needed} connections that {who} allows: none is left for flask db."
        return warning(code, what, "Lower WORKERS or POOL_SIZE, or raise the limit there.", **facts)
    return ok(code, f"WORKERS x POOL_SIZE is {needed} connections, and {who} allows {limits[who]}.", **facts)
