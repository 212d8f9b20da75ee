"""What becomes of the exceptions of database drivers: the console's own refusals, without the driver's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from agents_app.errors import Conflict, ConsoleError, StorageFull, Unavailable

# What SQLite does not say of a file that is not there: it makes one.
NO_FILE = "there is no such file"


@contextmanager
def plain_errors() -> Iterator[None]:
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
    if isinstance(error, DataError):
        return None
    cause = str(getattr(error, "orig", "")).lower()
    state = getattr(getattr(error, "orig", None), "pgcode", None)
    if state == "53100" or "disk is full" in cause:
        return StorageFull("The database has no room left. Nothing was changed.")
    if cause == NO_FILE:
        return Unavailable("There is no database yet. Run: flask db deploy", code="schema_behind")
    if state == "42P01" or "no such table" in cause or state == "42703" or "no such column" in cause:
        return Unavailable("The database schema is behind the program. Run: flask db deploy", code="schema_behind")
    if state in ("57014", "55P03") or "database is locked" in cause:
        return Unavailable("The database is busy. Try again in a moment.", code="database_busy")
    return Unavailable("The database cannot be reached. Try again in a moment.", code="database_unavailable")
