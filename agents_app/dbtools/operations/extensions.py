"""Operations for PostgreSQL's extensions. On other databases they do nothing."""

from alembic.operations import MigrateOperation, Operations

from agents_app.database.quoting import quote_literal
from agents_app.dbtools.operations.sql import execute

# An extension that the role may not make is named together with what to do; one that is there is fine.
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
    """Make an extension of PostgreSQL available in this database."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def create_extension(cls, operations: Operations, name: str) -> None:
        """Make the extension unless it is there; where the server lacks it or the role may not, one line says so."""
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
        """Drop the extension where it is there; what uses it makes this fail."""
        operations.invoke(cls(name))

    def reverse(self) -> CreateExtensionOp:
        return CreateExtensionOp(self.name)


@Operations.implementation_for(CreateExtensionOp)
def _create(operations: Operations, operation: CreateExtensionOp) -> None:
    if operations.migration_context.dialect.name != "postgresql":
        return
    name, quoted = operation.name, operations.impl.dialect.identifier_preparer.quote(operation.name)
    unknown = f"The server does not have the extension {name}. Ask whoever runs it to install it, then try again."
    by_hand = f"Let an administrator say: CREATE EXTENSION {quoted}, then try again."
    forbidden = f"This role may not make the extension {name}. {by_hand}"
    statement = CREATE.format(
        name=quote_literal(name), quoted=quoted, unknown=quote_literal(unknown), forbidden=quote_literal(forbidden)
    )
    execute(operations, statement)


@Operations.implementation_for(DropExtensionOp)
def _drop(operations: Operations, operation: DropExtensionOp) -> None:
    if operations.migration_context.dialect.name == "postgresql":
        quoted = operations.impl.dialect.identifier_preparer.quote(operation.name)
        execute(operations, f"DROP EXTENSION IF EXISTS {quoted}")
