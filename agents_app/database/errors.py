"""What becomes of the exceptions of database drivers: the console's own refusals, without the driver's words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from agents_app.errors import Conflict, ConsoleError, StorageFull, Unavailable

# What SQLite does not say of a file that is not there: it makes one.
MISSING_FILE = "there is no such file"
# What PostgreSQL and PgBouncer say where a connection does not come about; the driver has no code for these.
TAKES_NO_MORE = re.compile(r"no more connections allowed|too many clients|too many connections|connection slots are")
WRONG_USER = re.compile(r"authentication failed|no such user|role \".*\" does not exist|no password supplied")
BAD_SETTING = re.compile(r"configuration parameter|invalid value for parameter|parameter \".*\" cannot be")
WRONG_DATABASE = re.compile(r"database \".*\" does not exist|no such database")
# "Cannot execute INSERT in a read-only transaction": of a standby, and of a primary that became one.
READ_ONLY = "25006"
FORBIDDEN = "database_forbidden"
SEE_STATUS = "Which, and what to do: flask db status"


@contextmanager
def translate_driver_errors() -> Iterator[None]:
    """Turn the driver's exceptions into the console's own, without the driver's text."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        refusal = _refusal_for(error)
        if refusal is None:
            raise
        raise refusal from error


def is_missing_column(error: DBAPIError) -> bool:
    """Whether a statement names a column that its table does not have."""
    return getattr(error.orig, "pgcode", None) == "42703" or "no such column" in str(error.orig)


def _refusal_for(error: DBAPIError | PoolTimeout) -> ConsoleError | None:
    if isinstance(error, IntegrityError):
        return Conflict("This does not fit what is stored. Load it again and repeat the change.")
    cause = str(getattr(error, "orig", "")).lower()
    if BAD_SETTING.search(cause):
        return Unavailable("The server refuses a setting in the options of DATABASE_URL.", code="database_unavailable")
    if isinstance(error, DataError):
        return None
    state = getattr(getattr(error, "orig", None), "pgcode", None)
    if state == "53100" or "disk is full" in cause:
        return StorageFull("The database has no room left. Nothing was changed.")
    if cause == MISSING_FILE:
        return Unavailable("There is no database yet. Run: flask db deploy", code="schema_behind")
    if state == "42P01" or "no such table" in cause or state == "42703" or "no such column" in cause:
        return Unavailable("The database schema is behind the program. Run: flask db deploy", code="schema_behind")
    if state == "42501":
        return Unavailable(f"The database refuses a right that the console needs. {SEE_STATUS}", code=FORBIDDEN)
    if state == READ_ONLY:
        return Unavailable("The database takes no changes now. Try again in a moment.", code="database_read_only")
    if state in ("57014", "55P03") or "database is locked" in cause:
        return Unavailable("The database is busy. Try again in a moment.", code="database_busy")
    return _no_connection(cause)


def _no_connection(cause: str) -> Unavailable:
    if TAKES_NO_MORE.search(cause):
        return Unavailable("The database takes no more connections. Try again in a moment.", code="database_busy")
    sentence = "The database cannot be reached. Try again in a moment."
    if WRONG_USER.search(cause):
        sentence = "The database refuses the user or the password of DATABASE_URL."
    if WRONG_DATABASE.search(cause):
        sentence = "The server has no database of the name in DATABASE_URL."
    return Unavailable(sentence, code="database_unavailable")
