"""Which operation of a step gets which warning. The texts of the warnings are in `warnings.py`."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops
from sqlalchemy.sql.elements import conv

from agents_app.db import NAMING_CONVENTION
from agents_app.dbtools.operations.constraints import SetNotNullOp
from agents_app.dbtools.operations.enum_values import AddEnumValueOp, RemoveEnumValueOp
from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp, DropIndexConcurrentlyOp
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp, RequireTablesOp
from agents_app.dbtools.review import warnings
from agents_app.dbtools.review.warnings import StepWarning

VOLATILE = re.compile(
    r"\b(gen_random_uuid|uuid_generate_v\w+|random|clock_timestamp|timeofday|nextval|uuidv\d)\s*\(", re.IGNORECASE
)
# On PostgreSQL these commit the operations before them.
NEEDS_OWN_STEP: dict[type[MigrateOperation], str] = {
    CreateIndexConcurrentlyOp: "op.create_index_concurrently",
    DropIndexConcurrentlyOp: "op.drop_index_concurrently",
    FillRowsOp: "op.fill_rows",
    SetNotNullOp: "op.set_not_null",
    AddEnumValueOp: "op.add_enum_value",
}


@dataclass
class DatabaseFacts:
    """What the rules need to know of the database.

    `rows` counts the rows of a table. `is_checked` says whether a validated CHECK keeps a column from being NULL.
    `created` are the tables that this plan creates. `added` are the columns, each with its table, that get no value
    from the running release, which does not know them.
    """

    dialect: str
    rows: Callable[[str], int | None]
    is_checked: Callable[[str, str], bool]
    created: set[str] = field(default_factory=set)
    added: set[tuple[str, str]] = field(default_factory=set)

    @property
    def has_locks(self) -> bool:
        """Whether a lock keeps people waiting. SQLite has one writer at a time, and its readers never wait."""
        return self.dialect == "postgresql"

    def is_in_use(self, table: str) -> bool:
        """Whether a lock or slow work on this table keeps people waiting."""
        return self.has_locks and table not in self.created and self.rows(table) != 0


def warnings_for_operation(operation: MigrateOperation, facts: DatabaseFacts) -> Iterator[StepWarning]:
    """The warnings about one operation; none for a table that this plan creates."""
    if table_of(operation) in facts.created:
        return
    rule: Any = RULES.get(type(operation))
    if rule is not None:
        yield from rule(operation, facts)


def warnings_for_shared_step(operations: tuple[MigrateOperation, ...], facts: DatabaseFacts) -> Iterator[StepWarning]:
    """The warning about an operation that needs a step of its own and shares it."""
    operation = operation_that_needs_own_step(operations)
    if operation is not None and facts.has_locks:
        yield warnings.shared_step(operation)


def operation_that_needs_own_step(operations: tuple[MigrateOperation, ...]) -> str | None:
    """The operation that commits in the middle and shares its step with others; None without one."""
    kinds = {type(operation) for operation in operations if not isinstance(operation, RequireTablesOp)}
    return next((name for kind, name in NEEDS_OWN_STEP.items() if kind in kinds and len(kinds) > 1), None)


def table_of(operation: MigrateOperation) -> str | None:
    """The table that an operation changes."""
    if isinstance(operation, ops.CreateForeignKeyOp):
        return operation.source_table
    if isinstance(operation, FillRowsOp):
        return operation.table.name
    table: str | None = getattr(operation, "table_name", None)
    return table


def _drop_table(operation: ops.DropTableOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.table_dropped(operation.table_name, facts.rows(operation.table_name))


def _drop_column(operation: ops.DropColumnOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.column_dropped(operation.table_name, operation.column_name, facts.rows(operation.table_name))


def _rename_table(operation: ops.RenameTableOp, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.table_renamed(operation.table_name, operation.new_table_name)


def _add_column(operation: ops.AddColumnOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    table, column = operation.table_name, operation.column
    has_value = column.server_default is not None or column.identity is not None or column.computed is not None
    if not column.nullable and not has_value and facts.rows(table) != 0:
        yield warnings.value_missing(table, column.name)
    if not has_value:
        facts.added.add((table, column.name))
    if not facts.is_in_use(table):
        return
    default = _text(getattr(column.server_default, "arg", ""))
    if VOLATILE.search(default) or column.identity is not None:
        yield warnings.volatile_default(table, column.name, default or "IDENTITY")
    if column.unique:
        yield warnings.unique_added(table, f"uq_{table}_{column.name}", [column.name])
    if column.index:
        yield warnings.index_created(table, f"ix_{table}_{column.name}", [column.name])


def _alter_column(operation: ops.AlterColumnOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    table, column = operation.table_name, operation.column_name
    if operation.modify_name is not None and operation.modify_name != column:
        yield warnings.column_renamed(table, column, operation.modify_name)
    if operation.modify_nullable is False and (table, column) in facts.added:
        yield warnings.not_null_too_early(table, column)
    if not facts.is_in_use(table):
        return
    if operation.modify_type is not None and not _is_wider(operation.existing_type, operation.modify_type):
        yield warnings.type_changed(table, column, str(operation.modify_type))
    if operation.modify_nullable is False and not facts.is_checked(table, column):
        yield warnings.not_null_set(table, column)


def _set_not_null(operation: SetNotNullOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if (operation.table_name, operation.column_name) in facts.added:
        yield warnings.not_null_too_early(operation.table_name, operation.column_name)


def _is_wider(present: Any, wanted: Any) -> bool:
    # A longer text type is the same on disk. For any other change PostgreSQL may rewrite the table.
    present, wanted = sa.types.to_instance(present), sa.types.to_instance(wanted)
    if not isinstance(present, sa.String) or not isinstance(wanted, sa.String) or isinstance(wanted, sa.Enum):
        return False
    return wanted.length is None or (present.length is not None and present.length <= wanted.length)


def _create_index(operation: ops.CreateIndexOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.table_name) and not operation.kw.get("postgresql_concurrently"):
        yield warnings.index_created(operation.table_name, operation.index_name or "", _column_names(operation.columns))


def _create_unique(operation: ops.CreateUniqueConstraintOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.table_name):
        name = operation.constraint_name or "(unnamed)"
        yield warnings.unique_added(operation.table_name, str(name), _column_names(operation.columns))


def _create_primary_key(operation: ops.CreatePrimaryKeyOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.table_name):
        yield warnings.primary_key_added(operation.table_name)


def _create_foreign_key(operation: ops.CreateForeignKeyOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.source_table) and not operation.kw.get("postgresql_not_valid"):
        yield warnings.not_validated(operation.source_table, "FOREIGN KEY", str(operation.constraint_name))


def _create_check(operation: ops.CreateCheckConstraintOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.table_name) and not operation.kw.get("postgresql_not_valid"):
        yield warnings.not_validated(operation.table_name, "CHECK", _check_name(operation))


def _check_name(operation: ops.CreateCheckConstraintOp) -> str:
    # A name of op.f is complete; another becomes part of the conventional name.
    name = str(operation.constraint_name)
    if isinstance(operation.constraint_name, conv):
        return name
    return NAMING_CONVENTION["ck"] % {"table_name": operation.table_name, "constraint_name": name}


def _remove_label(operation: RemoveEnumValueOp, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.label_removed(operation.name, operation.label)


def _column_names(columns: Any) -> list[str]:
    return [_text(column) for column in columns]


def _text(value: Any) -> str:
    return str(getattr(value, "text", value))


RULES: dict[type[MigrateOperation], Callable[[Any, DatabaseFacts], Iterator[StepWarning]]] = {
    ops.DropTableOp: _drop_table,
    ops.DropColumnOp: _drop_column,
    ops.RenameTableOp: _rename_table,
    ops.AddColumnOp: _add_column,
    ops.AlterColumnOp: _alter_column,
    ops.CreateIndexOp: _create_index,
    ops.CreateUniqueConstraintOp: _create_unique,
    ops.CreatePrimaryKeyOp: _create_primary_key,
    ops.CreateForeignKeyOp: _create_foreign_key,
    ops.CreateCheckConstraintOp: _create_check,
    RemoveEnumValueOp: _remove_label,
    SetNotNullOp: _set_not_null,
}
