"""Which operation of a step calls for which warning. What the warnings say is in `findings.py`."""

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
# They commit what came before them (on PostgreSQL), so they want a step of their own.
ALONE: dict[type[MigrateOperation], str] = {
    CreateIndexConcurrentlyOp: "op.create_index_concurrently",
    DropIndexConcurrentlyOp: "op.drop_index_concurrently",
    FillRowsOp: "op.fill_rows",
    SetNotNullOp: "op.set_not_null",
    AddEnumValueOp: "op.add_enum_value",
}


@dataclass
class DatabaseFacts:
    """What the rules must know of the database: its kind, how many rows, what is made on the way, what is checked.

    `added` are the columns, each with its table, that get no value from a release which does not know them.
    """

    dialect: str
    rows: Callable[[str], int | None]
    is_checked: Callable[[str, str], bool]
    made: set[str] = field(default_factory=set)
    added: set[tuple[str, str]] = field(default_factory=set)

    @property
    def has_locks(self) -> bool:
        """Whether people could wait: SQLite has one writer at a time and readers never wait."""
        return self.dialect == "postgresql"

    def is_in_use(self, table: str) -> bool:
        """Whether locks and long work on this table would be felt."""
        return self.has_locks and table not in self.made and self.rows(table) != 0


def warnings_for_operation(operation: MigrateOperation, facts: DatabaseFacts) -> Iterator[StepWarning]:
    """What is to be said against one operation. A table that this plan makes raises nothing."""
    if table_of(operation) in facts.made:
        return
    rule: Any = RULES.get(type(operation))
    if rule is not None:
        yield from rule(operation, facts)


def warnings_for_shared_step(operations: tuple[MigrateOperation, ...], facts: DatabaseFacts) -> Iterator[StepWarning]:
    """What is to be said against operations in one step that each want one of their own."""
    wanting = operation_that_needs_own_step(operations)
    if wanting is not None and facts.has_locks:
        yield warnings.shared_step(wanting)


def operation_that_needs_own_step(operations: tuple[MigrateOperation, ...]) -> str | None:
    """The operation that commits on the way and shares its step with others; None where there is none."""
    kinds = {type(operation) for operation in operations if not isinstance(operation, RequireTablesOp)}
    return next((name for kind, name in ALONE.items() if kind in kinds and len(kinds) > 1), None)


def table_of(operation: MigrateOperation) -> str | None:
    """The table an operation is about."""
    if isinstance(operation, ops.CreateForeignKeyOp):
        return operation.source_table
    if isinstance(operation, FillRowsOp):
        return operation.table.name
    found: str | None = getattr(operation, "table_name", None)
    return found


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
    # Text that may be longer is the same on the disk; of anything else PostgreSQL may write the table anew.
    present, wanted = sa.types.to_instance(present), sa.types.to_instance(wanted)
    if not isinstance(present, sa.String) or not isinstance(wanted, sa.String) or isinstance(wanted, sa.Enum):
        return False
    return wanted.length is None or (present.length is not None and present.length <= wanted.length)


def _create_index(operation: ops.CreateIndexOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.table_name) and not operation.kw.get("postgresql_concurrently"):
        yield warnings.index_created(operation.table_name, operation.index_name or "", _names(operation.columns))


def _create_unique(operation: ops.CreateUniqueConstraintOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.table_name):
        name = operation.constraint_name or "(unnamed)"
        yield warnings.unique_added(operation.table_name, str(name), _names(operation.columns))


def _create_key(operation: ops.CreatePrimaryKeyOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.table_name):
        yield warnings.primary_key_added(operation.table_name)


def _create_foreign_key(operation: ops.CreateForeignKeyOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.source_table) and not operation.kw.get("postgresql_not_valid"):
        yield warnings.not_validated(operation.source_table, "FOREIGN KEY", str(operation.constraint_name))


def _create_check(operation: ops.CreateCheckConstraintOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(operation.table_name) and not operation.kw.get("postgresql_not_valid"):
        yield warnings.not_validated(operation.table_name, "CHECK", _check_name(operation))


def _check_name(operation: ops.CreateCheckConstraintOp) -> str:
    # A name that op.f made is used as it stands, another becomes part of one.
    name = str(operation.constraint_name)
    if isinstance(operation.constraint_name, conv):
        return name
    return NAMING_CONVENTION["ck"] % {"table_name": operation.table_name, "constraint_name": name}


def _remove_label(operation: RemoveEnumValueOp, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.label_removed(operation.name, operation.label)


def _names(columns: Any) -> list[str]:
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
    ops.CreatePrimaryKeyOp: _create_key,
    ops.CreateForeignKeyOp: _create_foreign_key,
    ops.CreateCheckConstraintOp: _create_check,
    RemoveEnumValueOp: _remove_label,
    SetNotNullOp: _set_not_null,
}
