"""What the rules need to know of a database and of the steps before the present one."""

import re
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.database.column_types import type_text
from agents_app.dbtools.operations.constraints import is_checked_not_null
from agents_app.dbtools.review.queries import Queries
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


class DatabaseFacts(Queries):
    """Facts of one database, for one plan.

    `created` are the tables that this plan creates. `added` are the columns, each with its table, that get no value
    from the running release, which does not know them. `defaulted` are those that get a default, and `views`
    the views that the present step creates. `enums` are the labels of those that this plan creates, and `named` the
    present name of each table that it renames, by the new one. `unique` are the columns, each with their table, that it
    makes unique. `has_time_zone`: a step sets the time zone. Without
    `counts` no table is read: a page of the console must not wait for that.
    """

    def __init__(self, connection: Connection, *, counts: bool = True) -> None:
        super().__init__(connection, counts=counts)
        self.created: set[str] = set()
        self.added: set[tuple[str, str]] = set()
        self.defaulted: set[tuple[str, str]] = set()
        self.views: set[str | None] = set()
        self.enums: dict[str, tuple[str, ...]] = {}
        self.named: dict[str, str] = {}
        self.unique: list[tuple[str, set[str]]] = []
        self.has_time_zone = False

    @property
    def database(self) -> str:
        """The name of the database for people."""
        return "PostgreSQL" if self.has_locks else "SQLite"

    def qualified(self, table: str, schema: str | None) -> str:
        """The name of a table, with its schema unless that is the console's own."""
        own = self._once(("schema",), lambda: sa.inspect(self.connection).default_schema_name)
        if schema not in (None, own):
            return f"{schema}.{table}"
        return table if self.has_locks else self._once(("names",), self._names_on_sqlite).get(table.casefold(), table)

    def _names_on_sqlite(self) -> dict[str, str]:
        # Which does not distinguish upper and lower case.
        inspector = sa.inspect(self.connection)
        return {name.casefold(): name for name in (*inspector.get_table_names(), *inspector.get_view_names())}

    def size(self, table: str) -> TableSize:
        """The size of a table."""
        present = self.named.get(table, table)
        unknown = TableSize(present, is_there=True, rows=None, is_estimate=True, bytes=None)
        found: TableSize = self._once(
            ("size", present),
            lambda: self.safely(lambda: table_size(self.connection, present, counts=self._counts), unknown),
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
        return self.has_locks and self.safely(lambda: is_checked_not_null(self.connection, table, column), False)

    def is_not_null(self, table: str, column: str) -> bool:
        """Whether a column is NOT NULL already."""
        return any(found["name"] == column and not found["nullable"] for found in self._columns(table))

    def has_column(self, table: str, column: str) -> bool:
        """Whether a table has a column before this plan."""
        return any(found["name"] == column for found in self._columns(table))

    def column_type(self, table: str, column: str) -> str | None:
        """The type of a column as SQL writes it; None if the column is missing, and on SQLite."""
        found = self.read(COLUMN_TYPE, table=quote_path(self.named.get(table, table)), column=column)
        return found[0][0] if found else None

    def type_of(self, table: str, column: str) -> str | None:
        """The type of a column on both databases; None if the column is missing."""
        if self.has_locks:
            return self.column_type(table, column)
        return next((type_text(found["type"]) for found in self._columns(table) if found["name"] == column), None)

    def kind_of(self, table: str, column: str) -> sa.types.TypeEngine[Any] | None:
        """The type of a column as SQLAlchemy reads it; None if the column is missing."""
        return next((found["type"] for found in self._columns(table) if found["name"] == column), None)

    def computed_columns(self, table: str) -> frozenset[str]:
        """The columns of a table that the database computes from others."""
        return frozenset(found["name"] for found in self._columns(table) if found.get("computed"))

    def has_default(self, table: str, column: str) -> bool:
        """Whether a column has a default."""
        return (table, column) in self.defaulted or any(
            found["name"] == column
            and (found.get("default") is not None or bool(found.get("identity")) or bool(found.get("computed")))
            for found in self._columns(table)
        )

    def table_of_index(self, index: str, schema: str | None = None) -> str | None:
        """The table of an index; None if the index is missing."""
        path = ".".join(map(quote_if_needed, (schema, index) if schema else (index,)))
        found = self.read(TABLE_OF_INDEX, name=path)
        return self.qualified(found[0].relname, found[0].nspname) if found else None

    def is_volatile(self, function: str) -> bool:
        """Whether a function of this name can return another value for each row."""
        found = self.read(VOLATILE, name=function.lower())
        return bool(found) and bool(found[0][0])

    def runs_unknown_statements(self, function: str, *, may_be_keyword: bool = False) -> bool:
        """Whether a function of this name may do more than return a value, because it is missing or someone wrote it.

        `may_be_keyword`: a missing name is a word of SQL.
        """
        if not self.has_locks or HARMLESS.fullmatch(function):
            return False
        if BEYOND_ROWS.fullmatch(function):
            return True
        rows = self.read(FUNCTION, name=function)
        found = rows[0][0] if rows else None
        return not may_be_keyword if found is None else bool(found)

    def _columns(self, table: str) -> list[Any]:
        inspector = sa.inspect(self.connection)
        table = self.named.get(table, table)
        schema, _, name = table.rpartition(".")
        there = inspector.has_table(name, schema=schema or None)
        found: list[Any] = self._once(
            ("columns", table), lambda: list(inspector.get_columns(name, schema=schema or None)) if there else []
        )
        return found


def quote_path(table: str) -> str:
    """Quote a name that may begin with a schema."""
    return ".".join(map(quote_if_needed, table.split(".")))
