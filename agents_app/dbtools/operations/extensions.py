"""Operations for PostgreSQL's extensions. On SQLite they do nothing."""

from alembic.operations import MigrateOperation, Operations

from agents_app.database.quoting import quote_if_needed, quote_literal
from agents_app.dbtools.operations.sql import execute

# If the role may not create the extension, the message names it and says what to do.
CREATE = """
DO $extension$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = {name}) THEN
        RAISE EXCEPTION USING MESSAGE = {unknown};
    END IF;
    CREATE EXTENSION IF NOT EXISTS {quoted};
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION USING MESSAGE = {forbidden};
END
$extension$
"""


@Operations.register_operation("create_extension")
class CreateExtensionOp(MigrateOperation):
    """Create an extension of PostgreSQL in this database."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def create_extension(cls, operations: Operations, name: str) -> None:
        """Create the extension unless it exists. One line says if it cannot be created, and why."""
        operations.invoke(cls(name))

    def reverse(self) -> "DropExtensionOp":
        return DropExtensionOp(self.name)


@Operations.register_operation("drop_extension")
class DropExtensionOp(MigrateOperation):
    """Remove an extension of PostgreSQL from this database."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def drop_extension(cls, operations: Operations, name: str) -> None:
        """Drop the extension if it exists. This fails if something uses it."""
        operations.invoke(cls(name))

    def reverse(self) -> CreateExtensionOp:
        return CreateExtensionOp(self.name)


@Operations.implementation_for(CreateExtensionOp)
def _create(operations: Operations, operation: CreateExtensionOp) -> None:
    if operations.migration_context.dialect.name != "postgresql":
        return
    name, quoted = operation.name, quote_if_needed(operation.name)
    unknown = f"The server does not have the extension {name}. Ask its administrator to install it, then try again."
    by_hand = f"Let an administrator run: CREATE EXTENSION {quoted}, then try again."
    forbidden = f"This role may not create the extension {name}. {by_hand}"
    statement = CREATE.format(
        name=quote_literal(name), quoted=quoted, unknown=quote_literal(unknown), forbidden=quote_literal(forbidden)
    )
    execute(operations, statement)


@Operations.implementation_for(DropExtensionOp)
def _drop(operations: Operations, operation: DropExtensionOp) -> None:
    if operations.migration_context.dialect.name == "postgresql":
        quoted = quote_if_needed(operation.name)
        execute(operations, f"DROP EXTENSION IF EXISTS {quoted}")
