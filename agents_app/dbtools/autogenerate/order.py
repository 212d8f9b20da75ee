"""Puts what autogenerate found into an order that is the same in each run. Alembic keeps some of it in sets."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops


def in_sure_order(operations: Sequence[MigrateOperation]) -> list[MigrateOperation]:
    """The same operations. Tables without a model come last, each before the tables that it refers to."""
    dropped = {found.table_name: found for found in operations if isinstance(found, ops.DropTableOp)}
    kept: list[MigrateOperation] = []
    details: dict[str, list[MigrateOperation]] = {}
    for found in operations:
        if isinstance(found, ops.ModifyTableOps):
            _sort_changes(found)
            details.setdefault(found.table_name, []).append(found)
        if getattr(found, "table_name", None) not in dropped:
            kept.append(found)
    for name in _children_first({name: _parents(found) for name, found in dropped.items()}):
        kept += [*details.get(name, []), dropped[name]]
    return kept


def _sort_changes(changes: ops.ModifyTableOps) -> None:
    # The others keep their places.
    places = [place for place, found in enumerate(changes.ops) if _name(found)]
    in_order = sorted((changes.ops[place] for place in places), key=_name)
    for place, found in zip(places, in_order, strict=True):
        changes.ops[place] = found


def _name(operation: Any) -> tuple[str, ...]:
    """What places an operation among those that have no order. Empty for an operation that has its place."""
    if isinstance(operation, ops.DropColumnOp):
        return ("2", operation.column_name)
    if isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "foreignkey":
        return ("0", str(operation.constraint_name))
    if isinstance(operation, ops.CreateForeignKeyOp):
        return ("1", str(operation.constraint_name), *operation.local_cols)
    return ()


def _parents(operation: ops.DropTableOp) -> set[str]:
    keys = [item for item in operation.reverse().columns if isinstance(item, sa.ForeignKeyConstraint)]
    return {key.elements[0].target_fullname.rpartition(".")[0] for key in keys} - {operation.table_name}


def _children_first(parents: dict[str, set[str]]) -> list[str]:
    waiting, names = sorted(parents), []
    while waiting:
        needed = {parent for name in waiting for parent in parents[name]}
        # Tables that refer to each other have no order.
        names.append(next((name for name in waiting if name not in needed), waiting[0]))
        waiting.remove(names[-1])
    return names
