"""What is there at each place of a plan: in the database, and after the operations before that place."""

from collections.abc import Iterable
from copy import copy
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from agents_app.dbtools.operations.enum_values import AddEnumValueOp
from agents_app.dbtools.review.effects import (
    UNKNOWN,
    IndexMade,
    adds_key,
    effects_of,
    index_made,
    is_unknown,
    table_name,
    table_that_gains,
    tables_that_lose,
)
from agents_app.dbtools.review.facts import DatabaseFacts, quote_path
from agents_app.dbtools.review.sql_operations import Mark, marks_of

KINDS = {
    "r": "table",
    "p": "table",
    "f": "table",
    "v": "view",
    "m": "view",
    "i": "index",
    "I": "index",
    "S": "sequence",
}
RELATION = sa.text("""
SELECT found.relkind::text AS kind, nspname AS schema, own.relname AS own FROM pg_class AS found
LEFT JOIN pg_index ON indexrelid = found.oid LEFT JOIN pg_class AS own ON own.oid = indrelid
LEFT JOIN pg_namespace ON pg_namespace.oid = own.relnamespace
WHERE found.oid = to_regclass(:name)
""")
SQLITE_RELATION = sa.text(
    "SELECT type, tbl_name FROM sqlite_master WHERE lower(name) = lower(:name) AND type <> 'trigger'"
)
COLUMN = sa.text("""
SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = :column AND NOT attisdropped
""")
SQLITE_COLUMN = sa.text("SELECT 1 FROM pragma_table_xinfo(:table) WHERE lower(name) = lower(:column)")
CONSTRAINTS = sa.text("SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(:table)")
TYPE = sa.text("SELECT 1 AS there WHERE to_regtype(:name) IS NOT NULL")


class Presence:
    """The tables, columns, indexes, constraints and types that are there. What may be there or not is None."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self.facts = facts
        self.is_unsure = False
        self._known: dict[tuple[str, ...], bool | None] = {}
        # The tables that may have lost indexes or constraints, and those that may have some with names not known here.
        self.lost: set[str] = set()
        self.gained: set[str] = set()
        # The tables that get a unique key.
        self.keyed: set[str] = set()
        # The columns, each with its table, that get another type.
        self.retyped: set[tuple[str, str]] = set()
        # The indexes that the plan makes: the table, whether it is unique, and the columns.
        self.indexes: dict[str, IndexMade] = {}
        # The labels that the plan adds to each enum.
        self.labels: dict[str, frozenset[str]] = {}

    def relation(self, name: str) -> str | bool | None:
        """The kind of a table, view, index or sequence; False if nothing has the name, None if it is not known."""
        known = self._known.get(self._key("relation", name), False)
        if self.is_unsure or known is None or self._key("relation", name) in self._known:
            return None if self.is_unsure or known is None else "table" if known else False
        found = self._read(RELATION, SQLITE_RELATION, name=quote_path(name) if self.facts.has_locks else name)
        if not found:
            return False
        kind, own = self._kind(found[0])
        return None if own in self.lost else kind

    def column(self, table: str, column: str) -> bool | None:
        """Whether a table has a column; None if it is not known."""
        return self._inside("column", table, column, lambda: bool(self._read_column(table, column)))

    def constraint(self, table: str, name: str) -> bool | None:
        """Whether a table has a constraint with a name that ends so; on SQLite it is not known."""
        if not self.facts.has_locks:
            return None
        read = self.facts.read(CONSTRAINTS, table=quote_path(table))
        return self._inside("constraint", table, name, lambda: any(row.conname.endswith(name) for row in read))

    def type(self, name: str) -> bool | None:
        """Whether there is a type; None if it is not known."""
        if self.is_unsure or self._key("type", name) in self._known:
            return None if self.is_unsure else self._known[self._key("type", name)]
        return bool(self.facts.read(TYPE, name=quote_path(name)))

    def has_constraint(self, table: str, name: str) -> bool | None:
        """Whether a table has a constraint of exactly this name; None if it is not known, and on SQLite."""
        read = self.facts.read(CONSTRAINTS, table=quote_path(table))
        found = self._inside("constraint", table, name, lambda: any(row.conname == name for row in read))
        return None if found and self.may_be_dropped(table, name, ()) else found

    def is_type_changed(self, name: str) -> bool:
        """Whether the plan makes or drops a type, or takes a label from it."""
        return any(self._key(kind, name) in self._known for kind in ("type", "labels"))

    def may_be_dropped(self, table: str, constraint: str, columns: Iterable[str]) -> bool:
        """Whether a constraint of the database may be gone by now, by itself or with one of its columns."""
        own = self._key("constraint", table)
        is_dropped = any(
            key[:2] == own and constraint.endswith(key[2]) and there is not True for key, there in self._known.items()
        )
        return is_dropped or any(self.column(table, column) is not True for column in columns)

    def is_made(self, table: str) -> bool:
        """Whether the plan makes, changes or drops a table as a whole."""
        return self.is_unsure or self._key("relation", table) in self._known

    def note(self, operation: Any) -> None:
        """Note what an operation does."""
        in_block = Mark.IN_BLOCK in marks_of(operation)
        if isinstance(operation, UNKNOWN) or is_unknown(operation, self.facts):
            self.is_unsure = True
        for kind, names, is_there in effects_of(operation, self.facts):
            self._known[self._key(kind, *names)] = None if in_block else is_there
            if kind == "relation":
                self._known[self._key("type", *names)] = None
        self.lost.update(tables_that_lose(operation, self.facts))
        if isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
            self.retyped.add((table_name(operation, self.facts) or "", operation.column_name))
        if (made := index_made(operation, self.facts)) is not None:
            self.indexes[made[0]] = made[1]
        if isinstance(operation, AddEnumValueOp):
            self.labels[operation.name] = self.labels.get(operation.name, frozenset()) | {operation.label}
        if adds_key(operation):
            self.keyed.add(table_name(operation, self.facts) or "")
        if (table := table_that_gains(operation, self.facts)) is not None:
            self.gained.add(table)

    def copied(self) -> "Presence":
        """The same knowledge, to which more can be added."""
        found = copy(self)
        found._known = dict(self._known)
        found.lost, found.gained = set(self.lost), set(self.gained)
        found.keyed, found.retyped = set(self.keyed), set(self.retyped)
        found.indexes, found.labels = dict(self.indexes), dict(self.labels)
        return found

    def _inside(self, kind: str, table: str, name: str, read: Any) -> bool | None:
        key = self._key(kind, table, name)
        if self.is_unsure or key in self._known:
            return None if self.is_unsure else self._known[key]
        if self.is_made(table):
            return None
        found: bool = read()
        uncertain = self.lost if found else self.gained
        return None if kind != "column" and table in uncertain else found

    def _read_column(self, table: str, column: str) -> list[Any]:
        name = quote_path(table) if self.facts.has_locks else table
        return self._read(COLUMN, SQLITE_COLUMN, table=name, column=column)

    def _read(self, query: sa.TextClause, sqlite: sa.TextClause, **values: str) -> list[Any]:
        if self.facts.has_locks:
            return self.facts.read(query, **values)
        return list(self.facts.connection.execute(sqlite, values))

    def _kind(self, row: Any) -> tuple[str | None, str | None]:
        if not self.facts.has_locks:
            return row.type, row.tbl_name if row.type == "index" else None
        return KINDS.get(row.kind), None if row.own is None else self.facts.qualified(row.own, row.schema)

    def _key(self, *names: str) -> tuple[str, ...]:
        return names if self.facts.has_locks else tuple(name.lower() for name in names)
