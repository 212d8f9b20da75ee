"""Rebuilds of a table on SQLite, which Alembic does for most changes: what it does not read stays as it was.

It reads no index on an expression, no order or collation of the keys of an index, no collation of a column and no
trigger. Without this, a rebuild would lose them. PostgreSQL rebuilds no table for a change.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from alembic.operations import Operations, ops
from alembic.operations.batch import ApplyBatchImpl, BatchOperationsImpl
from sqlalchemy.engine import Connection

from agents_app.dbtools.database.columns import column_collation
from agents_app.dbtools.database.sqlite_text import column_names, rename_columns
from agents_app.dbtools.operations.sql import SameTextImpl

UNESCAPED_COLON = re.compile(r"(?<!\\):")
PARTS = """
SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND tbl_name = :table AND sql IS NOT NULL
"""
TABLE_SQL = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table"


class KeepingSQLiteImpl(SameTextImpl, SQLiteImpl):
    """Creates the indexes and triggers of a rebuilt table again, with their own statements."""

    __dialect__ = "sqlite"
    _statements: tuple[str, ...] = ()

    def prep_table_for_batch(self, batch_impl: ApplyBatchImpl, table: sa.Table) -> None:
        """Alembic calls this before it creates the new table."""
        super().prep_table_for_batch(batch_impl, table)
        if self.connection is not None:
            _keep_collations(self.connection, batch_impl, table)
            _keep_checks(batch_impl, table)
            _keep_colons(batch_impl.new_table)
            _leave_out_generated(batch_impl)
            self._statements = tuple(_statements(self.connection, batch_impl, table))

    def rename_table(self, old_table_name: str, new_table_name: Any, schema: Any = None) -> None:
        """Alembic calls this when the new table has the rows, and the old one is gone."""
        super().rename_table(old_table_name, new_table_name, schema)
        statements, self._statements = self._statements, ()
        for statement in statements:
            self._exec(sa.text(statement.replace(":", "\\:")))


def _statements(connection: Connection, batch_impl: ApplyBatchImpl, table: sa.Table) -> Iterator[str]:
    renamed, gone = _changed_names(batch_impl, table)
    for kind, name, sql in connection.execute(sa.text(PARTS), {"table": table.name}):
        if kind == "index":
            # Alembic would create those that it has read.
            batch_impl.indexes.pop(name, None)
            # As on PostgreSQL, an index goes with its column.
            if not column_names(sql) & gone:
                yield rename_columns(sql, renamed)
        else:
            yield sql


def _changed_names(batch_impl: ApplyBatchImpl, table: sa.Table) -> tuple[Mapping[str, str], set[str]]:
    kept = batch_impl.column_transfers
    new = {old: str(transfer["name"]) for old, transfer in kept.items() if "name" in transfer}
    renamed = {old.lower(): name for old, name in new.items() if name != old}
    return renamed, {column.name.lower() for column in table.columns if column.name not in kept}


def _keep_collations(connection: Connection, batch_impl: ApplyBatchImpl, table: sa.Table) -> None:
    if "collate" not in (connection.scalar(sa.text(TABLE_SQL), {"table": table.name}) or "").lower():
        return
    for name, new in batch_impl.columns.items():
        old = table.columns.get(name)
        # A column with another type has the collation of that type.
        if old is not None and new.type is old.type and isinstance(new.type, sa.String):
            collation = column_collation(connection, table.name, name)
            if collation != "BINARY":
                new.type = kept = copy.copy(new.type)
                kept.collation = collation


def _keep_checks(batch_impl: ApplyBatchImpl, table: sa.Table) -> None:
    # Two columns of one enum have CHECKs of one name. Alembic keeps, replaces and drops only the last of a name.
    new_table: Any = batch_impl.new_table
    checks = [found for found in table.constraints if isinstance(found, sa.CheckConstraint)]
    names = [str(check.name) for check in checks]
    present = batch_impl.named_constraints
    for check, name in zip(checks, names, strict=True):
        column = _checked_column(check)
        is_kept = any(found is check for found in present.values())
        if is_kept or column not in batch_impl.column_transfers or _has_new_type(batch_impl, table, column):
            continue
        if names.count(name) > 1 or (name in present and _checked_column(present[name]) != column):
            new_table.append_constraint(check._copy(target_table=new_table))


def _keep_colons(table: Any) -> None:
    # In the texts that SQLAlchemy reads from a database, a colon would begin a parameter, whose value is NULL.
    for check in table.constraints:
        if isinstance(check, sa.CheckConstraint):
            check.sqltext = _without_parameters(check.sqltext)
    for column in table.columns:
        if isinstance(column.server_default, sa.DefaultClause):
            column.server_default.arg = _without_parameters(column.server_default.arg)


def _leave_out_generated(batch_impl: ApplyBatchImpl) -> None:
    # SQLite computes their values again, and refuses those of the old table.
    for name, column in batch_impl.columns.items():
        if isinstance(column.server_default, sa.Computed) and name in batch_impl.column_transfers:
            batch_impl.column_transfers[name].pop("expr", None)


def _without_parameters(text: Any) -> Any:
    if isinstance(text, sa.TextClause) and text._bindparams:
        return sa.text(UNESCAPED_COLON.sub(r"\\:", text.text))
    return text


def _has_new_type(batch_impl: ApplyBatchImpl, table: sa.Table, column: str) -> bool:
    return batch_impl.columns[column].type is not table.columns[column].type


def _checked_column(check: Any) -> str:
    return str(check.sqltext).partition(" IN ")[0].strip('" ').rpartition(".")[2]


@Operations.implementation_for(ops.DropIndexOp, replace=True)
def _drop_index(operations: Operations, operation: ops.DropIndexOp) -> None:
    impl: Any = operations.impl
    if isinstance(impl, BatchOperationsImpl) and impl.dialect.name == "sqlite" and not impl.impl.as_sql:
        # Before the rebuild, so that it is not created again. Alembic would not find an index on an expression.
        impl = impl.impl
    options = {} if operation.if_exists is None else {"if_exists": operation.if_exists}
    impl.drop_index(operation.to_index(operations.migration_context), **options)
