"""A plugin of autogenerate: compares what Alembic compares by name or not at all.

These are the conditions of CHECKs, the kind, order, condition and operator classes of indexes, and collations.
"""

import copy
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed, quote_literal
from agents_app.dbtools.autogenerate.expressions import are_same, expression_sql, text_of
from agents_app.dbtools.autogenerate.index_facts import IndexFacts, Key, present_indexes, wanted_index
from agents_app.dbtools.database.columns import column_collation
from agents_app.dbtools.database.leftovers import NOT_NULL_CHECK
from agents_app.dbtools.database.sqlite_text import named_checks

NAME = "agents_app.details"
POSTGRESQL_CHECKS = """
SELECT conname, pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass(:table)
"""
TABLE_SQL = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table"
POSTGRESQL_COLLATIONS = """
SELECT attname, collname FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
JOIN pg_collation ON pg_collation.oid = attcollation
WHERE attrelid = to_regclass(:table) AND attnum > 0 AND attcollation <> typcollation
"""
CONTINUE = PriorityDispatchResult.CONTINUE


def setup(plugin: Plugin) -> None:
    """Register the comparators; Alembic calls this once."""
    plugin.add_autogenerate_comparator(_compare_details, "table", "details")


def _compare_details(
    autogen: AutogenContext,
    changes: ops.ModifyTableOps,
    _schema: str | None,
    _name: str,
    present: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    if present is not None and wanted is not None and autogen.connection is not None:
        changes.ops.extend(_changed_checks(autogen.connection, present, wanted))
        _compare_indexes(autogen.connection, changes, present, wanted)
        changes.ops.extend(_changed_collations(autogen.connection, changes, present, wanted))
    return CONTINUE


def _changed_checks(connection: Connection, present: sa.Table, wanted: sa.Table) -> Iterator[ops.MigrateOperation]:
    dialect, conditions = connection.dialect.name, dict(_present_checks(connection, present.name))
    checks: list[Any] = [
        check
        for check in sorted(wanted.constraints, key=lambda found: str(found.name))
        if isinstance(check, sa.CheckConstraint) and not check._type_bound and str(check.name) in conditions
    ]
    pairs = [(expression_sql(check.sqltext, dialect), conditions[str(check.name)]) for check in checks]
    for check, same in zip(checks, are_same(connection, present.name, pairs), strict=True):
        if same is False and check.name != NOT_NULL_CHECK:
            old = sa.CheckConstraint(text_of(conditions[check.name]), name=check.name)
            sa.Table(present.name, sa.MetaData(), old)
            yield ops.DropConstraintOp.from_constraint(old)
            yield ops.CreateCheckConstraintOp.from_constraint(check)


def _present_checks(connection: Connection, table: str) -> Iterator[tuple[str, str]]:
    if connection.dialect.name == "postgresql":
        for row in connection.execute(sa.text(POSTGRESQL_CHECKS), {"table": quote_if_needed(table)}):
            yield row[0], row[1]
    else:
        yield from named_checks(_table_sql(connection, table))


def _table_sql(connection: Connection, table: str) -> str:
    return connection.scalar(sa.text(TABLE_SQL), {"table": table}) or ""


def _compare_indexes(connection: Connection, changes: ops.ModifyTableOps, present: sa.Table, wanted: sa.Table) -> None:
    by_name, dialect = {str(index.name): index for index in present.indexes}, connection.dialect.name
    facts = {found.name: found for found in present_indexes(connection, present.name)}
    known = {operation.index_name for operation in changes.ops if isinstance(operation, ops.CreateIndexOp)}
    for index in sorted(wanted.indexes, key=lambda found: str(found.name)):
        name = str(index.name)
        if name not in facts or name not in by_name:
            continue
        details = list(_index_differences(connection, present.name, facts[name], wanted_index(index, dialect)))
        if name in known:
            # On SQLite Alembic does not read the order of an index, and then finds a difference that does not exist.
            if dialect == "sqlite" and not details and by_name[name].unique == bool(index.unique):
                changes.ops[:] = [found for found in changes.ops if getattr(found, "index_name", None) != name]
        elif details:
            created = ops.CreateIndexOp.from_index(index)
            # For the line of the difference.
            created.info = {"differences": details}
            changes.ops += [ops.DropIndexOp.from_index(by_name[name]), created]


def _index_differences(connection: Connection, table: str, old: IndexFacts, new: IndexFacts) -> Iterator[str]:
    if old.method != new.method:
        yield f"its kind is {old.method}, the models say {new.method}"
        return
    if old.include != new.include:
        yield f"it includes ({', '.join(old.include)}), the models say ({', '.join(new.include)})"
    if len(old.keys) != len(new.keys):
        yield f"it has {len(old.keys)} keys, the models say {len(new.keys)}"
        return
    pairs = [
        (a.expression, b.expression) for a, b in zip(new.keys, old.keys, strict=True) if not (a.column and b.column)
    ]
    same = are_same(connection, table, [*pairs, (new.condition or "1 = 1", old.condition or "1 = 1")])
    if (old.condition is None) != (new.condition is None) or same[-1] is False:
        yield f"its condition is {old.condition or 'none'}, the models say {new.condition or 'none'}"
    for (wanted, present), is_same in zip(pairs, same, strict=False):
        if is_same is False:
            yield f"it is on {present}, the models say {wanted}"
    for one, other in zip(old.keys, new.keys, strict=True):
        yield from _key_differences(one, other, has_order=old.method == "btree")


def _key_differences(old: Key, new: Key, *, has_order: bool) -> Iterator[str]:
    if old.column and new.column and old.column != new.column:
        yield f"it is on {old.column}, the models say {new.column}"
    if has_order and (old.is_descending, old.is_nulls_first) != (new.is_descending, new.is_nulls_first):
        yield f"{old.expression} is in the order {_order(old)}, the models say {_order(new)}"
    if new.operator_class not in (old.operator_class, old.any_class):
        wanted = new.operator_class or "default"
        yield f"{old.expression} has the operator class {old.any_class}, the models say {wanted}"
    if old.column and new.column and old.collation != new.collation:
        present, wanted = old.collation or "default", new.collation or "default"
        yield f"{old.expression} has the collation {present}, the models say {wanted}"


def _order(key: Key) -> str:
    return f"{'DESC' if key.is_descending else 'ASC'} NULLS {'FIRST' if key.is_nulls_first else 'LAST'}"


def _changed_collations(
    connection: Connection, changes: ops.ModifyTableOps, present: sa.Table, wanted: sa.Table
) -> Iterator[ops.MigrateOperation]:
    found = _present_collations(connection, present)
    altered = {operation.column_name for operation in changes.ops if isinstance(operation, ops.AlterColumnOp)}
    for column in wanted.columns:
        if column.name not in present.columns or column.name in altered:
            continue
        collation = getattr(column.type.dialect_impl(connection.dialect), "collation", None)
        existing = present.columns[column.name]
        if not isinstance(existing.type, sa.String) or collation == found.get(column.name):
            continue
        existing_type = copy.copy(existing.type)
        existing_type.collation = found.get(column.name)
        yield ops.AlterColumnOp(
            present.name,
            column.name,
            existing_type=existing_type,
            existing_nullable=existing.nullable,
            existing_server_default=existing.server_default or False,
            modify_type=column.type,
        )


def _present_collations(connection: Connection, table: sa.Table) -> dict[str, str]:
    if connection.dialect.name == "postgresql":
        rows = connection.execute(sa.text(POSTGRESQL_COLLATIONS), {"table": quote_if_needed(table.name)})
        return {row[0]: row[1] for row in rows}
    if "collate" not in _table_sql(connection, table.name).lower():
        return {}
    found = {column.name: column_collation(connection, table.name, column.name) for column in table.columns}
    return {name: collation for name, collation in found.items() if collation != "BINARY"}


def has_other_default(connection: Connection, column: sa.Column[Any], present: str, argument: Any) -> bool | None:
    """Whether the server makes two values of two defaults; None if it cannot say so. Functions are not called."""
    if column is column.table._autoincrement_column:
        return None
    is_postgresql = connection.dialect.name == "postgresql"
    kind = column.type.compile(dialect=connection.dialect)
    wanted = quote_literal(argument) if isinstance(argument, str) else expression_sql(argument, connection.dialect.name)
    pair = (f"CAST(({wanted}) AS {kind})", f"CAST(({present}) AS {kind})") if is_postgresql else (wanted, present)
    (same,) = are_same(connection, None, [pair])
    # On SQLite 0 and '0' are the same default of a number: Alembic compares them.
    return None if same is None or not (same or is_postgresql) else not same
