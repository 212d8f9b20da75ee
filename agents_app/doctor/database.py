"""The database: whether it can be reached, its version, and whether it allows enough connections."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from agents_app.config import Settings
from agents_app.database.session import is_pooled
from agents_app.database.url import printable_url
from agents_app.dbtools.database.advice import SETTING
from agents_app.dbtools.database.connections import read_only_connection
from agents_app.dbtools.runner.error_messages import cause_and_advice
from agents_app.doctor.check import Check, ok, problem, warning
from agents_app.errors import ConsoleError
from agents_app.paths import COMMAND

# The oldest supported versions.
OLDEST = {"postgresql": (13,), "sqlite": (3, 35)}
SERVER_NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
# Text in an error message, and the advice for it. The first match is used, if `cause_and_advice` has no advice.
ADVICE = (
    ("no password supplied", "Write the password into DATABASE_URL: postgresql://user:password@host:5432/dbname"),
    ("pg_hba.conf", "Allow this user and this machine in the server's pg_hba.conf, or correct DATABASE_URL."),
    ("connection slots", "Lower WORKERS or POOL_SIZE, or raise max_connections of the server."),
    ("too many", "Lower WORKERS or POOL_SIZE, or raise the limit of the server, the role or the database."),
    ("there is no such file", f"Run {COMMAND} db deploy, which creates it, or correct DATABASE_URL."),
    (
        "Permission denied",
        f"Run this command as the user who owns the file: sudo -u USER {COMMAND} doctor",
    ),
    ("not a database", f"Set DATABASE_URL to the console's file, or restore a backup: {COMMAND} db restore FILE"),
    ("malformed", f"Restore a backup into a new file: {COMMAND} db restore FILE"),
    ("is another program's", "Give the console a database or a schema of its own: DATABASE_SCHEMA=console"),
    ("There is no schema", f"Run {COMMAND} db deploy, which creates it, or correct DATABASE_SCHEMA."),
    (
        "more than one row",
        f"{COMMAND} db stamp --purge REVISION, with the revision of the database: {COMMAND} db history",
    ),
)
CONNECTION_ADVICE = "Start the server, or correct host and port in DATABASE_URL."
RETRY_ADVICE = "Try again when the database is less busy."
LIMITS = """
SELECT CAST(current_setting('max_connections') AS integer)
     - CAST(current_setting('superuser_reserved_connections') AS integer) AS "the server",
    rolconnlimit AS "the role", datconnlimit AS "the database"
FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""
DATABASE_ERRORS = (DBAPIError, ConsoleError, CommandError, OSError)
CheckFunction = Callable[[Connection], Iterator[Check]]


class Unreachable(Exception):
    """A database cannot be reached; `check` says why."""

    def __init__(self, check: Check) -> None:
        self.check = check


@contextmanager
def connect_or_problem(url: URL, name: str, code: str) -> Iterator[Connection]:
    """A read-only connection. `name` is the setting with the URL. Raises Unreachable."""
    try:
        with read_only_connection(url) as connection:
            yield connection
    except DATABASE_ERRORS as error:
        what, advice = _cause_and_advice(error, url)
        check = problem(
            code,
            f"Cannot use {printable_url(url)}: {what}",
            (advice or CONNECTION_ADVICE).replace(SETTING, "DATABASE_URL").replace("DATABASE_URL", name),
        )
        raise Unreachable(check) from error


def run_or_problem(connection: Connection, code: str, run: CheckFunction) -> Iterator[Check]:
    """The results of a check, or a problem with this code if the database raises an error."""
    try:
        yield from run(connection)
    except DATABASE_ERRORS as error:
        what, advice = _cause_and_advice(error, connection.engine.url)
        yield problem(code, what, advice or RETRY_ADVICE)
    finally:
        connection.rollback()


def _cause_and_advice(error: Exception, url: URL) -> tuple[str, str | None]:
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
    """Check the version and the number of connections."""
    kind, dialect = SERVER_NAMES[connection.dialect.name], connection.dialect
    version = tuple(int(part) for part in dialect.server_version_info or ())
    text = ".".join(map(str, version))
    yield ok("database.reachable", f"{printable_url(connection.engine.url)}: {kind} {text}.")
    yield check_version(connection.dialect.name, version)
    # A pooler accepts more connections than it opens.
    if connection.dialect.name == "postgresql" and not is_pooled(connection):
        yield from run_or_problem(
            connection, "database.connections", lambda found: iter([_connections(found, settings)])
        )


def check_version(kind: str, version: tuple[int, ...]) -> Check:
    """Whether the version is supported."""
    text, oldest = ".".join(map(str, version)), ".".join(map(str, OLDEST[kind]))
    if version < OLDEST[kind]:
        what = f"{SERVER_NAMES[kind]} {text} is older than the oldest supported version ({oldest})."
        return warning("database.version", what, f"Upgrade to {SERVER_NAMES[kind]} {oldest} or later.", version=text)
    return ok("database.version", f"{SERVER_NAMES[kind]} {text} is new enough ({oldest} or later).", version=text)


def _connections(connection: Connection, settings: Settings) -> Check:
    code, needed = "database.connections", settings.workers * settings.pool_size
    limits = {name: limit for name, limit in connection.execute(sa.text(LIMITS)).mappings().one().items() if limit >= 0}
    limited_by = min(limits, key=lambda name: limits[name])
    facts = {"needed": needed, "allowed": limits[limited_by]}
    if needed > limits[limited_by]:
        what = f"WORKERS x POOL_SIZE is {needed} connections, and {limited_by} allows {limits[limited_by]}."
        return problem(code, what, "Lower WORKERS or POOL_SIZE, or raise that limit.", **facts)
    if needed == limits[limited_by]:
        what = f"WORKERS x POOL_SIZE uses all {needed} connections of {limited_by}: none is left for {COMMAND} db."
        return warning(code, what, "Lower WORKERS or POOL_SIZE, or raise that limit.", **facts)
    return ok(
        code, f"WORKERS x POOL_SIZE is {needed} connections, and {limited_by} allows {limits[limited_by]}.", **facts
    )
