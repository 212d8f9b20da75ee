"""Operations that check for tables and that fill new columns."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError

from agents_app.database.migration_limits import Limits
from agents_app.database.quoting import quote_if_needed, quote_literal
from agents_app.dbtools.database.notes import note_filled_rows
from agents_app.dbtools.operations.sql import execute
from agents_app.dbtools.output import progress_bar

REQUIRE = """
DO $require$
BEGIN
    IF to_regclass({name}) IS NULL THEN
        RAISE EXCEPTION USING MESSAGE = {refusal};
    END IF;
END
$require$
"""


@Operations.register_operation("require_tables")
class RequireTablesOp(MigrateOperation):
    """Stop the migration if one of these tables is missing."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    @classmethod
    def require_tables(cls, operations: Operations, *names: str) -> None:
        """Stop with one line that names the first of these tables that is missing."""
        operations.invoke(cls(names))

    def reverse(self) -> "RequireTablesOp":
        return self

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("require_tables", *self.names)


@Operations.implementation_for(RequireTablesOp)
def _require_tables(operations: Operations, operation: RequireTablesOp) -> None:
    for name in operation.names:
        quoted = quote_if_needed(name)
        refusal = f"The table {name} is missing. Apply the migrations in their order, from the first one."
        if operations.migration_context.dialect.name == "postgresql":
            execute(operations, REQUIRE.format(name=quote_literal(quoted), refusal=quote_literal(refusal)))
        elif operations.migration_context.as_sql:
            # SQLite has no statement that fails with a given message; this one fails with "no such table".
            operations.execute(sa.select(sa.text("1")).select_from(sa.table(name)).limit(0))
        elif not sa.inspect(operations.get_bind()).has_table(name):
            raise CommandError(refusal)


@renderers.dispatch_for(RequireTablesOp)
def _render_require_tables(_context: AutogenContext, operation: RequireTablesOp) -> str:
    return f"op.require_tables({', '.join(map(repr, operation.names))})"


@Operations.register_operation("fill_rows")
class FillRowsOp(MigrateOperation):
    """Fill columns of a table that may be large, in batches."""

    def __init__(
        self,
        table: sa.TableClause,
        pending: sa.ColumnElement[bool],
        compute: Callable[[sa.Row[Any]], Mapping[str, Any]],
        script: str,
        stamp: sa.ColumnClause[Any] | None = None,
        key: Sequence[str] = ("id",),
    ) -> None:
        self.table, self.pending, self.compute, self.script, self.stamp = table, pending, compute, script, stamp
        self.key = tuple(key)

    @classmethod
    def fill_rows(
        cls,
        operations: Operations,
        table: sa.TableClause,
        pending: sa.ColumnElement[bool],
        compute: Callable[[sa.Row[Any]], Mapping[str, Any]],
        script: str,
        stamp: sa.ColumnClause[Any] | None = None,
        key: Sequence[str] = ("id",),
    ) -> None:
        """Set the values that `compute` returns on each row that is `pending`, in the order of `key`, its primary key.

        On PostgreSQL each batch (MIGRATION_BATCH) is committed, so that no one waits for long and a second run
        continues where the first one stopped: give this operation a step of its own. After a batch that took longer
        than a second the next ones have half its rows. `--sql` writes `script`, which should come as close to this as
        SQL can.

        `stamp` is a column that every writer changes, such as a version. A row that changed after it was read is left
        unchanged, even if it is still pending.
        """
        operations.invoke(cls(table, pending, compute, script, stamp, key))


@Operations.implementation_for(FillRowsOp)
def _fill_rows(operations: Operations, operation: FillRowsOp) -> None:
    context = operations.migration_context
    if context.as_sql:
        execute(operations, operation.script)
        return
    with context.autocommit_block() if context.dialect.name == "postgresql" else nullcontext():
        limits = context.opts.get("limits", Limits())
        note_filled_rows(context, _fill(operations.get_bind(), operation, limits))


def _fill(connection: sa.Connection, operation: FillRowsOp, limits: Limits) -> int:
    count = connection.scalar(sa.select(sa.func.count()).select_from(operation.table).where(operation.pending))
    if not count:
        return 0
    with progress_bar(f"Filling {operation.table.name}", count) as advance:
        batches = _Batches(connection, operation, limits.batch)
        for rows in batches:
            computed = [operation.compute(row) for row in rows]
            values = [{**_row_key(operation, row), **found} for row, found in zip(rows, computed, strict=True)]
            columns: dict[str, Any] = {name: sa.bindparam(name) for name in computed[0]}
            # A value that another writer has set in the meantime is newer.
            unchanged = [operation.table.c[name] == sa.bindparam(f"row_{name}") for name in operation.key]
            unchanged.append(operation.pending)
            unchanged += [operation.stamp == sa.bindparam("row_stamp")] if operation.stamp is not None else []
            started = time.monotonic()
            connection.execute(operation.table.update().where(*unchanged).values(columns), values)
            if time.monotonic() - started > limits.batch_seconds:
                batches.size = max(1, batches.size // 2)
            advance(len(rows))
    return count


def _row_key(operation: FillRowsOp, row: sa.Row[Any]) -> dict[str, Any]:
    stamp = {} if operation.stamp is None else {"row_stamp": row._mapping[operation.stamp.name]}
    return {**{f"row_{name}": row._mapping[name] for name in operation.key}, **stamp}


class _Batches:
    """The pending rows in the order of their key. `size`, the rows of the next batch, can be changed."""

    def __init__(self, connection: sa.Connection, operation: FillRowsOp, size: int) -> None:
        self.size = size
        self._connection, self._operation = connection, operation

    def __iter__(self) -> Iterator[list[sa.Row[Any]]]:
        key = [self._operation.table.c[name] for name in self._operation.key]
        statement = sa.select(self._operation.table).where(self._operation.pending).order_by(*key)
        rows = list(self._connection.execute(statement.limit(self.size)))
        while rows:
            yield rows
            rows = list(self._connection.execute(statement.where(_is_after(key, rows[-1])).limit(self.size)))


def _is_after(key: list[Any], row: sa.Row[Any]) -> sa.ColumnElement[bool]:
    if len(key) == 1:
        return key[0] > row._mapping[key[0].name]  # type: ignore[no-any-return]
    values = [sa.bindparam(None, row._mapping[column.name], type_=column.type) for column in key]
    return sa.tuple_(*key) > sa.tuple_(*values)
