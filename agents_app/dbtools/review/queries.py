"""The queries of a plan. One that fails changes nothing, and those after it still work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.session import READS_ONLY
from agents_app.paths import COMMAND

Found = TypeVar("Found")
# Within the transaction of the plan: both end with the savepoint.
LIMITS = ("SET LOCAL transaction_read_only = on", "SET LOCAL statement_timeout = '15s'")
UNKNOWN_NAMES = ("42703", "42P01", "3F000")
# Syntax errors, unknown names, wrong types and missing rights; values that a type cannot hold.
WRONG = ("42", "22")
SYNTAX = "42601"
BUSY = ("locked", "busy", "interrupted")


@dataclass(frozen=True)
class Mistake:
    """Why the database refuses a query. `is_syntax`: it would also if it had other tables and functions."""

    text: str
    is_syntax: bool


class Queries:
    """The queries of one plan. Each is sent once. Without `counts` no table is read."""

    def __init__(self, connection: Connection, *, counts: bool = True) -> None:
        self.connection, self.dialect, self._counts = connection, connection.dialect.name, counts
        self._found: dict[tuple[str, ...], Any] = {}

    @property
    def has_locks(self) -> bool:
        """Whether a lock keeps people waiting. SQLite has one writer at a time, and its readers never wait."""
        return self.dialect == "postgresql"

    def count(self, query: str | sa.Select[Any]) -> int | str:
        """The count that a query returns, or why it cannot be counted. Nothing is changed."""
        if not self._counts:
            return f"{COMMAND} db plan counts them"
        if not isinstance(query, str):
            return self._count(query)
        found: int | str = self._once(("count", query), lambda: self._count(query))
        return found

    def mistake_in(self, query: str) -> Mistake | None:
        """Why the database refuses a query, whatever rows it has; None if it does not. The query is not run."""
        try:
            self._scalar(f"EXPLAIN {query}")
        except ValueError:
            return Mistake("it has a character that the database cannot store", is_syntax=True)
        except DBAPIError as error:
            _require_connection(error)
            text, code = str(error.orig).splitlines()[0], getattr(error.orig, "pgcode", None)
            if not self.has_locks:
                is_mistake, is_syntax = not any(word in text for word in BUSY), "no such" not in text
            else:
                is_mistake, is_syntax = str(code).startswith(WRONG), code == SYNTAX
            return Mistake(text, is_syntax) if is_mistake else None
        return None

    def _count(self, query: str | sa.Select[Any]) -> int | str:
        try:
            return int(self._scalar(query))
        except ValueError:
            # A character that the database cannot store, such as U+0000.
            return "the database cannot count them"
        except DBAPIError as error:
            _require_connection(error)
            is_new = getattr(error.orig, "pgcode", None) in UNKNOWN_NAMES or any(
                words in str(error.orig) for words in ("no such column", "no such table")
            )
            return "it names a column or table that does not exist yet" if is_new else "the database cannot count them"

    def read(self, query: sa.TextClause, **values: Any) -> list[Any]:
        """The rows of a query of the catalog; none on SQLite, and none if the server refuses a value."""
        if not self.has_locks:
            return []
        key = ("read", query.text, *map(str, values.values()))
        none: list[Any] = []
        found: list[Any] = self._once(
            key, lambda: self.safely(lambda: list(self.connection.execute(query, values)), none)
        )
        return found

    def safely(self, find: Callable[[], Found], otherwise: Found) -> Found:
        """What `find` returns, or `otherwise` if the database refuses its queries.

        Raises SQLAlchemy's errors if the connection is lost.
        """
        try:
            if not self.has_locks or getattr(self.connection.connection.dbapi_connection, "autocommit", False):
                return find()
            with self.connection.begin_nested():
                return find()
        except ValueError:
            return otherwise
        except DBAPIError as error:
            _require_connection(error)
            return otherwise

    def _scalar(self, query: str | sa.Select[Any]) -> Any:
        if not self.has_locks:
            return self._sent(query)
        with self.connection.begin_nested() as savepoint:
            for limit in LIMITS:
                self.connection.exec_driver_sql(limit)
            found = self._sent(query)
            savepoint.rollback()
        return found

    def _sent(self, query: str | sa.Select[Any]) -> Any:
        if not isinstance(query, str):
            return self.connection.scalar(query, execution_options={READS_ONLY: True})
        options = {READS_ONLY: True, "no_parameters": True}
        return self.connection.exec_driver_sql(query, execution_options=options).scalar()

    def _once(self, key: tuple[str, ...], find: Callable[[], Any]) -> Any:
        if key not in self._found:
            self._found[key] = find()
        return self._found[key]


def _require_connection(error: DBAPIError) -> None:
    # No later query can succeed either.
    if error.connection_invalidated:
        raise error
