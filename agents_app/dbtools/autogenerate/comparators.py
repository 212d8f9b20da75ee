"""A plugin of autogenerate: compares the labels of enums and the primary keys, which Alembic does not compare."""

from collections.abc import Container, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.autogenerate.names import require_short_names
from agents_app.dbtools.operations.constraints import ValidateConstraintOp
from agents_app.dbtools.operations.enum_values import AddEnumValueOp, RemoveEnumValueOp, label_checks
from agents_app.dbtools.operations.enums import native_enum_types

NAME = "agents_app.comparators"
SQLITE_INDEXES = """
SELECT name, sql, EXISTS (SELECT 1 FROM pragma_index_info(sqlite_master.name) AS part WHERE part.name IS NULL)
    AS has_expression
FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL
"""
NOT_VALIDATED = "SELECT conname FROM pg_constraint WHERE NOT convalidated AND conrelid = to_regclass(:table)"


def setup(plugin: Plugin) -> None:
    """Register the comparators; Alembic calls this once."""
    plugin.add_autogenerate_comparator(_check_names, "schema", "names", priority=DispatchPriority.FIRST)
    plugin.add_autogenerate_comparator(_compare_labels, "schema", "enum_labels")
    plugin.add_autogenerate_comparator(_compare_primary_key, "table", "primary_key")
    plugin.add_autogenerate_comparator(_compare_validation, "table", "validation")
    plugin.add_autogenerate_comparator(_compare_expression_indexes, "table", "expression_indexes")


def _check_names(autogen: AutogenContext, _upgrade: ops.UpgradeOps, _schemas: object) -> PriorityDispatchResult:
    # Before the comparison of tables, which fails with such a name on PostgreSQL only.
    metadata: Any = autogen.metadata
    require_short_names(metadata)
    return PriorityDispatchResult.CONTINUE


def _compare_labels(autogen: AutogenContext, upgrade: ops.UpgradeOps, _schemas: object) -> PriorityDispatchResult:
    if autogen.connection is None:
        return PriorityDispatchResult.CONTINUE
    metadata: Any = autogen.metadata
    enums = [enum for table in metadata.tables.values() for enum in native_enum_types(table.columns)]
    wanted = {enum.name or "": list(enum.enums) for enum in enums}
    for name, labels in sorted(wanted.items()):
        for present in _present_labels(autogen.connection, name):
            missing = [label for label in labels if label not in present]
            upgrade.ops.extend(AddEnumValueOp(name, label, _next(labels, label, present)) for label in missing)
            gone = [label for label in present if label not in labels]
            upgrade.ops.extend(RemoveEnumValueOp(name, label, _next(present, label, present)) for label in gone)
    return PriorityDispatchResult.CONTINUE


def _next(labels: Sequence[str], label: str, among: Container[str]) -> str | None:
    # The way back adds the labels in the other order, so the next one is there.
    return next((found for found in labels[labels.index(label) + 1 :] if found in among), None)


def _present_labels(connection: Connection, name: str) -> list[list[str]]:
    if connection.dialect.name == "postgresql":
        inspector: Any = sa.inspect(connection)
        return [enum["labels"] for enum in inspector.get_enums() if enum["name"] == name]
    # Each column has a CHECK of its own. If they differ, a label counts as present only if all of them have it: the
    # operation that adds a label changes every CHECK.
    checks = [list(check.labels) for check in label_checks(connection, name)]
    if all(labels == checks[0] for labels in checks):
        return checks[:1]
    return [[label for label in checks[0] if all(label in labels for labels in checks)]]


def _compare_validation(
    autogen: AutogenContext,
    changes: ops.ModifyTableOps,
    _schema: str | None,
    name: str,
    present: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    # For `check` and `migrate`. `status` has a problem of its own for such a constraint.
    connection, is_command = autogen.connection, "process_revision_directives" in autogen.opts
    if present is None or wanted is None or connection is None or not is_command:
        return PriorityDispatchResult.CONTINUE
    known = {str(rule.name) for rule in wanted.constraints}
    known -= {str(getattr(operation, "constraint_name", None)) for operation in changes.ops}
    if connection.dialect.name == "postgresql":
        found = connection.scalars(sa.text(NOT_VALIDATED), {"table": quote_if_needed(name)})
        changes.ops += [ValidateConstraintOp(rule, name) for rule in sorted(known & set(found))]
    return PriorityDispatchResult.CONTINUE


def _compare_primary_key(
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
    present_columns, wanted_columns = key["constrained_columns"], [column.name for column in wanted.primary_key.columns]
    if present_columns != wanted_columns:
        if present_columns:
            constraint = _primary_key(name, present_columns, key["name"])
            changes.ops.append(ops.DropConstraintOp.from_constraint(constraint))
        if wanted_columns:
            changes.ops.append(ops.CreatePrimaryKeyOp.from_constraint(wanted.primary_key))
    return PriorityDispatchResult.CONTINUE


def _primary_key(table: str, columns: list[str], name: str | None) -> sa.PrimaryKeyConstraint:
    # Alembic needs a constraint that belongs to a table.
    key = sa.PrimaryKeyConstraint(*columns, name=name or f"pk_{table}")
    sa.Table(table, sa.MetaData(), *(sa.Column(column) for column in columns), key)
    return key


def _compare_expression_indexes(
    autogen: AutogenContext,
    changes: ops.ModifyTableOps,
    _schema: str | None,
    name: str,
    present: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    # On SQLite Alembic compares no index with an expression, or with an order. This compares their names.
    if wanted is None or autogen.connection is None or autogen.connection.dialect.name != "sqlite":
        return PriorityDispatchResult.CONTINUE
    found = {} if present is None else _sqlite_indexes(autogen.connection, name)
    special = [index for index in wanted.indexes if not all(isinstance(part, sa.Column) for part in index.expressions)]
    known_to_alembic = {getattr(operation, "index_name", None) for operation in changes.ops}
    missing = [index for index in special if index.name not in found and index.name not in known_to_alembic]
    missing.sort(key=lambda index: str(index.name))
    changes.ops += [ops.CreateIndexOp.from_index(index) for index in missing]
    if present is None:
        # The order in which Alembic writes those of a new table.
        changes.ops.sort(key=lambda operation: str(getattr(operation, "index_name", "")))
    known = {index.name for index in wanted.indexes}
    for extra in sorted(found.keys() - known):
        if (columns := found[extra]) is not None:
            index = sa.Index(extra, sa.text(columns), _table=sa.Table(name, sa.MetaData()))
            changes.ops.append(ops.DropIndexOp.from_index(index))
    return PriorityDispatchResult.CONTINUE


def _sqlite_indexes(connection: Connection, table: str) -> dict[str, str | None]:
    """The indexes of a table; those with an expression have their columns, as SQL."""
    rows = connection.execute(sa.text(SQLITE_INDEXES), {"table": table})
    return {row.name: _columns_of(row.sql) if row.has_expression else None for row in rows}


def _columns_of(statement: str) -> str:
    return statement.partition("(")[2].partition(" WHERE ")[0].rpartition(")")[0]


@renderers.dispatch_for(ops.CreatePrimaryKeyOp, replace=True)
def _render_primary_key(autogen: AutogenContext, operation: ops.CreatePrimaryKeyOp) -> str:
    columns = [str(column) for column in operation.columns]
    if autogen._has_batch:
        return f"batch_op.create_primary_key({operation.constraint_name!r}, {columns!r})"
    return f"op.create_primary_key({operation.constraint_name!r}, {operation.table_name!r}, {columns!r})"
