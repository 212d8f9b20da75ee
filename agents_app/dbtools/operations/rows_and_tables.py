"""Operations on tables and their rows that Alembic does not have: what must be there first, and filling new columns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError

from agents_app.database.quoting import quote_literal
from agents_app.dbtools.operations.sql import execute
from agents_app.dbtools.output import progress_bar

BATCH = 1_000

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
    """Refuse, in one clear line, to go on without these tables."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    @classmethod
    def require_tables(cls, operations: Operations, *names: str) -> None:
        """Refuse to go on where one of these tables is missing."""
        operations.invoke(cls(names))

    def reverse(self) -> "RequireTablesOp":
        return self

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("require_tables", *self.names)


@Operations.implementation_for(RequireTablesOp)
def _require_tables(operations: Operations, operation: RequireTablesOp) -> None:
    for name in operation.names:
        quoted = operations.impl.dialect.identifier_preparer.quote(name)
        refusal = f"The table {name} is missing. Apply the migrations in their order, from the first on."
        if operations.migration_context.dialect.name == "postgresql":
            execute(operations, REQUIRE.format(name=quote_literal(quoted), refusal=quote_literal(refusal)))
        elif operations.migration_context.as_sql:
            # SQLite has no statement that refuses with a text of ours; its own says "no such table".
            operations.execute(sa.select(sa.text("1")).select_from(sa.table(name)).limit(0))
        elif not sa.inspect(operations.get_bind()).has_table(name):
            raise CommandError(refusal)


@renderers.dispatch_for(RequireTablesOp)
def _render_require_tables(_context: AutogenContext, operation: RequireTablesOp) -> str:
    return f"op.require_tables({', '.join(map(repr, operation.names))})"


@Operations.register_operation("fill_rows")
class FillRowsOp(MigrateOperation):
    """Fill columns of a table that may be large, a thousand rows at a time."""

    def __init__(
        self,
        table: sa.TableClause,
        pending: sa.ColumnElement[bool],
        compute: Callable[[sa.Row[Any]], Mapping[str, Any]],
        script: str,
        stamp: sa.ColumnClause[Any] | None = None,
    ) -> None:
        self.table, self.pending, self.compute, self.script, self.stamp = table, pending, compute, script, stamp

    @classmethod
    def fill_rows(
        cls,
        operations: Operations,
        table: sa.TableClause,
        pending: sa.ColumnElement[bool],
        compute: Callable[[sa.Row[Any]], Mapping[str, Any]],
        script: str,
        stamp: sa.ColumnClause[Any] | None = None,
    ) -> None:
        """Set what `compute` returns on each row that is `pending`, in the order of the column `id`.

        On PostgreSQL each hundred rows commits by itself, so that nobody waits for long and a second run goes on where
        the first one stopped: let such a step do nothing else. `--sql` writes `script`, the nearest that SQL can say.

        `stamp` is a column that every writer changes, such as a version: a row that was written since it was read is
        left as it is, also where it is still pending.
        """
        operations.invoke(cls(table, pending, compute, script, stamp))


@Operations.implementation_for(FillRowsOp)
def _fill_rows(operations: Operations, operation: FillRowsOp) -> None:
    context = operations.migration_context
    if context.as_sql:
        execute(operations, operation.script)
        return
    with context.autocommit_block() if context.dialect.name == "postgresql" else nullcontext():
        _fill(operations.get_bind(), operation)


def _fill(connection: sa.Connection, operation: FillRowsOp) -> None:
    count = connection.scalar(sa.select(sa.func.count()).select_from(operation.table).where(operation.pending))
    if not count:
        return
    with progress_bar(f"Filling {operation.table.name}", count) as advance:
        for rows in _batches(connection, operation):
            computed = [operation.compute(row) for row in rows]
            values = [{**_which(operation, row), **found} for row, found in zip(rows, computed, strict=True)]
            columns: dict[str, Any] = {name: sa.bindparam(name) for name in computed[0]}
            # What another has filled since is newer.
            same = [operation.table.c.id == sa.bindparam("row_id"), operation.pending]
            same += [operation.stamp == sa.bindparam("row_stamp")] if operation.stamp is not None else []
            connection.execute(operation.table.update().where(*same).values(columns), values)
            advance(len(rows))


def _which(operation: FillRowsOp, row: sa.Row[Any]) -> dict[str, Any]:
    stamp = {} if operation.stamp is None else {"row_stamp": row._mapping[operation.stamp.name]}
    return {"row_id": row.id, **stamp}


def _batches(connection: sa.Connection, operation: FillRowsOp) -> Iterator[list[sa.Row[Any]]]:
    key = operation.table.c.id
    statement = sa.select(operation.table).where(operation.pending).order_by(key).limit(BATCH)
    rows = list(connection.execute(statement))
    while rows:
        yield rows
        rows = list(connection.execute(statement.where(key > rows[-1].id)))
