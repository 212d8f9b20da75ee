"""The operation that gives an index, or a UNIQUE constraint, another name."""

import re
from collections.abc import Callable

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.operations.sql import execute, final_name

INDEX_SQL = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND name = :name"
NAME = re.compile(
    r"""(\s+INDEX\s+(?:IF\s+NOT\s+EXISTS\s+)?)("(?:[^"]|"")+"|\[[^]]+\]|`[^`]+`|[^\s"]+)""", re.IGNORECASE
)
NEEDS_TABLES = "This operation cannot proceed in --sql mode"


@Operations.register_operation("rename_index")
class RenameIndexOp(MigrateOperation):
    """Give an index another name."""

    def __init__(self, old: str, new: str, table_name: str) -> None:
        self.old, self.new, self.table_name = old, new, table_name

    @classmethod
    def rename_index(cls, operations: Operations, old: str, new: str, table_name: str) -> None:
        """Give the index `old` the name `new`. If it belongs to a UNIQUE constraint, that gets the name too.

        No one waits for it. SQLite cannot do this: it creates the index again, or the table with its constraint.
        """
        operations.invoke(cls(old, new, table_name))


@Operations.implementation_for(RenameIndexOp)
def _rename(operations: Operations, operation: RenameIndexOp) -> None:
    context = operations.migration_context
    if context.dialect.name == "postgresql":
        # PostgreSQL renames the constraint with its index. ALTER TABLE ... RENAME CONSTRAINT would lock out readers.
        old, new = (final_name(operations, name) for name in (operation.old, operation.new))
        execute(operations, f"ALTER INDEX {quote_if_needed(old)} RENAME TO {quote_if_needed(new)}")
        return
    if context.as_sql:
        raise CommandError(NEEDS_TABLES)
    connection = operations.get_bind()
    statement = connection.scalar(sa.text(INDEX_SQL), {"table": operation.table_name, "name": operation.old})
    if statement is None:
        _rename_constraint(operations, operation, connection)
        return
    execute(operations, f"DROP INDEX {quote_if_needed(operation.old)}")
    execute(operations, NAME.sub(_with_name(operation.new), statement, count=1))


def _with_name(name: str) -> Callable[[re.Match[str]], str]:
    return lambda found: found[1] + quote_if_needed(name)


def _rename_constraint(operations: Operations, operation: RenameIndexOp, connection: Connection) -> None:
    for found in sa.inspect(connection).get_unique_constraints(operation.table_name):
        if found["name"] == operation.old:
            with operations.batch_alter_table(operation.table_name) as batch:
                batch.drop_constraint(batch.f(operation.old), type_="unique")
                batch.create_unique_constraint(batch.f(operation.new), found["column_names"])
            return
    raise CommandError(f"The table {operation.table_name} has no index {operation.old}.")
