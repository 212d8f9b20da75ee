"""What is there at each place of a plan: in the database, and after the operations before that place."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.enums import CreateEnumOp, DropEnumOp
from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp, DropIndexConcurrentlyOp
from agents_app.dbtools.operations.renames import AnswerRenameOp
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp
from agents_app.dbtools.review.facts import DatabaseFacts, quote_path
from agents_app.dbtools.review.sql_operations import (
    CallFunctionOp,
    CreateViewOp,
    DropObjectOp,
    DropTypeOp,
    Mark,
    NotUnderstoodOp,
    RenameObjectOp,
    SettingOp,
    WideStatementOp,
    marks_of,
)

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
# They may change anything.
UNKNOWN = (NotUnderstoodOp, WideStatementOp, DropObjectOp, RenameObjectOp, AnswerRenameOp)


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

    def is_made(self, table: str) -> bool:
        """Whether the plan makes, changes or drops a table as a whole."""
        return self.is_unsure or self._key("relation", table) in self._known

    def note(self, operation: Any) -> None:
        """Note what an operation does."""
        in_block = Mark.IN_BLOCK in marks_of(operation)
        if isinstance(operation, UNKNOWN) or _is_unknown(operation, self.facts):
            self.is_unsure = True
        for kind, names, is_there in _effects(operation, self.facts):
            self._known[self._key(kind, *names)] = None if in_block else is_there
            if kind == "relation":
                self._known[self._key("type", *names)] = None
        self.lost.update(_tables_that_lose(operation, self.facts))
        if _adds_key(operation):
            self.keyed.add(table_name(operation, self.facts) or "")
        if (table := _table_that_gains(operation, self.facts)) is not None:
            self.gained.add(table)

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


def table_name(operation: Any, facts: DatabaseFacts) -> str | None:
    """The table that an operation names, with its schema unless that is the console's own."""
    if isinstance(operation, ops.CreateForeignKeyOp):
        return facts.qualified(str(operation.source_table), operation.kw.get("source_schema"))
    name = getattr(operation, "table_name", None)
    return None if name is None else facts.qualified(str(name), getattr(operation, "schema", None))


def in_schema(facts: DatabaseFacts, operation: Any, name: str | None) -> str:
    """The name of an index, which is in the schema of its table."""
    return facts.qualified(str(name), getattr(operation, "schema", None))


Effects = Iterator[tuple[str, tuple[str, ...], bool | None]]


def _effects(operation: Any, facts: DatabaseFacts) -> Effects:
    table = table_name(operation, facts)
    if isinstance(operation, CreateEnumOp | DropEnumOp | DropTypeOp):
        yield "type", (operation.name,), True if isinstance(operation, CreateEnumOp) else None
    elif isinstance(operation, ops.DropIndexOp):
        yield "relation", (in_schema(facts, operation, operation.index_name),), False
    elif isinstance(operation, DropIndexConcurrentlyOp):
        yield "relation", (operation.name,), False
    elif table is None:
        return
    elif isinstance(operation, ops.CreateTableOp | CreateViewOp):
        yield "relation", (table,), True
    elif isinstance(operation, ops.DropTableOp):
        yield "relation", (table,), False
    elif isinstance(operation, ops.RenameTableOp):
        yield "relation", (table,), False
        yield "relation", (facts.qualified(str(operation.new_table_name), operation.schema),), True
    else:
        yield from _effects_inside(operation, table, facts)


def _effects_inside(operation: Any, table: str, facts: DatabaseFacts) -> Effects:
    if isinstance(operation, ops.AddColumnOp):
        yield "column", (table, str(operation.column.name)), True
    elif isinstance(operation, ops.DropColumnOp):
        yield "column", (table, operation.column_name), False
    elif isinstance(operation, ops.AlterColumnOp) and operation.modify_name not in (None, operation.column_name):
        yield "column", (table, operation.column_name), False
        yield "column", (table, str(operation.modify_name)), True
    elif isinstance(operation, ops.CreateIndexOp) and operation.index_name is not None:
        yield "relation", (in_schema(facts, operation, operation.index_name),), True
    elif isinstance(operation, CreateIndexConcurrentlyOp | AddUniqueConstraintOp):
        yield "relation", (operation.name,), True
        yield "constraint", (table, operation.name), True
    elif isinstance(operation, ops.DropConstraintOp):
        yield "constraint", (table, str(operation.constraint_name)), False
        # The index of a UNIQUE constraint goes with it.
        yield "relation", (in_schema(facts, operation, str(operation.constraint_name)),), None
    elif isinstance(operation, ops.AddConstraintOp) and (name := getattr(operation, "constraint_name", None)):
        yield "constraint", (table, str(name)), True
        yield "relation", (in_schema(facts, operation, str(name)),), None


def _tables_that_lose(operation: MigrateOperation, facts: DatabaseFacts) -> Iterator[str]:
    # Indexes and constraints go with a column.
    losing = (ops.DropTableOp, ops.RenameTableOp, ops.DropColumnOp, ops.AlterColumnOp, ops.DropConstraintOp)
    table = table_name(operation, facts)
    if table is not None and isinstance(operation, losing):
        yield table
    if isinstance(operation, ops.RenameTableOp):
        yield facts.qualified(str(operation.new_table_name), operation.schema)


def _table_that_gains(operation: Any, facts: DatabaseFacts) -> str | None:
    # Something whose name the database chooses.
    is_unnamed = isinstance(operation, ops.AddConstraintOp) and getattr(operation, "constraint_name", None) is None
    is_unnamed = is_unnamed or (isinstance(operation, ops.CreateIndexOp) and operation.index_name is None)
    has_own = isinstance(operation, ops.AddColumnOp) and (operation.column.unique or operation.column.index)
    return table_name(operation, facts) if is_unnamed or has_own else None


def _adds_key(operation: Any) -> bool:
    if isinstance(operation, ops.CreateIndexOp | CreateIndexConcurrentlyOp):
        return bool(operation.unique)
    kinds = (ops.CreateUniqueConstraintOp, ops.CreatePrimaryKeyOp, AddUniqueConstraintOp)
    is_column = isinstance(operation, ops.AddColumnOp) and bool(operation.column.unique or operation.column.primary_key)
    return is_column or isinstance(operation, kinds)


def _is_unknown(operation: Any, facts: DatabaseFacts) -> bool:
    if isinstance(operation, CallFunctionOp):
        return facts.runs_unknown_statements(operation.name, may_be_keyword=operation.may_be_keyword)
    return isinstance(operation, SettingOp) and operation.name in ("search_path", "role", "all")
