"""What Alembic's comparison does not see by itself: labels of enums and primary keys. A plugin of autogenerate."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult
from sqlalchemy.engine import Connection

from agents_app.dbtools.operations.enum_values import AddEnumValueOp, RemoveEnumValueOp, label_checks
from agents_app.dbtools.operations.enums import native_enum_types

NAME = "agents_app.comparisons"


def setup(plugin: Plugin) -> None:
    """Take part in autogenerate; Alembic calls this once."""
    plugin.add_autogenerate_comparator(_compare_labels, "schema", "enum_labels")
    plugin.add_autogenerate_comparator(_compare_key, "table", "primary_key")


def _compare_labels(autogen: AutogenContext, upgrade: ops.UpgradeOps, _schemas: object) -> PriorityDispatchResult:
    if autogen.connection is None:
        return PriorityDispatchResult.CONTINUE
    wanted = {enum.name or "": list(enum.enums) for enum in _enums(autogen.metadata)}
    for name, labels in sorted(wanted.items()):
        for present in _present_labels(autogen.connection, name):
            new = [label for label in labels if label not in present]
            gone = [label for label in present if label not in labels]
            upgrade.ops.extend(AddEnumValueOp(name, label) for label in new)
            upgrade.ops.extend(RemoveEnumValueOp(name, label) for label in gone)
    return PriorityDispatchResult.CONTINUE


def _enums(metadata: sa.MetaData | Any) -> Iterator[sa.Enum]:
    for table in metadata.tables.values():
        yield from native_enum_types(table.columns)


def _present_labels(connection: Connection, name: str) -> list[list[str]]:
    if connection.dialect.name == "postgresql":
        inspector: Any = sa.inspect(connection)
        return [enum["labels"] for enum in inspector.get_enums() if enum["name"] == name]
    # A CHECK for each column; one that lags behind is enough to say so, and changing the label changes them all.
    checks = [list(check.labels) for check in label_checks(connection, name)]
    return checks[:1] if all(labels == checks[0] for labels in checks) else [_common(checks)]


def _common(checks: list[list[str]]) -> list[str]:
    return [label for label in checks[0] if all(label in labels for labels in checks)]


def _compare_key(
    autogen: AutogenContext,
    changes: ops.ModifyTableOps,
    _schema: str | None,
    name: str,
    present: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    if present is None or wanted is None or autogen.connection is None:
        return PriorityDispatchResult.CONTINUE
    key = sa.inspect(autogen.connection).get_pk_constraint(name)
    columns = [column.name for column in wanted.primary_key.columns]
    if key["constrained_columns"] != columns:
        if key["constrained_columns"]:
            changes.ops.append(
                ops.DropConstraintOp.from_constraint(_key(name, key["constrained_columns"], key["name"]))
            )
        if columns:
            changes.ops.append(ops.CreatePrimaryKeyOp.from_constraint(wanted.primary_key))
    return PriorityDispatchResult.CONTINUE


def _key(table: str, columns: list[str], name: str | None) -> sa.PrimaryKeyConstraint:
    key = sa.PrimaryKeyConstraint(*columns, name=name or f"pk_{table}")
    sa.Table(table, sa.MetaData(), *(sa.Column(column) for column in columns), key)
    return key


@renderers.dispatch_for(ops.CreatePrimaryKeyOp, replace=True)
def _render_key(autogen: AutogenContext, operation: ops.CreatePrimaryKeyOp) -> str:
    columns = [str(column) for column in operation.columns]
    if autogen._has_batch:
        return f"batch_op.create_primary_key({operation.constraint_name!r}, {columns!r})"
    return f"op.create_primary_key({operation.constraint_name!r}, {operation.table_name!r}, {columns!r})"
