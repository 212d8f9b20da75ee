"""The rules about tables, their constraints and their indexes."""

from collections.abc import Iterator
from typing import Any

from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops

from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp, DropIndexConcurrentlyOp
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp
from agents_app.dbtools.review import catalog, safe_calls, table_warnings
from agents_app.dbtools.review.column_rules import text_of
from agents_app.dbtools.review.effects import final_constraint_name
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.sql_operations import (
    AddPartitionOp,
    AttachPartitionOp,
    DetachPartitionOp,
    DropObjectOp,
    LockTableOp,
    Mark,
    RefreshViewOp,
    RenameObjectOp,
    RewriteTableOp,
    marks_of,
)
from agents_app.dbtools.review.warnings import StepWarning

Found = Iterator[StepWarning]


def _drop_table(operation: ops.DropTableOp, table: str, facts: DatabaseFacts) -> Found:
    if operation.if_exists and not facts.size(table).is_there and table not in facts.named:
        return
    dropped = table_warnings.table_dropped(table, facts.rows(table))
    yield table_warnings.without_saved_rows(dropped) if Mark.FROM_SQL in marks_of(operation) else dropped


def _rename_table(operation: ops.RenameTableOp, table: str, facts: DatabaseFacts) -> Found:
    facts.named[operation.new_table_name] = facts.named.get(table, table)
    # A view with the old name serves the running release.
    if table not in facts.views:
        yield table_warnings.table_renamed(table, operation.new_table_name)


def _create_index(operation: ops.CreateIndexOp, table: str, facts: DatabaseFacts) -> Found:
    is_there = operation.if_not_exists and facts.table_of_index(operation.index_name or "", operation.schema)
    if facts.is_in_use(table) and not operation.kw.get("postgresql_concurrently") and not is_there:
        name = str(operation.index_name or "")
        is_unique, schema = bool(operation.unique), _other_schema(table)
        call = safe_calls.create_index(table, name, operation.columns, operation.kw, is_unique=is_unique, schema=schema)
        yield table_warnings.index_created(table, name, call)


def _drop_index(operation: ops.DropIndexOp, _table: str | None, facts: DatabaseFacts) -> Found:
    name = str(operation.index_name)
    found = facts.table_of_index(name, operation.schema)
    if found is not None and not operation.kw.get("postgresql_concurrently") and facts.is_in_use(found):
        yield table_warnings.index_dropped(found, name, is_unique=catalog.is_unique(facts, name, operation.schema))
    elif found is not None or operation.table_name:
        yield from _drop_unique(found or str(operation.table_name), name, facts)


def _drop_concurrently(operation: DropIndexConcurrentlyOp, table: str, facts: DatabaseFacts) -> Found:
    yield from _drop_unique(table, operation.name, facts)


def _drop_unique(table: str, name: str, facts: DatabaseFacts) -> Found:
    columns = catalog.unique_columns(facts, table, name) if facts.rows(table) != 0 else None
    # Another rule of this plan can take its place.
    if columns is not None and not any(kept[0] == table and kept[1] <= set(columns) for kept in facts.unique):
        yield table_warnings.unique_dropped(table, name)


def _create_concurrently(operation: CreateIndexConcurrentlyOp, table: str, facts: DatabaseFacts) -> Found:
    if operation.unique and operation.condition is None:
        facts.unique.append((table, set(_column_names(operation.columns))))
    yield from ()


def _add_unique(operation: AddUniqueConstraintOp, table: str, facts: DatabaseFacts) -> Found:
    facts.unique.append((table, set(operation.columns)))
    yield from ()


