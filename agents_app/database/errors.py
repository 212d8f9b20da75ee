"""Turns exceptions of database drivers into the console's own exceptions, without the driver's text."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from agents_app.errors import Conflict, ConsoleError, StorageFull, Unavailable
from agents_app.paths import COMMAND

# What SQLite says of a column that a statement reads, and of one that it writes.
NO_COLUMN = re.compile(r"no such column|has no column named")
# SQLite calls it a disk I/O error if there is no room for the file that its connections share.
NO_SHARED_FILE = "SQLITE_IOERR_SHMSIZE"
# SQLite has no such message: it creates a missing file.
MISSING_FILE = "there is no such file"
# Empty tables in place of a lost database would have to be removed again before a backup is restored.
NO_DATABASE = (
    f"There is no database yet. Run: {COMMAND} db deploy. If there was one, restore a backup of it instead: "
    + f"{COMMAND} db restore --newest"
)
# Messages of PostgreSQL and PgBouncer when a connection fails; the driver has no code for these.
CONNECTION_LIMIT = re.compile(r"no more connections allowed|too many clients|too many connections|connection slots are")
LOGIN_FAILED = re.compile(r"authentication failed|no such user|role \".*\" does not exist|no password supplied")
BAD_SETTING = re.compile(r"configuration parameter|invalid value for parameter|parameter \".*\" cannot be")
DATABASE_MISSING = re.compile(r"database \".*\" does not exist|no such database")
# "Cannot execute INSERT in a read-only transaction": a standby, or a former primary that is a standby now.
READ_ONLY = "25006"
# All operations lock in one order, so this is a statement of another program, or of an administrator.
DEADLOCK = "40P01"
FORBIDDEN = "database_forbidden"
SEE_STATUS = f"To see which one, and what to do: {COMMAND} db status"


def busy() -> Unavailable:
    """The refusal of a statement that others kept waiting for too long."""
    return Unavailable("The database is busy. Try again in a moment.", code="database_busy")


@contextmanager
def translate_driver_errors() -> Iterator[None]:
    """Raise the console's own exceptions in place of the driver's."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error


def is_missing_column(error: DBAPIError) -> bool:
    """Return whether a statement failed because a column does not exist."""
    return getattr(error.orig, "pgcode", None) == "42703" or bool(NO_COLUMN.search(str(error.orig)))


def violates_index(error: IntegrityError, name: str, column: str) -> bool:
    """Return whether a row was refused by this unique index. SQLite names only the columns of the index."""
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "constraint_name", None) == name or column in str(error.orig).partition("failed: ")[2]


def _translate(error: DBAPIError | PoolTimeout) -> ConsoleError | None:
    if isinstance(error, IntegrityError):
        return Conflict("This conflicts with stored data. Reload it and repeat the change.")
    cause = str(getattr(error, "orig", "")).lower()
    if BAD_SETTING.search(cause):
        return Unavailable("The server rejected a setting in the options of DATABASE_URL.", code="database_unavailable")
    if isinstance(error, DataError):
        return None
    state = getattr(getattr(error, "orig", None), "pgcode", None)
    if state == "53100" or "disk is full" in cause or _lacks_shared_file(error):
        return StorageFull("The database has no disk space left. Nothing was changed.")
    if cause.startswith(MISSING_FILE):
        return Unavailable(NO_DATABASE, code="schema_behind")
    if state == "42P01" or "no such table" in cause or state == "42703" or NO_COLUMN.search(cause):
        return Unavailable(f"The database schema is behind the program. Run: {COMMAND} db deploy", code="schema_behind")
    if state == "42501":
        return Unavailable(f"The database role lacks a permission that the console needs. {SEE_STATUS}", code=FORBIDDEN)
    if state == READ_ONLY:
        return Unavailable("The database is read-only now. Try again in a moment.", code="database_read_only")
    if state in ("57014", "55P03", DEADLOCK) or "database is locked" in cause:
        return busy()
    return _connection_error(cause)


def _lacks_shared_file(error: DBAPIError | PoolTimeout) -> bool:
    return getattr(getattr(error, "orig", None), "sqlite_errorname", None) == NO_SHARED_FILE


def _connection_error(cause: str) -> Unavailable:
    if CONNECTION_LIMIT.search(cause):
        return Unavailable("The database accepts no more connections. Try again in a moment.", code="database_busy")
    sentence = "The database cannot be reached. Try again in a moment."
    if LOGIN_FAILED.search(cause):
        sentence = "The database rejected the user name or the password in DATABASE_URL."
    if DATABASE_MISSING.search(cause):
        sentence = "The server has no database with the name in DATABASE_URL."
    return Unavailable(sentence, code="database_unavailable")
