"""Adds to new tables and columns what they need first: the enums of their columns, and the tables they refer to."""

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.enums import CreateEnumOp, native_enum_types
from agents_app.dbtools.operations.rows_and_tables import RequireTablesOp


def with_enums_and_requirements(
    upgrade: list[MigrateOperation], downgrade: list[MigrateOperation]
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """Both directions, with the operations that create and drop enums, and the tables that must exist."""
    enums = list(_create_enum_ops(_added_columns(upgrade)))
    drops: list[MigrateOperation] = [enum.reverse() for enum in reversed(enums)]
    return [*_required_tables(upgrade), *enums, *upgrade], [*downgrade, *drops]


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
