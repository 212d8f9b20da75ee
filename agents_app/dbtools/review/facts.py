"""What the rules need to know of a database and of the steps before the present one."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.operations.constraints import is_checked_not_null
from agents_app.dbtools.review.table_size import TableSize, table_size

COLUMN_TYPE = sa.text("""
SELECT format_type(atttypid, atttypmod)
FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = :column AND NOT attisdropped
""")
TABLE_OF_INDEX = sa.text("""
SELECT nspname, relname FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE indexrelid = to_regclass(:name)
""")
VOLATILE = sa.text("SELECT bool_or(provolatile = 'v') FROM pg_proc WHERE proname = :name")
# Whether a function may change rows; NULL if it is missing.
FUNCTION = sa.text("""
SELECT bool_or(provolatile = 'v' AND pronamespace <> 'pg_catalog'::regnamespace) FROM pg_proc WHERE proname = :name
""")
# Those of extensions that change nothing, and those of PostgreSQL's own that do more than return a value.
HARMLESS = re.compile(r"uuid_generate_v\w+|uuid_v\d|gen_salt|crypt|gen_random_bytes|uuidv\d")
BEYOND_ROWS = re.compile(
    r"pg_((terminate|cancel)_backend|sleep\w*|advisory_lock\w*|reload_conf|promote|drop_replication_slot|replication_\w+|"
    + r"write_\w+|file_\w+|switch_wal|rotate_logfile)|lo_(import|unlink|export)"
)
# Within the transaction of the plan: both end with the savepoint.
LIMITS = ("SET LOCAL transaction_read_only = on", "SET LOCAL statement_timeout = '15s'")
UNKNOWN_NAMES = ("42703", "42P01", "3F000")


class DatabaseFacts:
    """Facts of one database, for one plan.

    `created` are the tables that this plan creates. `added` are the columns, each with its table, that get no value
    from the running release, which does not know them. `defaulted` are those that get a default, and `views`
    the views that the present step creates. `enums` are the labels of those that this plan creates, and `named` the
    present name of each table that it renames, by the new one. `unique` are the columns, each with their table, that it
    makes unique. `has_time_zone`: a step sets the time zone. Without
    `counts` no table is read: a page of the console must not wait for that.
    """

    def __init__(self, connection: Connection, *, counts: bool = True) -> None:
        self.connection, self.dialect, self._counts = connection, connection.dialect.name, counts
        self.created: set[str] = set()
        self.added: set[tuple[str, str]] = set()
        self.defaulted: set[tuple[str, str]] = set()
        self.views: set[str | None] = set()
        self.enums: dict[str, tuple[str, ...]] = {}
        self.named: dict[str, str] = {}
        self.unique: list[tuple[str, set[str]]] = []
        self.has_time_zone = False
        self._found: dict[tuple[str, ...], Any] = {}

    @property
    def has_locks(self) -> bool:
        """Whether a lock keeps people waiting. SQLite has one writer at a time, and its readers never wait."""
        return self.dialect == "postgresql"

    @property
    def database(self) -> str:
        """The name of the database for people."""
        return "PostgreSQL" if self.has_locks else "SQLite"

    def qualified(self, table: str, schema: str | None) -> str:
        """The name of a table, with its schema unless that is the console's own."""
        own = self._once(("schema",), lambda: sa.inspect(self.connection).default_schema_name)
        return table if schema in (None, own) else f"{schema}.{table}"

    def size(self, table: str) -> TableSize:
        """The size of a table."""
        present = self.named.get(table, table)
        found: TableSize = self._once(
            ("size", present), lambda: table_size(self.connection, present, counts=self._counts)
        )
        return found if present == table else replace(found, name=table)

    def rows(self, table: str) -> int | None:
        """The rows of a table; 0 if it is missing, None if unknown."""
        return self.size(table).rows

    def is_in_use(self, table: str) -> bool:
        """Whether a lock or slow work on this table keeps people waiting."""
        return self.has_locks and table not in self.created and self.rows(table) != 0

    def is_written(self, table: str) -> bool:
        """Whether the running release may write to a table: one of this plan, or without rows, is not counted."""
        return table not in self.created and self.rows(table) != 0

    def is_checked(self, table: str, column: str) -> bool:
        """Whether a validated CHECK keeps a column from being NULL."""
        return self.has_locks and is_checked_not_null(self.connection, table, column)

    def is_not_null(self, table: str, column: str) -> bool:
        """Whether a column is NOT NULL already."""
        return any(found["name"] == column and not found["nullable"] for found in self._columns(table))

    def has_column(self, table: str, column: str) -> bool:
        """Whether a table has a column before this plan."""
        return any(found["name"] == column for found in self._columns(table))

    def column_type(self, table: str, column: str) -> str | None:
        """The type of a column as SQL writes it; None if the column is missing."""
        table = self.named.get(table, table)
        values = {"table": quote_path(table), "column": column}
        found: str | None = self._once(
            ("type", table, column), lambda: self.connection.scalar(COLUMN_TYPE, values) if self.has_locks else None
        )
        return found

    def has_default(self, table: str, column: str) -> bool:
        """Whether a column has a default."""
        return (table, column) in self.defaulted or any(
            found["name"] == column
            and (found.get("default") is not None or bool(found.get("identity")) or bool(found.get("computed")))
            for found in self._columns(table)
        )

    def table_of_index(self, index: str, schema: str | None = None) -> str | None:
        """The table of an index; None if the index is missing."""
        if not self.has_locks:
            return None
        path = ".".join(map(quote_if_needed, (schema, index) if schema else (index,)))
        found = self._once(
            ("index", path), lambda: self.connection.execute(TABLE_OF_INDEX, {"name": path}).one_or_none()
        )
        return None if found is None else self.qualified(found.relname, found.nspname)

    def is_volatile(self, function: str) -> bool:
        """Whether a function of this name can return another value for each row."""
        if not self.has_locks:
            return False
        return bool(
            self._once(("volatile", function), lambda: self.connection.scalar(VOLATILE, {"name": function.lower()}))
        )

    def runs_unknown_statements(self, function: str, *, may_be_keyword: bool = False) -> bool:
        """Whether a function of this name may do more than return a value, because it is missing or someone wrote it.

        `may_be_keyword`: a missing name is a word of SQL.
        """
        if not self.has_locks or HARMLESS.fullmatch(function):
            return False
        if BEYOND_ROWS.fullmatch(function):
            return True
        found = self._once(("own", function), lambda: self.connection.scalar(FUNCTION, {"name": function}))
        return not may_be_keyword if found is None else bool(found)

    def count(self, query: str | sa.Select[Any]) -> int | str:
        """The count that a query returns, or why it cannot be counted. Nothing is changed."""
        if not self._counts:
            return "flask db plan counts them"
        if not isinstance(query, str):
            return self._count(query)
        found: int | str = self._once(("count", query), lambda: self._count(query))
        return found

    def _count(self, query: str | sa.Select[Any]) -> int | str:
        try:
            if not self.has_locks:
                return int(self._scalar(query))
            with self.connection.begin_nested() as savepoint:
                for limit in LIMITS:
                    self.connection.exec_driver_sql(limit)
                found = int(self._scalar(query))
                savepoint.rollback()
            return found
        except ValueError:
            # A character that the database cannot store, such as U+0000.
            return "the database cannot count them"
        except DBAPIError as error:
            is_new = getattr(error.orig, "pgcode", None) in UNKNOWN_NAMES or any(
                words in str(error.orig) for words in ("no such column", "no such table")
            )
            return "it names a column or table that does not exist yet" if is_new else "the database cannot count them"

    def read(self, query: sa.TextClause, **values: Any) -> list[Any]:
        """The rows of a query of the catalog; none on SQLite, and none if the server refuses a value."""
        if not self.has_locks:
            return []
        key = ("read", query.text, *map(str, values.values()))
        found: list[Any] = self._once(key, lambda: self._read(query, values))
        return found

    def _read(self, query: sa.TextClause, values: dict[str, Any]) -> list[Any]:
        try:
            if getattr(self.connection.connection.dbapi_connection, "autocommit", False):
                return list(self.connection.execute(query, values))
            with self.connection.begin_nested():
                return list(self.connection.execute(query, values))
        except DBAPIError:
            return []

    def _scalar(self, query: str | sa.Select[Any]) -> Any:
        if not isinstance(query, str):
            return self.connection.scalar(query)
        return self.connection.exec_driver_sql(query, execution_options={"no_parameters": True}).scalar()

    def _columns(self, table: str) -> list[Any]:
        inspector = sa.inspect(self.connection)
        table = self.named.get(table, table)
        schema, _, name = table.rpartition(".")
        there = inspector.has_table(name, schema=schema or None)
        found: list[Any] = self._once(
            ("columns", table), lambda: list(inspector.get_columns(name, schema=schema or None)) if there else []
        )
        return found

    def _once(self, key: tuple[str, ...], find: Callable[[], Any]) -> Any:
        if key not in self._found:
            self._found[key] = find()
        return self._found[key]


def quote_path(table: str) -> str:
    """Quote a name that may begin with a schema."""
    return ".".join(map(quote_if_needed, table.split(".")))
