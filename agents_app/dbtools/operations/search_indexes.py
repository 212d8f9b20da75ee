"""Indexes for texts that contain a word. A database can be without: then a search reads every text."""

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.database import trigrams
from agents_app.dbtools.operations.extensions import CreateExtensionOp
from agents_app.dbtools.operations.indexes import CreateIndexConcurrentlyOp, DropIndexConcurrentlyOp
from agents_app.dbtools.operations.sql import execute
from agents_app.dbtools.output import print_progress
from agents_app.paths import COMMAND

SKIPPED = "The index {name} was not created: {why}. A search works without it, and takes longer. See: {command} doctor"
# The operator class is found wherever the extension is. The search path of the script is set again after it.
SCRIPT_PATH = """
SELECT set_config('search_path', current_setting('search_path') || ', ' || quote_ident(nspname), false)
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_trgm'
"""
SCRIPT_PATH_BACK = "SELECT set_config('search_path', quote_ident(current_schema()), false)"


@Operations.register_operation("create_search_index")
class CreateSearchIndexOp(MigrateOperation):
    """Create an index for texts that contain a word."""

    def __init__(self, name: str, table_name: str, column: str) -> None:
        self.name, self.table_name, self.column = name, table_name, column

    @classmethod
    def create_search_index(cls, operations: Operations, name: str, table_name: str, column: str) -> None:
        """Create an index with the trigrams of a column, if the database can have one. Otherwise one line says why not.

        The name begins with `tx_`. On SQLite the table has a key `id`. On PostgreSQL the operations before this one are
        committed, and others can write: give this operation a step of its own. It can be run again.
        """
        operations.invoke(cls(name, table_name, column))

    def reverse(self) -> "DropSearchIndexOp":
        return DropSearchIndexOp(self.name, self.table_name)


@Operations.register_operation("drop_search_index")
class DropSearchIndexOp(MigrateOperation):
    """Drop an index for texts that contain a word."""

    def __init__(self, name: str, table_name: str) -> None:
        self.name, self.table_name = name, table_name

    @classmethod
    def drop_search_index(cls, operations: Operations, name: str, table_name: str) -> None:
        """Drop the index if it exists. The extension of PostgreSQL stays, because others may use it."""
        operations.invoke(cls(name, table_name))


@Operations.implementation_for(CreateSearchIndexOp)
def _create(operations: Operations, operation: CreateSearchIndexOp) -> None:
    context = operations.migration_context
    name, table, column = operation.name, operation.table_name, operation.column
    if not context.as_sql and (why := trigrams.missing_feature(operations.get_bind())):
        print_progress(SKIPPED.format(name=name, why=why, command=COMMAND))
    elif context.dialect.name != "postgresql":
        for statement in (*trigrams.sqlite_drop_statements(name), *trigrams.sqlite_statements(name, table, column)):
            execute(operations, statement)
    elif context.as_sql:
        operations.invoke(CreateExtensionOp(trigrams.EXTENSION))
        execute(operations, SCRIPT_PATH)
        _create_concurrently(operations, operation, "gin_trgm_ops")
        execute(operations, SCRIPT_PATH_BACK)
    else:
        _create_concurrently(operations, operation, str(trigrams.operator_class(operations.get_bind())))


def _create_concurrently(operations: Operations, operation: CreateSearchIndexOp, operator_class: str) -> None:
    key = sa.text(f"{quote_if_needed(operation.column)} {operator_class}")
    options = {"postgresql_using": "gin"}
    operations.invoke(CreateIndexConcurrentlyOp(operation.name, operation.table_name, [key], False, options=options))


@Operations.implementation_for(DropSearchIndexOp)
def _drop(operations: Operations, operation: DropSearchIndexOp) -> None:
    if operations.migration_context.dialect.name == "postgresql":
        operations.invoke(DropIndexConcurrentlyOp(operation.name, operation.table_name))
        return
    for statement in trigrams.sqlite_drop_statements(operation.name):
        execute(operations, statement)
