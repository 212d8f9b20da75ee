"""Adds to new tables and columns what they need first: the enums of their columns, and the tables they refer to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.enum_values import RemoveEnumValueOp
from agents_app.dbtools.operations.enums import CreateEnumOp, native_enum_types
from agents_app.dbtools.operations.rows_and_tables import RequireTablesOp


def with_enums_and_requirements(
    upgrade: list[MigrateOperation], downgrade: list[MigrateOperation]
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """Both directions, with the operations that create and drop enums, and the tables that must exist."""
    enums = list(_create_enum_ops(_added_columns(upgrade)))
    drops: list[MigrateOperation] = [enum.reverse() for enum in reversed(enums)]
    return [*_required_tables(upgrade), *enums, *upgrade], [*downgrade, *drops]


def with_removed_labels(operations: Iterable[Any]) -> Iterator[Any]:
    """The operations, in which a new column of an enum has the labels too that a later file removes from the enum."""
    every = list(operations)
    removed: dict[str, list[str]] = {}
    for found in every:
        if isinstance(found, RemoveEnumValueOp):
            removed.setdefault(found.name, []).append(found.label)
    for found in every:
        if isinstance(found, ops.AddColumnOp):
            changed = _with_labels(found.column, removed)
            yield found if changed is found.column else ops.AddColumnOp(found.table_name, changed)
            continue
        if isinstance(found, ops.CreateTableOp):
            found.columns = [_with_labels(part, removed) for part in found.columns]
        elif isinstance(found, ops.AlterColumnOp) and found.modify_type is not None:
            found.modify_type = _with_labels(sa.Column("any", found.modify_type), removed).type
        yield found


def _with_labels(column: Any, labels: Mapping[str, Sequence[str]]) -> Any:
    # The models keep their own column.
    enums = list(native_enum_types([column])) if isinstance(column, sa.Column) else []
    if not enums or enums[0].name not in labels:
        return column
    kind: Any = enums[0]
    changed = column._copy()
    options = {"native_enum": True, "create_constraint": kind.create_constraint}
    changed.type = sa.Enum(*kind.enums, *labels[kind.name], name=kind.name, **options)
    return changed


def _required_tables(operations: list[MigrateOperation]) -> Iterator[RequireTablesOp]:
    created = [operation.to_table() for operation in operations if isinstance(operation, ops.CreateTableOp)]
    needed = {key.target_fullname.rpartition(".")[0] for table in created for key in table.foreign_keys}
    missing = needed - {table.fullname for table in created}
    if missing:
        yield RequireTablesOp(sorted(missing))


def _added_columns(operations: Iterable[MigrateOperation]) -> Iterator[sa.Column[Any]]:
    for operation in operations:
        if isinstance(operation, ops.CreateTableOp):
            yield from operation.to_table().columns
        elif isinstance(operation, ops.AddColumnOp):
            yield operation.column
        elif isinstance(operation, ops.ModifyTableOps):
            yield from _added_columns(operation.ops)


def _create_enum_ops(columns: Iterable[sa.Column[Any]]) -> Iterator[CreateEnumOp]:
    labels = {enum.name or "": tuple(enum.enums) for enum in native_enum_types(columns)}
    for name in sorted(labels):
        yield CreateEnumOp(name, labels[name])