def _create_unique(operation: ops.CreateUniqueConstraintOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.is_in_use(table) and not operation.kw.get("postgresql_using_index"):
        name = str(operation.constraint_name or table_warnings.UNNAMED)
        call = safe_calls.add_unique(table, name, _column_names(operation.columns), operation.kw, _other_schema(table))
        yield table_warnings.unique_added(table, name, call)


def _create_primary_key(operation: ops.CreatePrimaryKeyOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.is_in_use(table) and not operation.kw.get("postgresql_using_index"):
        yield table_warnings.primary_key_added(table)


def _create_foreign_key(operation: ops.CreateForeignKeyOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.is_in_use(table) and not operation.kw.get("postgresql_not_valid"):
        name = str(operation.constraint_name or table_warnings.UNNAMED)
        yield table_warnings.not_validated(table, "FOREIGN KEY", name, operation.referent_table)


def _create_check(operation: ops.CreateCheckConstraintOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.is_in_use(table) and not operation.kw.get("postgresql_not_valid"):
        name = final_constraint_name(operation) or table_warnings.UNNAMED
        yield table_warnings.not_validated(table, "CHECK", name)


def _exclude(operation: CreateExcludeConstraintOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.is_in_use(table):
        yield table_warnings.exclusion_added(table, str(operation.constraint_name or table_warnings.UNNAMED))


def _attach(_operation: AttachPartitionOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.is_in_use(table):
        yield table_warnings.partition_attached(table)


def _add_partition(_operation: AddPartitionOp, table: str, facts: DatabaseFacts) -> Found:
    default = catalog.default_partition(facts, table)
    if default is not None and facts.is_in_use(default):
        yield table_warnings.partition_added(table, default)


def _detach(operation: DetachPartitionOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.rows(operation.partition) != 0:
        yield table_warnings.partition_detached(table, operation.partition)


def _drop_constraint(operation: ops.DropConstraintOp, table: str, facts: DatabaseFacts) -> Found:
    name = str(operation.constraint_name)
    if facts.is_in_use(table) and catalog.is_primary_key(facts, table, name):
        yield table_warnings.primary_key_dropped(table, name)
    else:
        yield from _drop_unique(table, name, facts)


def _lock(operation: LockTableOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.is_in_use(table):
        yield table_warnings.table_locked(table, operation.mode)


def _rewrite(operation: RewriteTableOp, table: str | None, facts: DatabaseFacts) -> Found:
    index = getattr(operation, "index_name", None)
    table = facts.table_of_index(index) if index else table
    if facts.has_locks and (table is None or facts.is_in_use(table)):
        yield table_warnings.table_rewritten(table, operation.verb, operation.instead)


def _refresh(_operation: RefreshViewOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.is_in_use(table):
        yield table_warnings.view_refreshed(table)


def _rename_object(operation: RenameObjectOp, _table: None, _facts: DatabaseFacts) -> Found:
    yield table_warnings.object_renamed(operation.kind, operation.name, operation.new_name)


def _drop_object(operation: DropObjectOp, _table: None, _facts: DatabaseFacts) -> Found:
    if operation.kind == "right":
        yield table_warnings.right_taken(operation.name)
    else:
        yield table_warnings.object_dropped(operation.kind, operation.name)


def _other_schema(table: str) -> str | None:
    return table.rpartition(".")[0] or None


def _column_names(columns: Any) -> list[str]:
    return [text_of(column) for column in columns]


RULES: dict[Any, Any] = {
    ops.DropTableOp: _drop_table,
    ops.RenameTableOp: _rename_table,
    ops.DropConstraintOp: _drop_constraint,
    ops.CreateIndexOp: _create_index,
    ops.DropIndexOp: _drop_index,
    CreateIndexConcurrentlyOp: _create_concurrently,
    DropIndexConcurrentlyOp: _drop_concurrently,
    AddUniqueConstraintOp: _add_unique,
    ops.CreateUniqueConstraintOp: _create_unique,
    ops.CreatePrimaryKeyOp: _create_primary_key,
    ops.CreateForeignKeyOp: _create_foreign_key,
    ops.CreateCheckConstraintOp: _create_check,
    CreateExcludeConstraintOp: _exclude,
    AttachPartitionOp: _attach,
    AddPartitionOp: _add_partition,
    DetachPartitionOp: _detach,
    LockTableOp: _lock,
    RewriteTableOp: _rewrite,
    RefreshViewOp: _refresh,
    RenameObjectOp: _rename_object,
    DropObjectOp: _drop_object,
}
