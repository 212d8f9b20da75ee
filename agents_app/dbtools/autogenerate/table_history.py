"""A table as the migrations made it, and what each operation changes of it."""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.constraints import SetNotNullOp
from agents_app.dbtools.operations.enum_values import AddEnumValueOp, RemoveEnumValueOp
from agents_app.dbtools.operations.index_renames import RenameIndexOp
from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp, DropIndexConcurrentlyOp
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp


@dataclass
class TableHistory:
    """A table after all migrations: its columns, and the operations that would add its constraints and indexes."""

    columns: dict[str, sa.Column[Any]] = field(default_factory=dict)
    constraints: dict[str, Any] = field(default_factory=dict)
    indexes: dict[str, ops.CreateIndexOp] = field(default_factory=dict)


Tables = dict[str, TableHistory]


def created_table(table: sa.Table) -> TableHistory:
    """The history of a table that an operation creates."""
    found = TableHistory({column.name: column for column in table.columns})
    for constraint in table.constraints:
        is_of_type = getattr(constraint, "_type_bound", False)
        if constraint.name and not is_of_type and (not isinstance(constraint, sa.PrimaryKeyConstraint)):
            found.constraints[str(constraint.name)] = ops.AddConstraintOp.from_constraint(constraint)
    return found


def _add_column(tables: Tables, operation: ops.AddColumnOp) -> None:
    tables[operation.table_name].columns[operation.column.name] = operation.column


def _drop_column(tables: Tables, operation: ops.DropColumnOp) -> None:
    table = tables[operation.table_name]
    table.columns.pop(operation.column_name, None)
    # The database drops these with the column.
    for parts in (table.indexes, table.constraints):
        for name in [name for name, part in parts.items() if _names_column(part, operation.column_name)]:
            del parts[name]


def _names_column(part: Any, column: str) -> bool:
    values = [*getattr(part, "columns", ()), *getattr(part, "local_cols", ()), getattr(part, "condition", "")]
    text = " ".join(str(getattr(value, "name", value)) for value in (*values, *part.kw.values()))
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", text) is not None


def _alter_column(tables: Tables, operation: ops.AlterColumnOp) -> None:
    columns = tables[operation.table_name].columns
    column = columns[operation.column_name]
    name = operation.modify_name or column.name
    default = column.server_default
    if operation.modify_server_default is not False:
        default = getattr(operation.modify_server_default, "arg", operation.modify_server_default)
    columns[name] = sa.Column(
        name,
        operation.modify_type if operation.modify_type is not None else column.type,
        server_default=_default(default),
        nullable=column.nullable if operation.modify_nullable is None else operation.modify_nullable,
        comment=column.comment if operation.modify_comment is False else operation.modify_comment,
    )
    if name != operation.column_name:
        del columns[operation.column_name]


def _default(default: Any) -> Any:
    # A generated or identity column has no text for a default. A copy belongs to no other column.
    return default._copy() if isinstance(default, sa.Computed | sa.Identity) else getattr(default, "arg", default)


def _set_not_null(tables: Tables, operation: SetNotNullOp) -> None:
    column = tables[operation.table_name].columns[operation.column_name]
    # A copy: the file of the step may use its column again.
    column = column._copy()
    column.nullable = False
    tables[operation.table_name].columns[operation.column_name] = column


def _change_label(tables: Tables, operation: AddEnumValueOp | RemoveEnumValueOp) -> None:
    for table in tables.values():
        for name, column in table.columns.items():
            if isinstance(column.type, sa.Enum) and column.type.name == operation.name:
                labels = [label for label in column.type.enums if label != operation.label]
                labels = operation.added_to(labels) if isinstance(operation, AddEnumValueOp) else labels
                options = {"native_enum": column.type.native_enum, "create_constraint": column.type.create_constraint}
                changed = sa.Enum(*labels, name=operation.name, **options)
                table.columns[name] = sa.Column(
                    name, changed, server_default=_default(column.server_default), nullable=column.nullable
                )


def _create_index(tables: Tables, operation: ops.CreateIndexOp) -> None:
    tables[operation.table_name].indexes[str(operation.index_name)] = operation


def _create_concurrently(tables: Tables, operation: CreateIndexConcurrentlyOp) -> None:
    condition = None if operation.condition is None else sa.text(operation.condition)
    options = {**operation.options}
    if condition is not None:
        options |= {"postgresql_where": condition, "sqlite_where": condition}
    _create_index(
        tables,
        ops.CreateIndexOp(
            operation.name, operation.table_name, list(operation.columns), unique=operation.unique, **options
        ),
    )


def _drop_index(tables: Tables, operation: ops.DropIndexOp | DropIndexConcurrentlyOp) -> None:
    name = operation.name if isinstance(operation, DropIndexConcurrentlyOp) else str(operation.index_name)
    tables[operation.table_name or ""].indexes.pop(name, None)


def _rename_index(tables: Tables, operation: RenameIndexOp) -> None:
    table = tables[operation.table_name]
    for found, attribute in ((table.indexes, "index_name"), (table.constraints, "constraint_name")):
        if operation.old in found:
            # A copy: the file of the step may use it again.
            renamed: Any = copy.copy(found.pop(operation.old))
            setattr(renamed, attribute, operation.new)
            found[operation.new] = renamed


def _add_constraint(tables: Tables, operation: Any) -> None:
    table = operation.source_table if isinstance(operation, ops.CreateForeignKeyOp) else operation.table_name
    tables[table].constraints[str(operation.constraint_name)] = operation


def _add_unique(tables: Tables, operation: AddUniqueConstraintOp) -> None:
    wanted = ops.CreateUniqueConstraintOp(
        operation.name, operation.table_name, list(operation.columns), **operation.options
    )
    _add_constraint(tables, wanted)


def _drop_constraint(tables: Tables, operation: ops.DropConstraintOp) -> None:
    tables[operation.table_name].constraints.pop(str(operation.constraint_name), None)


def _drop_table(tables: Tables, operation: ops.DropTableOp) -> None:
    tables.pop(operation.table_name, None)


def _rename_table(tables: Tables, operation: ops.RenameTableOp) -> None:
    tables[operation.new_table_name] = tables.pop(operation.table_name)


CHANGES: dict[type[MigrateOperation], Callable[[Tables, Any], None]] = {
    ops.AddColumnOp: _add_column,
    ops.DropColumnOp: _drop_column,
    ops.AlterColumnOp: _alter_column,
    SetNotNullOp: _set_not_null,
    AddEnumValueOp: _change_label,
    RemoveEnumValueOp: _change_label,
    ops.CreateIndexOp: _create_index,
    CreateIndexConcurrentlyOp: _create_concurrently,
    ops.DropIndexOp: _drop_index,
    DropIndexConcurrentlyOp: _drop_index,
    RenameIndexOp: _rename_index,
    ops.CreateForeignKeyOp: _add_constraint,
    ops.CreateCheckConstraintOp: _add_constraint,
    ops.CreateUniqueConstraintOp: _add_constraint,
    AddUniqueConstraintOp: _add_unique,
    ops.DropConstraintOp: _drop_constraint,
    ops.DropTableOp: _drop_table,
    ops.RenameTableOp: _rename_table,
}
