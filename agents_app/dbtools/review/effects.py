"""What an operation makes and removes: tables, columns, indexes, constraints and types."""

from collections.abc import Iterator
from typing import Any

from alembic.operations import MigrateOperation, ops
from sqlalchemy.sql.elements import conv

from agents_app.db import NAMING_CONVENTION
from agents_app.dbtools.operations.enum_values import RemoveEnumValueOp
from agents_app.dbtools.operations.enums import CreateEnumOp, DropEnumOp
from agents_app.dbtools.operations.index_renames import RenameIndexOp
from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp, DropIndexConcurrentlyOp
from agents_app.dbtools.operations.renames import AnswerRenameOp
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.sql_operations import (
    CallFunctionOp,
    CreateViewOp,
    DropObjectOp,
    DropTypeOp,
    NotUnderstoodOp,
    RenameLabelOp,
    RenameObjectOp,
    SettingOp,
    TouchTableOp,
    WideStatementOp,
)

# They may change anything.
UNKNOWN = (NotUnderstoodOp, WideStatementOp, DropObjectOp, RenameObjectOp, AnswerRenameOp)


def table_name(operation: Any, facts: DatabaseFacts) -> str | None:
    """The table that an operation names, with its schema unless that is the console's own."""
    if isinstance(operation, ops.CreateForeignKeyOp):
        return facts.qualified(str(operation.source_table), operation.kw.get("source_schema"))
    name = getattr(operation, "table_name", None)
    return None if name is None else facts.qualified(str(name), getattr(operation, "schema", None))


def final_constraint_name(operation: Any) -> str | None:
    """The name that a new constraint has in the database; None if the database chooses it."""
    given = operation.name if isinstance(operation, AddUniqueConstraintOp) else operation.constraint_name
    # A name of op.f is complete; another one of a CHECK becomes part of the conventional name.
    if given is None or isinstance(given, conv) or not isinstance(operation, ops.CreateCheckConstraintOp):
        return None if given is None else str(given)
    return NAMING_CONVENTION["ck"] % {"table_name": operation.table_name, "constraint_name": given}


def in_schema(facts: DatabaseFacts, operation: Any, name: str | None) -> str:
    """The name of an index, which is in the schema of its table."""
    return facts.qualified(str(name), getattr(operation, "schema", None))


IndexMade = tuple[str, bool, tuple[str, ...]]
Effects = Iterator[tuple[str, tuple[str, ...], bool | None]]


def effects_of(operation: Any, facts: DatabaseFacts) -> Effects:
    """The kind and the names of what is there after an operation (True), is gone (False), or may be there (None)."""
    if (renamed := _renamed(operation, facts)) is not None:
        yield from renamed
        return
    table = table_name(operation, facts)
    if isinstance(operation, RemoveEnumValueOp | RenameLabelOp):
        yield "labels", (operation.name,), None
    elif isinstance(operation, CreateEnumOp | DropEnumOp | DropTypeOp):
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


def _renamed(operation: Any, facts: DatabaseFacts) -> Effects | None:
    if isinstance(operation, RenameIndexOp):
        return _names_changed("relation", operation, (operation.old, operation.new), facts)
    # The old and the new name of a constraint of the table or, without a table, of an index.
    renamed = getattr(operation, "renamed", None) if isinstance(operation, TouchTableOp) else None
    kind = "relation" if getattr(operation, "table_name", None) is None else "constraint"
    return None if renamed is None else _names_changed(kind, operation, renamed, facts)


def _names_changed(kind: str, operation: Any, names: tuple[str, str], facts: DatabaseFacts) -> Effects:
    # An index can be that of a constraint, which then gets the same name.
    table = table_name(operation, facts) or facts.table_of_index(names[0], operation.schema)
    for name, is_there in zip(names, (False, True), strict=True):
        yield "relation", (in_schema(facts, operation, name),), is_there if kind == "relation" else None
        if table is not None:
            yield "constraint", (table, name), is_there if kind == "constraint" else None


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
        yield "constraint", (table, final_constraint_name(operation) or ""), True
        yield "relation", (in_schema(facts, operation, str(name)),), None


def tables_that_lose(operation: MigrateOperation, facts: DatabaseFacts) -> Iterator[str]:
    """The tables that may have lost indexes or constraints."""
    # Those of a column go and constraints with it.
    losing = (ops.DropTableOp, ops.RenameTableOp, ops.DropColumnOp, ops.AlterColumnOp, ops.DropConstraintOp)
    table = table_name(operation, facts)
    if table is not None and isinstance(operation, losing):
        yield table
    if isinstance(operation, ops.RenameTableOp):
        yield facts.qualified(str(operation.new_table_name), operation.schema)


def table_that_gains(operation: Any, facts: DatabaseFacts) -> str | None:
    """The table that gets something whose name the database chooses."""
    is_unnamed = isinstance(operation, ops.AddConstraintOp) and getattr(operation, "constraint_name", None) is None
    is_unnamed = is_unnamed or (isinstance(operation, ops.CreateIndexOp) and operation.index_name is None)
    has_own = isinstance(operation, ops.AddColumnOp) and (operation.column.unique or operation.column.index)
    return table_name(operation, facts) if is_unnamed or has_own else None


def index_made(operation: Any, facts: DatabaseFacts) -> tuple[str, IndexMade] | None:
    """The name of the index that an operation makes, with its table, whether it is unique, and its columns as text."""
    table = table_name(operation, facts) or ""
    if isinstance(operation, ops.CreateIndexOp) and operation.index_name is not None:
        name, is_unique = in_schema(facts, operation, operation.index_name), bool(operation.unique)
    elif isinstance(operation, CreateIndexConcurrentlyOp | AddUniqueConstraintOp):
        name, is_unique = in_schema(facts, operation, operation.name), getattr(operation, "unique", True)
    else:
        return None
    return name, (table, is_unique, tuple(map(str, operation.columns)))


def adds_key(operation: Any) -> bool:
    """Whether a table gets a unique key."""
    if isinstance(operation, ops.CreateIndexOp | CreateIndexConcurrentlyOp):
        return bool(operation.unique)
    kinds = (ops.CreateUniqueConstraintOp, ops.CreatePrimaryKeyOp, AddUniqueConstraintOp)
    is_column = isinstance(operation, ops.AddColumnOp) and bool(operation.column.unique or operation.column.primary_key)
    return is_column or isinstance(operation, kinds)


def is_unknown(operation: Any, facts: DatabaseFacts) -> bool:
    """Whether it is not known what a function or a setting changes."""
    if isinstance(operation, CallFunctionOp):
        return facts.runs_unknown_statements(operation.name, may_be_keyword=operation.may_be_keyword)
    return isinstance(operation, SettingOp) and operation.name in ("search_path", "role", "all")
