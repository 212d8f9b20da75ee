"""The limits that an operation sets on rows that exist, each with a query that finds the rows beyond it."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import MigrateOperation, ops
from sqlalchemy.exc import SQLAlchemyError

from agents_app.dbtools.operations.constraints import SetNotNullOp, ValidateConstraintOp
from agents_app.dbtools.operations.enum_values import RemoveEnumValueOp
from agents_app.dbtools.operations.enums import CreateEnumOp
from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp
from agents_app.dbtools.operations.requirements import IncompleteRequirement, RequireOp
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp
from agents_app.dbtools.review import catalog, type_limits
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.limit_queries import (
    RowLimit,
    against_check,
    duplicates,
    missing_values,
    of_query,
    orphans,
    rows_for_new_column,
    rows_with_label,
    uncounted,
)
from agents_app.dbtools.review.sql_operations import AddPartitionOp, AttachPartitionOp, ChangeDomainOp
from agents_app.dbtools.review.sql_rows import always_finds_a_row, changes_rows

Found = Iterator[RowLimit]
ALWAYS = (
    "op.require needs a query that lists rows. This one finds one also if it counts none: add HAVING count(*) > 0 to"
)
# What follows the expression of an index, and is not a part of its value.
ORDER = re.compile(r"\s+(ASC|DESC)?\s*(NULLS\s+(FIRST|LAST))?\s*$", re.IGNORECASE)
CLASS = re.compile(r"\s+\w+_ops$", re.IGNORECASE)


def limits_of(operation: MigrateOperation, facts: DatabaseFacts) -> Found:
    """The limits that an operation sets on rows that exist."""
    find: Any = LIMITS.get(type(operation))
    if find is not None:
        yield from find(operation, facts)


def sql_of(value: Any, facts: DatabaseFacts) -> str:
    """The SQL of a condition or of the column of an index: a text, or an expression of SQLAlchemy."""
    if isinstance(value, str):
        return value
    # Without a connection's own parameters `%` is not doubled.
    known: Any = type(facts.connection.dialect)
    dialect = known(paramstyle="named")
    try:
        return str(value.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except (SQLAlchemyError, NotImplementedError):
        # The plan says that it cannot be counted.
        return str(value.compile(dialect=dialect))


def _table(operation: Any, facts: DatabaseFacts) -> str:
    return facts.qualified(str(operation.table_name), getattr(operation, "schema", None))


def _not_null(table: str, column: str, facts: DatabaseFacts) -> Found:
    if not facts.is_not_null(table, column) and not facts.is_checked(table, column):
        yield missing_values(facts, table, column)


def _alter_column(operation: ops.AlterColumnOp, facts: DatabaseFacts) -> Found:
    table, column = _table(operation, facts), str(operation.column_name)
    if operation.modify_nullable is False:
        yield from _not_null(table, column, facts)
    if operation.modify_type is not None:
        using = operation.kw.get("postgresql_using")
        yield from type_limits.limits_of_type(facts, table, column, operation.modify_type, using)


def _set_not_null(operation: SetNotNullOp, facts: DatabaseFacts) -> Found:
    yield from _not_null(operation.table_name, operation.column_name, facts)


def _add_column(operation: ops.AddColumnOp, facts: DatabaseFacts) -> Found:
    column, table = operation.column, _table(operation, facts)
    has_value = column.server_default is not None or column.identity is not None or column.computed is not None
    is_required = not column.nullable or column.primary_key
    if is_required and not has_value and not facts.has_column(table, column.name):
        yield rows_for_new_column(facts, table, column.name)


def _unique(operation: ops.CreateUniqueConstraintOp, facts: DatabaseFacts) -> Found:
    equal = bool(operation.kw.get("postgresql_nulls_not_distinct"))
    yield from _duplicates(facts, _table(operation, facts), operation.columns, "UNIQUE", nulls_are_equal=equal)


def _add_unique(operation: AddUniqueConstraintOp, facts: DatabaseFacts) -> Found:
    if not catalog.has_valid_index(facts, operation.table_name, operation.name):
        equal = bool(operation.options.get("postgresql_nulls_not_distinct"))
        table = facts.qualified(operation.table_name, None)
        yield from _duplicates(facts, table, operation.columns, "UNIQUE", nulls_are_equal=equal)


def _primary_key(operation: ops.CreatePrimaryKeyOp, facts: DatabaseFacts) -> Found:
    table = _table(operation, facts)
    for column in operation.columns:
        yield from _not_null(table, str(column), facts)
    yield from _duplicates(facts, table, operation.columns, "PRIMARY KEY")


def _index(operation: ops.CreateIndexOp, facts: DatabaseFacts) -> Found:
    table = _table(operation, facts)
    # IF NOT EXISTS leaves an index that is there as it is.
    if operation.unique and not catalog.has_valid_index(facts, table, operation.index_name):
        where = operation.kw.get(f"{facts.dialect}_where")
        equal = bool(operation.kw.get("postgresql_nulls_not_distinct"))
        yield from _duplicates(facts, table, operation.columns, "the unique index", where, nulls_are_equal=equal)


def _index_concurrently(operation: CreateIndexConcurrentlyOp, facts: DatabaseFacts) -> Found:
    table = facts.qualified(operation.table_name, None)
    if operation.unique and not catalog.has_valid_index(facts, table, operation.name):
        where = operation.condition
        equal = bool(operation.options.get("postgresql_nulls_not_distinct"))
        yield from _duplicates(facts, table, operation.columns, "the unique index", where, nulls_are_equal=equal)


def _duplicates(
    facts: DatabaseFacts,
    table: str,
    columns: Sequence[Any],
    rule: str,
    where: Any = None,
    *,
    nulls_are_equal: bool = False,
) -> Found:
    # USING INDEX names no columns: its index has refused duplicates already.
    if not columns:
        return
    names = [str(column) for column in columns if isinstance(column, str)]
    values = [column if isinstance(column, str) else _value(column, facts) for column in columns]
    quoted = [catalog.quote(facts, found) if found in names else found for found in values]
    condition = None if where is None else sql_of(where, facts)
    yield duplicates(table, names, quoted, rule, condition, nulls_are_equal=nulls_are_equal, facts=facts)


def _value(column: Any, facts: DatabaseFacts) -> str:
    return CLASS.sub("", ORDER.sub("", f"{sql_of(column, facts)} ").strip())


def _check(operation: ops.CreateCheckConstraintOp, facts: DatabaseFacts) -> Found:
    condition = sql_of(operation.condition, facts)
    name, is_later = str(operation.constraint_name or ""), _is_validated_later(operation, facts)
    yield against_check(facts, _table(operation, facts), condition, name, is_later=is_later)


def _foreign_key(operation: ops.CreateForeignKeyOp, facts: DatabaseFacts) -> Found:
    table = facts.qualified(str(operation.source_table), operation.kw.get("source_schema"))
    referent = facts.qualified(str(operation.referent_table), operation.kw.get("referent_schema"))
    referred = list(operation.remote_cols) or catalog.primary_key(facts, referent)
    if len(referred) == len(operation.local_cols):
        pairs = list(zip(operation.local_cols, referred, strict=True))
        name, is_later = str(operation.constraint_name or ""), _is_validated_later(operation, facts)
        is_full = str(operation.kw.get("match") or "").upper() == "FULL"
        yield orphans(facts, table, referent, pairs, name, is_later=is_later, is_full=is_full)


def _is_validated_later(operation: Any, facts: DatabaseFacts) -> bool:
    # SQLite checks the rows at once.
    return facts.has_locks and bool(operation.kw.get("postgresql_not_valid"))


def _validate(operation: ValidateConstraintOp, facts: DatabaseFacts) -> Found:
    found = catalog.constraint(facts, operation.table_name, operation.name)
    if found is None or found.is_valid:
        return
    if found.condition is not None:
        yield against_check(facts, operation.table_name, found.condition, operation.name)
    elif found.referent is not None:
        pairs = list(zip(found.columns, found.referred, strict=True))
        yield orphans(facts, operation.table_name, found.referent, pairs, operation.name)


def _remove_label(operation: RemoveEnumValueOp, facts: DatabaseFacts) -> Found:
    for table, column in catalog.enum_columns(facts, operation.name, operation.label):
        yield rows_with_label(facts, table, column, operation.name, operation.label)


def _create_enum(operation: CreateEnumOp, facts: DatabaseFacts) -> Found:
    facts.enums[operation.name] = operation.labels
    yield from ()


def _require(operation: RequireOp, facts: DatabaseFacts) -> Found:
    if changes_rows(operation.query, facts.dialect):
        raise IncompleteRequirement(f"op.require needs one query that changes nothing, not: {operation.query[:200]}")
    if always_finds_a_row(operation.query, facts.dialect):
        raise IncompleteRequirement(f"{ALWAYS} {operation.query[:200]}")
    yield of_query(operation.query, operation.sentence, facts)


def _exclude(operation: CreateExcludeConstraintOp, facts: DatabaseFacts) -> Found:
    table = _table(operation, facts)
    yield uncounted(facts, table, "break", "the EXCLUDE constraint", "it compares each row with each other row")


def _attach(operation: AttachPartitionOp, facts: DatabaseFacts) -> Found:
    table = _table(operation, facts)
    yield uncounted(facts, table, "do not belong", "to the partition", "its limits are known to PostgreSQL only")


def _add_partition(operation: AddPartitionOp, facts: DatabaseFacts) -> Found:
    default = catalog.default_partition(facts, _table(operation, facts))
    if default is not None:
        yield uncounted(facts, default, "belong", "to the new partition", "its limits are known to PostgreSQL only")


def _domain(operation: ChangeDomainOp, facts: DatabaseFacts) -> Found:
    for table in catalog.tables_of_domain(facts, operation.name):
        yield uncounted(
            facts, table, "break", f"the domain {operation.name}", "PostgreSQL compares them when the step runs"
        )


LIMITS: dict[type[MigrateOperation], Callable[[Any, DatabaseFacts], Found]] = {
    ops.AlterColumnOp: _alter_column,
    ops.AddColumnOp: _add_column,
    ops.CreateUniqueConstraintOp: _unique,
    ops.CreatePrimaryKeyOp: _primary_key,
    ops.CreateIndexOp: _index,
    ops.CreateCheckConstraintOp: _check,
    ops.CreateForeignKeyOp: _foreign_key,
    SetNotNullOp: _set_not_null,
    AddUniqueConstraintOp: _add_unique,
    CreateIndexConcurrentlyOp: _index_concurrently,
    ValidateConstraintOp: _validate,
    RemoveEnumValueOp: _remove_label,
    CreateEnumOp: _create_enum,
    RequireOp: _require,
    CreateExcludeConstraintOp: _exclude,
    AttachPartitionOp: _attach,
    AddPartitionOp: _add_partition,
    ChangeDomainOp: _domain,
}
