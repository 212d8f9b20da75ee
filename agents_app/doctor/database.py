"""The database as the console uses it: reached, new enough, and with connections for every worker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.config import Settings
from agents_app.dbtools.connections import observing
from agents_app.dbtools.refusals import in_plain_words, place
from agents_app.doctor.check import Check, ok, problem, warning

# The oldest that this release is written for.
OLDEST = {"postgresql": (13,), "sqlite": (3, 35)}
CALLED = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
# What a refusal says, and what to do then; the first that fits.
ADVICE = (
    ("Permission denied", "Look again as the user who owns the file, or correct {name}: sudo -u USER flask doctor"),
    ("permission denied", "Let the owner grant it to this role, or correct {name}."),
    ("password authentication failed", "Correct the user or the password in {name}."),
    ("no password supplied", "Write the password into {name}: postgresql://user:password@host:5432/dbname"),
    ('role "', "Correct the user in {name}, or let an administrator make the role: createuser NAME"),
    ('database "', "Correct the name of the database in {name}, or make it: createdb NAME"),
    ("pg_hba.conf", "Allow this user and this machine in the server's pg_hba.conf, or correct {name}."),
    ("connection slots", "Lower WORKERS or POOL_SIZE, or raise max_connections of the server."),
    ("too many connections", "Lower WORKERS or POOL_SIZE, or raise the limit of the role or the database."),
    ("there is no such file", "flask db deploy, which makes it; or correct {name}."),
    ("more than one row", "flask db stamp --purge REVISION, with the one that the database is at: flask db history"),
    ("not a database", "Let {name} name the console's file, or restore a backup: flask db restore FILE"),
)
ELSE = "Start the server, or correct host and port in {name}."
LIMITS = """
SELECT CAST(current_setting('max_connections') AS integer)
     - CAST(current_setting('superuser_reserved_connections') AS integer) AS "the server",
    rolconnlimit AS "the role", datconnlimit AS "the database"
FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""
IDENTITY = "SELECT pg_postmaster_start_time(), oid FROM pg_database WHERE datname = current_database()"

Ask = Callable[[Connection], Iterator[Check]]


class Unreachable(Exception):
    """The check that says why a database cannot be asked."""

    def __init__(self, check: Check) -> None:
        self.check = check


@contextmanager
def reached(url: URL, name: str, code: str) -> Iterator[Connection]:
    """A connection that can change nothing. `name` is the setting that holds the URL. Raises Unreachable."""
    try:
        with in_plain_words(url), observing(url) as connection:
            yield connection
    except CommandError as refusal:
        what = str(refusal).removesuffix(" Check the address.")
        raise Unreachable(problem(code, what, _advice(refusal, ELSE, name))) from refusal


def answers(connection: Connection, code: str, ask: Ask) -> Iterator[Check]:
    """What a check says; where the database refuses to be asked, that is what it says."""
    try:
        with in_plain_words(connection.engine.url):
            yield from ask(connection)
    except CommandError as refusal:
        yield problem(code, str(refusal), _advice(refusal, "Try again when the database is less busy."))
    finally:
        connection.rollback()


def _advice(refusal: CommandError, otherwise: str, name: str = "DATABASE_URL") -> str:
    return next((advice for words, advice in ADVICE if words in str(refusal)), otherwise).format(name=name)


def checks(connection: Connection, settings: Settings) -> Iterator[Check]:
    """What the database is."""
    kind, dialect = CALLED[connection.dialect.name], connection.dialect
    version = tuple(int(part) for part in dialect.server_version_info or ())
    text = ".".join(map(str, version))
    yield ok("database.reachable", f"{place(connection.engine.url)}: {kind} {text}.")
    yield old(connection.dialect.name, version)
    if connection.dialect.name == "postgresql":
        yield from answers(connection, "database.connections", lambda found: iter([_connections(found, settings)]))


def old(kind: str, version: tuple[int, ...]) -> Check:
    """Whether a database is as new as this release needs it."""
    text, oldest = ".".join(map(str, version)), ".".join(map(str, OLDEST[kind]))
    if version < OLDEST[kind]:
        what = f"{CALLED[kind]} {text} is older than this release is tested with ({oldest})."
        return warning("database.version", what, f"Upgrade to {CALLED[kind]} {oldest} or later.", version=text)
    return ok("database.version", f"{CALLED[kind]} {text} is new enough ({oldest} or later).", version=text)


def same(connection: Connection, direct: Connection) -> Check:
    """Whether MIGRATION_DATABASE_URL, to which `direct` leads, is another address of the same database."""
    code, address = "database.migration_address", place(direct.engine.url)
    dialects = {one.dialect.name for one in (connection, direct)}
    if dialects == {"postgresql"} and _identity(connection) == _identity(direct):
        return ok(code, f"{address} leads to the same database.")
    what = f"{address} leads to another database than DATABASE_URL."
    return problem(code, what, "Let MIGRATION_DATABASE_URL be a direct address of the database of DATABASE_URL.")


def _identity(connection: Connection) -> tuple[object, ...]:
    return tuple(connection.execute(sa.text(IDENTITY)).one())


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
